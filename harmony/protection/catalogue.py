"""PURE: the catalogue of threat factors: code, name, attack vector, platforms, default risk (facts §3.3).

Names are the vendor's where a guide attests them. Codes, and risks that no guide states, are ours: the policy
changes the risk of each but the fixed ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from harmony.models.states import Risk

# What a code may look like, known or not: it becomes the end of a tag's name.
_CODE = re.compile(r"[A-Z0-9]+(?:_+[A-Z0-9]+)*")
LONGEST_CODE = 64


class Vector(StrEnum):
    """The eight attack vectors, as the vendor spells them."""

    APPLICATION = "Application"
    CELLULAR_NETWORK = "Cellular network"
    DEVICE = "Device"
    NETWORK_SECURITY = "Network Security"
    OS_EXPLOITS = "OS Exploits"
    TEXT_MESSAGE = "Text message"
    WIFI_NETWORK = "WiFi network"
    IOS_PROFILES = "iOS profiles"


IOS, ANDROID = "ios", "android"
_BOTH = (IOS, ANDROID)


@dataclass(frozen=True, slots=True)
class Factor:
    """One threat factor. `fixed`: no policy and no exception changes its risk.

    `concluded`: the dashboard finds it itself; a device that reports it is not believed.
    """

    code: str
    name: str
    vector: Vector
    risk: Risk
    platforms: tuple[str, ...] = _BOTH
    fixed: bool = False
    concluded: bool = False
    known: bool = True


APP, DEVICE, _NETWORK = Vector.APPLICATION, Vector.DEVICE, Vector.NETWORK_SECURITY
_WIFI = Vector.WIFI_NETWORK

CATALOGUE: dict[str, Factor] = {
    factor.code: factor
    for factor in (
        Factor("MALICIOUS_APP", "Malicious App", APP, Risk.HIGH, fixed=True),
        Factor("BLOCKED_APP", "Blocked app", APP, Risk.HIGH, fixed=True, concluded=True),
        Factor("DANGEROUS_APP", "Dangerous App", APP, Risk.HIGH),
        Factor("GENERIC_MALWARE__SUSPECTED", "Suspected Malware", APP, Risk.HIGH),
        Factor("ROOTING_TOOL", "Rooting Tool", APP, Risk.HIGH),
        Factor("SUSPICIOUS_APP", "Suspicious App", APP, Risk.MEDIUM),
        Factor("HACKING_TOOL", "Hacking Tool", APP, Risk.MEDIUM),
        Factor("HIDDEN_CLICKER", "Hidden Clicker", APP, Risk.MEDIUM),
        Factor("ROUGH_AD_NETWORK", "Rough Ad-Network", APP, Risk.MEDIUM),
        Factor("PHONE_TRACKING_TOOL", "Device Tracking Tool", APP, Risk.MEDIUM),
        Factor("REMOTE_ACCESS_TOOL", "Remote Access Tool", APP, Risk.MEDIUM),
        Factor("LOCATION_TRACKING", "Location Tracking", APP, Risk.LOW),
        Factor("BACKUP_TOOL", "Backup Tool", APP, Risk.LOW),
        Factor("DEBUG_CERTIFICATE", "Debug Certificate", APP, Risk.NONE, (ANDROID,)),
        Factor("SSL_STRIPPING", "SSL Stripping", _WIFI, Risk.HIGH),
        Factor("SSL_INTERCEPTION_ADVANCED", "SSL Interception (Advanced)", _WIFI, Risk.HIGH),
        Factor("SSL_INTERCEPTION_BASIC", "SSL Interception (Basic)", _WIFI, Risk.MEDIUM),
        Factor("CAPTIVE_PORTAL", "Captive Portal Redirection", _WIFI, Risk.LOW),
        Factor("PHISHING", "Phishing", _NETWORK, Risk.HIGH),
        Factor("ZERO_PHISHING", "Zero-Phishing", _NETWORK, Risk.HIGH),
        Factor("BOTNET", "Botnets", _NETWORK, Risk.HIGH),
        Factor("MALICIOUS_SITE", "Spyware / Malicious Sites", _NETWORK, Risk.MEDIUM),
        Factor("SMS_PHISHING", "SMS phishing", Vector.TEXT_MESSAGE, Risk.MEDIUM, (ANDROID,)),
        Factor("ROOTED", "Rooted", Vector.OS_EXPLOITS, Risk.HIGH, (ANDROID,)),
        Factor("JAILBROKEN", "Jailbroken", Vector.OS_EXPLOITS, Risk.HIGH, (IOS,)),
        Factor("OS_OUTDATED", "OS version too old", DEVICE, Risk.MEDIUM, concluded=True),
        Factor("CLIENT_OUTDATED", "Non-compliant Client version", DEVICE, Risk.NONE, concluded=True),
        Factor("DEVICE_SILENT", "Did not connect", DEVICE, Risk.NONE, concluded=True),
        Factor("USB_DEBUGGING", "USB Debugging", DEVICE, Risk.LOW, (ANDROID,)),
        Factor("UNKNOWN_SOURCES", "Unknown sources", DEVICE, Risk.LOW, (ANDROID,)),
        Factor("NO_SCREEN_LOCK", "No Screen lock set", DEVICE, Risk.LOW),
        Factor("POLICY_VERIFICATION", "Policy Verification", DEVICE, Risk.NONE),
        Factor("GLOBAL_PROXY", "Global Proxy", DEVICE, Risk.NONE),
    )
}


def factor_of(code: str) -> Factor:
    """Return the catalogue's entry; a code it does not know keeps its code as its name, at Medium."""
    known = CATALOGUE.get(code)
    return known or Factor(code, code, DEVICE, Risk.MEDIUM, known=False)


def is_about_app(code: str) -> bool:
    """Return True if the subject of such a finding is an app.

    >>> is_about_app("HACKING_TOOL"), is_about_app("ROOTED")
    (True, False)
    """
    return factor_of(code).vector is Vector.APPLICATION


def is_code(text: str) -> bool:
    """Return True if this can be the code of a threat factor at all.

    >>> is_code("GENERIC_MALWARE__SUSPECTED"), is_code("rooted"), is_code("A B")
    (True, False, False)
    """
    return len(text) <= LONGEST_CODE and _CODE.fullmatch(text) is not None
