"""Security headers of every answer: content security policy, framing, caching, HSTS."""

from __future__ import annotations

from flask import Flask, Response, request

ALWAYS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # says what frame-ancestors says, to scanners that do not read it
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HSTS = "max-age=31536000"
_NO_STORE = "no-store"
_IMMUTABLE = "public, max-age=31536000, immutable"
_REVALIDATE = "no-cache"
_FOUND = frozenset({200, 206, 304})


def init_app(app: Flask, *, is_https: bool = False) -> None:
    """Put the headers on every answer, errors included. `is_https`: people open it by https only."""

    @app.after_request
    def add(response: Response) -> Response:
        return _add_headers(response, is_https=is_https)


def own_headers(*, is_https: bool) -> dict[str, str]:
    """Return the headers of an answer that is made without the application."""
    hsts = {"Strict-Transport-Security": _HSTS} if is_https else {}
    return ALWAYS | hsts | {"Cache-Control": _NO_STORE}


def _add_headers(response: Response, *, is_https: bool = False) -> Response:
    """Set the headers; a view cannot weaken them."""
    for name, value in ALWAYS.items():
        response.headers[name] = value
    response.headers["Cache-Control"] = _cache_control(response.status_code)
    if request.is_secure or is_https:
        response.headers["Strict-Transport-Security"] = _HSTS
    return response


def _cache_control(status: int) -> str:
    if request.endpoint != "static" or status not in _FOUND:
        return _NO_STORE
    # The names of vendored files carry their version, and `?v=` is a hash of the content.
    if request.path.startswith("/static/vendor/") or "v" in request.args:
        return _IMMUTABLE
    return _REVALIDATE
