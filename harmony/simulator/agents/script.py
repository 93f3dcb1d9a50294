"""PURE: which threats come to a device, and when they go; the same seed tells the same story."""

from __future__ import annotations

import hashlib

from harmony.simulator.agents.records import (
    ANDROID,
    CLIENT_VERSION,
    IOS,
    Handset,
    InstalledApp,
    Report,
    Threat,
)

# A device lives through cycles of so many minutes; in about a third of them something happens to it.
CYCLE_MINUTES = 20
TROUBLED = 90
OLD_CLIENT, OLD_CLIENT_OF = "3.8.0", 16

# What an administrator blocks to try the recipe of the vendor's guide.
TEST_APP = InstalledApp("com.example.testapp", "1.0", "Harmony Test App")
BOTH = (IOS, ANDROID)

# Threat factor, what it is about, where it can happen; what stands here twice comes twice as often.
STORIES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("PHISHING", "login.example-bank.test", BOTH),
    ("PHISHING", "parcel.example.test", BOTH),
    ("ZERO_PHISHING", "new-today.example.test", BOTH),
    ("BOTNET", "c2.example.test", BOTH),
    ("MALICIOUS_SITE", "free-games.example.test", BOTH),
    ("SSL_STRIPPING", "Airport Free WiFi", BOTH),
    ("SSL_INTERCEPTION_BASIC", "Cafe Guest", BOTH),
    ("CAPTIVE_PORTAL", "Hotel Lobby", BOTH),
    ("CAPTIVE_PORTAL", "Train WiFi", BOTH),
    ("NO_SCREEN_LOCK", "", BOTH),
    ("NO_SCREEN_LOCK", "", BOTH),
    ("JAILBROKEN", "", (IOS,)),
    ("ROOTED", "", (ANDROID,)),
    ("USB_DEBUGGING", "", (ANDROID,)),
    ("UNKNOWN_SOURCES", "", (ANDROID,)),
    ("SMS_PHISHING", "parcel.example.test", (ANDROID,)),
    ("ROOTING_TOOL", "com.example.rooter", (ANDROID,)),
    ("BACKUP_TOOL", "com.example.backup", (ANDROID,)),
    # The dashboard has never heard of this one.
    ("JUICE_JACKING", "", BOTH),
)
SUBJECTS = {code: subject for code, subject, _ in STORIES}

ANDROID_APPS = tuple(
    InstalledApp(f"com.example.{name}", f"{number + 1}.{number % 4}", name.title())
    for number, name in enumerate(
        ("maps", "mail", "calendar", "chat", "weather", "browser", "notes", "scanner", "wallet", "solitaire")
    )
)


def report(seed: int, handset: Handset, minute: float) -> Report:
    """What the Protect app of `handset` has to tell `minute` minutes after the beginning."""
    constant = _chance(seed, handset, "constant")
    threat = _threat(seed, handset, minute, phase=constant[0] % CYCLE_MINUTES)
    return Report(
        threats=(threat,) if threat else (),
        os_version=handset.os_version,
        client_version=OLD_CLIENT if constant[1] % OLD_CLIENT_OF == 0 else CLIENT_VERSION,
        apps=_apps(constant) if handset.platform == ANDROID else None,
    )


def _threat(seed: int, handset: Handset, minute: float, phase: int) -> Threat | None:
    """At most one at a time: it begins with the cycle and is gone before the cycle ends."""
    cycle, into = divmod(minute + phase, CYCLE_MINUTES)
    chance = _chance(seed, handset, int(cycle))
    lasts = CYCLE_MINUTES / 2 + chance[1] % (CYCLE_MINUTES // 2)
    possible = [story for story in STORIES if handset.platform in story[2]]
    if chance[0] >= TROUBLED or into >= lasts or not possible:
        return None
    code, subject, _ = possible[chance[2] % len(possible)]
    return Threat(code, subject)


def _apps(chance: bytes) -> tuple[InstalledApp, ...]:
    common = tuple(app for number, app in enumerate(ANDROID_APPS) if chance[2 + number] < 160)
    return (*common, TEST_APP) if chance[12] < 64 else common


def _chance(seed: int, handset: Handset, what: object) -> bytes:
    text = f"{seed}|{handset.udid}|{handset.profile}|{what}"
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
