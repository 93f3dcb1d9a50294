"""The help sheet of keyboard shortcuts, on which each browser can switch them off."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from harmony.security.permissions import Permission, needs
from harmony.security.sessions import cookie_path
from harmony.web.shared.shortcuts import COOKIE, OFF, are_on, pages

blueprint = Blueprint("shortcuts", __name__, url_prefix="/shortcuts")

_KEPT_SECONDS = 365 * 24 * 3600


@blueprint.get("")
@needs(Permission.VIEW)
def show() -> ResponseReturnValue:
    """Show the shortcuts; the question mark opens the same in a dialog."""
    return render_template("shortcuts/show.html", pages=pages(), are_on=are_on())


@blueprint.post("")
@needs(Permission.VIEW)
def switch() -> ResponseReturnValue:
    """Switch them on or off in this browser."""
    response = redirect(url_for("shortcuts.show"), 303)
    kept = {"path": cookie_path(), "secure": request.is_secure, "httponly": True, "samesite": "Lax"}
    value = OFF if request.form.get(COOKIE) == OFF else "on"
    response.set_cookie(COOKIE, value, max_age=_KEPT_SECONDS, **kept)  # type: ignore[arg-type]
    return response
