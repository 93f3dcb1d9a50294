"""Former addresses of pages, as bookmarks and mails have them, and where the pages are now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import current_app, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

from harmony.security.addresses import has_dots, is_path

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


def page_now() -> str | None:
    """Return the path where the page that is asked for is now; None where there is none."""
    path = moved(request.path) if is_path(request.path) and not has_dots(request.path) else None
    return path if path and _routes().allowed_methods(path) else None


def view_now() -> tuple[str, Mapping[str, Any]] | None:
    """Return the endpoint, with its arguments, to which the page that is asked for has moved."""
    path = page_now()
    try:
        return _routes().match(path) if path else None
    except HTTPException:  # not by this method
        return None


def _routes() -> MapAdapter:
    adapter = current_app.create_url_adapter(request)
    assert adapter is not None  # there is a request
    return adapter
