"""What a form shows when it was sent in vain before: its sender was signed out, and has signed in again."""

from __future__ import annotations

from flask import g, request
from werkzeug.datastructures import MultiDict

from harmony.clock import steady
from harmony.security import kept_forms
from harmony.security.addresses import page_address
from harmony.security.auth import CONFIRMED, KEPT
from harmony.security.kept_forms import TypedForm

_SIGNED_OUT = "You were signed out before this was sent. What you typed is here again; nothing was saved yet."
_CONFIRMED = "What you typed is here again; nothing was saved yet."
_NOT_YOURS = (
    "What was typed here before you signed in was sent by another user, or too long ago. It is not shown."
)


def kept(id_: str | None, page: str) -> TypedForm | None:
    """Return what the signed-in user sent to that page after the session had ended; None: nothing is kept."""
    if not id_ or g.get("user") is None:
        return None
    return kept_forms.find(id_, g.user.id, page, steady())


def sent() -> MultiDict[str, str]:
    """Return what was sent with this request, or before and in vain; empty for a page that is looked at."""
    if request.form:
        return request.form
    found = kept(request.args.get(KEPT), page_address()) if request.method == "GET" else None
    return found.fields() if found else MultiDict()


def notice() -> str | None:
    """Return what the page says on top when it was led to by a form that was kept."""
    if request.method != "GET" or KEPT not in request.args or g.get("user") is None:
        return None
    if kept(request.args[KEPT], page_address()) is None:
        return _NOT_YOURS
    return _CONFIRMED if CONFIRMED in request.args else _SIGNED_OUT
