"""What a form shows when it was sent in vain before: its sender was signed out, and has signed in again."""

from __future__ import annotations

from typing import Any

from flask import g, has_request_context, request
from werkzeug.datastructures import MultiDict
from wtforms import Form
from wtforms.meta import DefaultMeta

from harmony.clock import steady
from harmony.security import kept_forms
from harmony.security.addresses import page_address
from harmony.security.auth import CONFIRMED, KEPT
from harmony.security.kept_forms import ABOUT_THE_PAGE, TypedForm
from harmony.web.shared.ids import number

_SIGNED_OUT = "You were signed out before this was sent."
_AGAIN = "What you typed is here again; nothing was saved yet."
_SECRETS = "Type passwords, keys and secret addresses once more: they are not kept."
_NOTHING = "Nothing was done: do it again."
_NOT_YOURS = (
    "What was typed here before you signed in was sent by another user, or too long ago. It is not shown."
)
_GIVEN_BACK = "typed_given_back"


def kept(id_: str | None, page: str) -> TypedForm | None:
    """Return what the signed-in user sent to that page after the session had ended; None: nothing is kept."""
    if found := _find(id_, page):
        setattr(g, _GIVEN_BACK, True)
    return found


def sent() -> MultiDict[str, str]:
    """Return what was sent with this request, or before and in vain; empty for a page that is looked at."""
    if request.form:
        return request.form
    found = kept(request.args.get(KEPT), page_address()) if request.method == "GET" else None
    return found.fields() if found else MultiDict()


class _Meta(DefaultMeta):
    """Fills a form that a page shows with what its user sent in vain."""

    def wrap_formdata(self, form: Any, formdata: Any) -> Any:
        """Return what was sent with this request, or before and in vain."""
        # Configuration files are read with the same forms, and no request.
        if formdata is None and has_request_context() and (values := _kept_for(form)):
            setattr(g, _GIVEN_BACK, True)
            form.is_given_back = True
            return values
        return super().wrap_formdata(form, formdata)


class ConsoleForm(Form):
    """A form of the console. A page that makes it without what was sent shows what was kept for it."""

    Meta = _Meta
    is_given_back = False


def drop_given_back(form: ConsoleForm) -> None:
    """Empty a form that was filled again, and say so: what it was about has changed since."""
    for field in form:
        field.data = ""
    form.is_given_back = False
    setattr(g, _GIVEN_BACK, False)


def edition_seen(edition: int, conflict: str = "") -> int:
    """Return the edition that what was typed is about: the page's own, unless the form was sent before.

    A form that is refused for what is in it stays about the edition that its user saw, lest the next try
    overwrites what somebody else saved meanwhile. Whoever was told of a `conflict` may.
    """
    if request.method == "POST" and not conflict:
        seen = number(request.form.get("edition", ""))
    else:
        found = _here() if getattr(g, _GIVEN_BACK, False) else None
        seen = number(found.fields().get("edition", "")) if found else None
    return edition if seen is None else seen


def notice() -> str | None:
    """Return what the page says on top when it was led to by a form that was kept."""
    if request.method != "GET" or KEPT not in request.args or g.get("user") is None:
        return None
    if (found := _here()) is None:
        return _NOT_YOURS
    said = [] if CONFIRMED in request.args else [_SIGNED_OUT]
    if not getattr(g, _GIVEN_BACK, False):
        return " ".join([*said, _NOTHING])
    return " ".join([*said, _AGAIN, *([_SECRETS] if found.lacks_secrets else [])])


def _kept_for(form: Form) -> MultiDict[str, str] | None:
    """Return what is kept of this form: of several on a page the one that has all the fields sent."""
    if (found := _here()) is None:
        return None
    values = found.fields()
    names = set(values) - ABOUT_THE_PAGE
    return values if names and names <= set(form._fields) else None


def _here() -> TypedForm | None:
    return _find(request.args.get(KEPT), page_address()) if request.method == "GET" else None


def _find(id_: str | None, page: str) -> TypedForm | None:
    if not id_ or g.get("user") is None:
        return None
    return kept_forms.find(id_, g.user.id, page, steady())
