"""Refuses unsafe requests that another site makes with our user's browser; needs no tokens."""

from __future__ import annotations

from flask import Flask, abort, request

from harmony.security.hosts import normal_origin

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# `none` is what the browser sends when the user acted in person, such as reloading a posted page.
OWN_SITES = frozenset({"same-origin", "none"})
_SENTENCE = "This request came from another site, so nothing was done. Open Harmony and try again from there."


def init_app(app: Flask) -> None:
    """Check every unsafe request, whether its address exists or not, before anything else happens."""
    app.before_request(_refuse_other_sites)


def _refuse_other_sites() -> None:
    """Answer 403 to an unsafe request that a page of another origin made."""
    if request.method not in _SAFE_METHODS and not _is_own():
        abort(403, description=_SENTENCE)


def _is_own() -> bool:
    """Tell whether the request comes from our own pages, by Sec-Fetch-Site over https and to localhost.

    On plain http over a LAN, Origin does. A request with neither was not made by a browser, carries no
    cookie that its maker does not know, and so cannot be forged.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in OWN_SITES
    origin = request.headers.get("Origin")
    own = normal_origin(f"{request.scheme}://{request.host}")
    return origin is None or (own is not None and normal_origin(origin) == own)
