"""A wizard page as it was left: kept as typed even where it is no draft yet, and shown so again."""

from __future__ import annotations

from typing import NamedTuple

from flask import request, url_for
from werkzeug.datastructures import MultiDict
from wtforms import Form

from harmony.clock import now
from harmony.models.configuration import SERVER
from harmony.security.auth import KEPT
from harmony.security.credentials import SECRET_FIELDS
from harmony.security.kept_forms import TypedForm
from harmony.setup.wizard_state import WizardState
from harmony.uem.trust.certificates import CertificateRefused, read_upload
from harmony.web.shared import typed
from harmony.web.wizard.steps import Step, form_of_draft

CONFLICT = (
    "This page was saved in another tab or by somebody else. "
    "Your values are shown below; send them again to replace the saved ones."
)
_LEFT = "These values were left incomplete. Correct what is marked below."
TOO_LARGE = "This is too large to keep. Shorten it, or complete the page first."
# What says where a secret may go: one that was typed for other addresses is not sent to these.
_ADDRESSES = ("server_address", "token_region", "token_other")
_FILE, _TEXT = "certificate_file", "certificate"
# Hidden fields that say something of the page, not of what was typed.
_ABOUT_THE_PAGE = frozenset({"edition", "seen", KEPT, "offered"})


class _Unfinished(NamedTuple):
    """A form that was left or could not be sent, with its errors, and what the page says on top."""

    form: Form
    notice: str


def values_sent(state: WizardState, step: Step) -> MultiDict[str, str]:
    """Return what was sent; an empty secret becomes the one typed before for the same addresses."""
    values: MultiDict[str, str] = request.form
    if step.name != SERVER:
        return values
    before = (_sent_in_vain(state, step, values.get(KEPT)), state.typed(step.name))
    for form in (known.fields() for known in before if known is not None):
        if all(_text(form, name) == _text(values, name) for name in _ADDRESSES):
            values = _with_secrets(values, form)
    return values


def _with_secrets(values: MultiDict[str, str], known: MultiDict[str, str]) -> MultiDict[str, str]:
    filled = MultiDict(values.items(multi=True))
    for name in SECRET_FIELDS:
        if known.get(name) and not filled.get(name):
            filled[name] = known[name]
    return filled


def shown_again(state: WizardState, step: Step) -> _Unfinished | None:
    """Return the page as its user sent it in vain, else as somebody left it; None without either."""
    sent = _sent_in_vain(state, step, request.args.get(KEPT))
    known = sent or state.typed(step.name)
    if known is None:
        return None
    values = _with_file(known)
    form = step.form(values, data=step.fill(getattr(state.draft, step.name)))
    form.validate()
    step.read(form, state)
    return _Unfinished(form, _notice(state, step, values) if sent else _LEFT)


def is_changed(state: WizardState, step: Step, form: Form) -> bool:
    """Tell if anything was typed that the page did not say before."""
    if state.typed(step.name) is not None or any(request.files.values()):
        return True
    shown = form_of_draft(state, step).data
    typed_names = set(request.form) | {name for name, value in shown.items() if not isinstance(value, str)}
    return any(
        _plain(form.data[name]) != _plain(shown[name])
        for name in typed_names
        if name in shown and name not in _ABOUT_THE_PAGE and name != _FILE
    )


def as_left(values: MultiDict[str, str]) -> TypedForm:
    """Return what is kept of the page; a certificate that was uploaded is kept as its text."""
    kept = _with_file(TypedForm(tuple(values.items(multi=True)), TypedForm.of_request().files))
    left_out = _ABOUT_THE_PAGE - {"offered"}
    return TypedForm(tuple(pair for pair in kept.items(multi=True) if pair[0] not in left_out))


def _sent_in_vain(state: WizardState, step: Step, id_: str | None) -> TypedForm | None:
    page = url_for("wizard.show", integration_id=state.id, page=step.name)
    return typed.kept(id_, page)


def _with_file(known: TypedForm) -> MultiDict[str, str]:
    """Return the values with the text of the certificate file; a refused file has to be chosen again."""
    values = known.fields()
    if upload := known.files.get(_FILE):
        try:
            values[_TEXT] = read_upload(upload, now()).pem
        except CertificateRefused:
            return values
    return values


def _notice(state: WizardState, step: Step, values: MultiDict[str, str]) -> str:
    return "" if values.get("edition", "0") == str(state.edition(step.name)) else CONFLICT


def _text(values: MultiDict[str, str], name: str) -> str:
    return (values.get(name) or "").strip().rstrip("/")


def _plain(value: object) -> object:
    """Return a value as it is compared: a list without its order, a text with one kind of line end."""
    if value is None or value == []:
        return ""
    if isinstance(value, (list, tuple)):
        return set(value)
    return value.replace("\r\n", "\n").strip() if isinstance(value, str) else value
