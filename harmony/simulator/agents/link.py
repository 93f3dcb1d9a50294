"""PURE: what a Protect app reads from the link or the QR code of a registration message."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from harmony.simulator.agents.records import Handset


def server_of(link: str) -> str:
    """Return the address of the dashboard.

    >>> server_of("https://harmony.example/register#ABCD")
    'https://harmony.example'
    >>> server_of("https://example.com/harmony/register#ABCD")
    'https://example.com/harmony'
    """
    parts = urlsplit(link)
    return f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix('/register')}"


def handsets(handset: Handset, link: str) -> list[Handset]:
    """Return the app of each profile that the link has a code for.

    >>> link = "https://h/register#work:AAAA,personal:BBBB"
    >>> [(app.profile, app.code) for app in handsets(Handset("U", "android"), link)]
    [('work', 'AAAA'), ('personal', 'BBBB')]
    """
    named = [part.rpartition(":") for part in urlsplit(link).fragment.split(",")]
    return [replace(handset, profile=profile or "device", code=code) for profile, _, code in named]
