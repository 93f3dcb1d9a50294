"""A page of the wizard as it was left: kept as typed even where it is no draft yet, and shown so again."""

from __future__ import annotations

from typing import NamedTuple

from flask import request, url_for
from werkzeug.datastructures import MultiDict
from wtforms import Form

from harmony.clock import now
from harmony.models import Integration
from harmony.models.configuration import SERVER
from harmony.security.auth import KEPT
from harmony.security.credentials import SECRET_FIELDS
from harmony.security.kept_forms import TypedForm
from harmony.setup import drafts
from harmony.uem.trust.certificates import CertificateRefused, read_upload
from harmony.web.shared import typed
from harmony.web.wizard import steps
from harmony.web.wizard.steps import Step

CONFLICT = (
    "This page was saved in another tab or by somebody else meanwhile. "
    "Your values are shown; send them again to replace theirs."
)
LEFT = "This is how the page was left. Its values are kept, but not complete: see what is marked below."
TOO_LARGE = "This is too much to be kept. Shorten it, or finish the page first."
# What says where a secret may go: one that was typed for other addresses is not sent to these.
ADDRESSES = ("server_address", "token_region", "token_other")
FILE, TEXT = "certificate_file", "certificate"
# Hidden fields that say something of the page, not of what was typed.
_ABOUT_THE_PAGE = frozenset({"edition", "seen", KEPT, "offered"})


class _Unfinished(NamedTuple):
    """A form that was left or could not be sent, with its errors, and what the page says on top."""

    form: Form
    notice: str


def values_sent(integration: Integration, step: Step) -> MultiDict[str, str]:
    """What was sent; a secret left empty is the one typed before for the same addresses, if there is one."""
    values: MultiDict[str, str] = request.form
    if step.name != SERVER:
        return values
    before = (_sent_in_vain(integration, step, values.get(KEPT)), drafts.typed(integration, step.name))
    for form in (known.fields() for known in before if known is not None):
        if all(_text(form, name) == _text(values, name) for name in ADDRESSES):
            values = _with_secrets(values, form)
    return values


def _with_secrets(values: MultiDict[str, str], known: MultiDict[str, str]) -> MultiDict[str, str]:
    filled = MultiDict(values.items(multi=True))
    for name in SECRET_FIELDS:
        if known.get(name) and not filled.get(name):
            filled[name] = known[name]
    return filled


def shown_again(integration: Integration, step: Step) -> _Unfinished | None:
    """The page as its user sent it in vain, else as somebody left it; None when there is neither."""
    sent = _sent_in_vain(integration, step, request.args.get(KEPT))
    known = sent or drafts.typed(integration, step.name)
    if known is None:
        return None
    values = _with_file(known)
    form = step.form(values, data=step.fill(steps.record_of(integration, step)))
    form.validate()
    step.read(form, integration)
    return _Unfinished(form, _notice(integration, step, values) if sent else LEFT)


def is_changed(integration: Integration, step: Step, form: Form) -> bool:
    """Whether anything was typed that the page did not say before."""
    if drafts.typed(integration, step.name) is not None or any(request.files.values()):
        return True
    shown = step.form(data=step.fill(steps.record_of(integration, step))).data
    typed_names = set(request.form) | {name for name, value in shown.items() if not isinstance(value, str)}
    return any(
        _plain(form.data[name]) != _plain(shown[name])
        for name in typed_names
        if name in shown and name not in _ABOUT_THE_PAGE and name != FILE
    )


def as_left(values: MultiDict[str, str]) -> TypedForm:
    """What is kept of the page; a certificate that was uploaded is kept as its text."""
    kept = _with_file(TypedForm(tuple(values.items(multi=True)), TypedForm.of_request().files))
    left_out = _ABOUT_THE_PAGE - {"offered"}
    return TypedForm(tuple(pair for pair in kept.items(multi=True) if pair[0] not in left_out))


def _sent_in_vain(integration: Integration, step: Step, id_: str | None) -> TypedForm | None:
    page = url_for("wizard.show", integration_id=integration.id, page=step.name)
    return typed.kept(id_, page)


def _with_file(known: TypedForm) -> MultiDict[str, str]:
    """The values with the text of the certificate file; one that is refused has to be chosen again."""
    values = known.fields()
    if upload := known.files.get(FILE):
        try:
            values[TEXT] = read_upload(upload, now()).pem
        except CertificateRefused:
            return values
    return values


def _notice(integration: Integration, step: Step, values: MultiDict[str, str]) -> str:
    row = integration.page(step.name)
    return "" if values.get("edition", "0") == str(row.edition if row else 0) else CONFLICT


def _text(values: MultiDict[str, str], name: str) -> str:
    return (values.get(name) or "").strip().rstrip("/")


def _plain(value: object) -> object:
    """A value as it is compared: a list without its order, a text with one kind of line end."""
    if value is None or value == []:
        return ""
    if isinstance(value, (list, tuple)):
        return set(value)
    return value.replace("\r\n", "\n").strip() if isinstance(value, str) else value
