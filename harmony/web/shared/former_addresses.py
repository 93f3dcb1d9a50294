"""Former addresses of pages, as bookmarks and mails have them, and where the pages are now."""

from __future__ import annotations

# The first part of a path, and what stands in its place.
_MOVED = {
    part: f"/settings/{part}"
    for part in (
        *("connectors", "destinations", "exceptions", "messages", "nodes", "notices"),
        *("sign-in-rules", "users"),
    )
}
# Promised to bookmarks and the vendor's guide without the prefix; they answer at both.
_UNMOVED = {"integrations": "/integrations", "audit": "/audit"}
_SETTINGS = "settings"


def moved(path: str) -> str | None:
    """Return the path where a page is now; None if it has always been there, or never was.

    >>> [moved(path) for path in ("/users/3", "/settings/audit", "/devices", "/settings/policy")]
    ['/settings/users/3', '/audit', None, None]
    """
    first, _, rest = path.removeprefix("/").partition("/")
    if first == _SETTINGS:
        first, _, rest = rest.partition("/")
        place = _UNMOVED.get(first)
    else:
        place = _MOVED.get(first)
    return place and (f"{place}/{rest}" if rest else place)
