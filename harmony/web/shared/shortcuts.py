"""Keyboard shortcuts: the pages that G and a letter lead to, and whether they are switched off."""

from __future__ import annotations

from flask import request, url_for

from harmony.security.auth import may_open

COOKIE, OFF = "shortcuts", "off"
# The letter after G, the page as the navigation calls it, its endpoint.
PAGES = (
    ("o", "Overview", "overview.show"),
    ("d", "Devices", "devices.index"),
    ("a", "Apps", "apps.index"),
    ("e", "Events", "events.index"),
    ("i", "Integrations", "integrations.index"),
    ("p", "Policy", "policy.show"),
    ("x", "Exceptions", "exceptions.index"),
    ("m", "Messages", "messages.index"),
    ("n", "Notices", "notices.show"),
    ("u", "Audit Trail", "audit.index"),
)


def are_on() -> bool:
    """Return False if this browser has them switched off."""
    return request.cookies.get(COOKIE) != OFF


def pages() -> list[tuple[str, str, str]]:
    """Return the pages that the signed-in person may open."""
    return [page for page in PAGES if may_open(page[2])]


def addresses() -> dict[str, str]:
    """Return the address of each letter."""
    return {letter: url_for(endpoint) for letter, _label, endpoint in pages()}
