"""The browser in a sign-in at the provider: the addresses it returns to, and the cookie that binds it."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response

from harmony.config import current_settings
from harmony.oidc.flow import KEPT_FOR, new_browser
from harmony.security.sessions import cookie_path, named_cookie

_COOKIE = "harmony-sign-on"
PREFIX = "/sign-in/provider"


def _base_address() -> str:
    """Return the address of the dashboard as browsers know it, without a slash at the end."""
    return (current_settings().public_url or request.url_root).rstrip("/")


def redirect_uri() -> str:
    """Return the address that the provider sends browsers back to."""
    return _base_address() + PREFIX + "/callback"


def logout_uri() -> str:
    """Return the address that the provider says a logout to."""
    return _base_address() + PREFIX + "/logout"


def signed_out_uri() -> str:
    """Return the address that the provider sends browsers to after signing them out."""
    return _base_address() + "/sign-in"


def read_browser() -> str | None:
    """Return the key of this browser, if it has started a sign-in."""
    return request.cookies.get(named_cookie(_COOKIE))


def browser_or_new() -> str:
    """Return the key of this browser, a new one at its first sign-in: several windows share it."""
    return read_browser() or new_browser()


def set_browser(response: Response, key: str) -> None:
    """Set the cookie for as long as a sign-in may take. `Lax`: the provider sends the browser back."""
    response.set_cookie(
        named_cookie(_COOKIE),
        key,
        max_age=int(KEPT_FOR.total_seconds()),
        path=cookie_path(),
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )
