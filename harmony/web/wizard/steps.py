"""The steps of the wizard: title, form, how a form becomes a record and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from flask import abort, flash, has_request_context, request, url_for
from wtforms import Form, StringField

from harmony.clock import now
from harmony.models.configuration import (
    DEPLOYMENT,
    SERVER,
    SYNCHRONIZATION,
    TAGGING,
    ServerDetails,
    Synchronization,
)
from harmony.relay import connectors
from harmony.security import credentials
from harmony.security.credentials import SECRET_FIELDS, CredentialState, seal_again
from harmony.setup import groups
from harmony.setup.group_claims import overlap_of
from harmony.setup.wizard_state import Mark, WizardState
from harmony.uem.connection import REGIONS
from harmony.uem.trust import address
from harmony.uem.trust.certificates import CertificateRefused, read_upload
from harmony.web.shared.fields import keep_unsent
from harmony.web.shared.integrations import connected_or_404
from harmony.web.wizard import deployment_form, tagging_form
from harmony.web.wizard.forms import OTHER, DeploymentForm, ServerForm, SynchronizationForm, complain
from harmony.web.wizard.tagging_form import TaggingForm

# Of an upload; they travel in a cookie.
_MOST_NOTES = 4


@dataclass(frozen=True, slots=True)
class Step:
    """One page. `read` turns a valid form into a record, or adds errors to the form and returns None.

    `judge` puts what Verify found wrong beside the fields; False when it is nothing about them.
    """

    name: str
    title: str
    form: type[Form]
    fill: Callable[[Any], Mapping[str, Any]]
    read: Callable[[Any, WizardState], msgspec.Struct | None]
    judge: Callable[[Any, WizardState], bool] = lambda _form, _state: False

    @property
    def template(self) -> str:
        return f"setup/{self.name}.html"


@dataclass(frozen=True, slots=True)
class StepLink:
    """A step as the stepper shows it; `href` takes the page that is left, None while it cannot be reached."""

    title: str
    href: str | None
    state: str


def load(integration_id: int) -> WizardState:
    """Read the state of the wizard for this request, and again after a write. Aborts with 404."""
    return WizardState(connected_or_404(integration_id))


def step_of(page: str) -> Step:
    """Return the step of that name. Aborts with 404."""
    return STEPS.get(page) or abort(404)


def href_of(integration_id: int, step: Step) -> str:
    """Return the address of a step's page."""
    return url_for("wizard.show", integration_id=integration_id, page=step.name)


def form_of_draft(state: WizardState, step: Step) -> Form:
    """Return the form of the page's draft, or of its defaults."""
    return step.form(data=step.fill(getattr(state.draft, step.name)))


def links(state: WizardState, current: Step) -> list[StepLink]:
    """Return all steps, seen from `current`."""
    return [_link(state, step, current) for step in STEPS.values()]


def after(step: Step) -> Step | None:
    """Return the next step, if there is one."""
    names = list(STEPS)
    following = names[names.index(step.name) + 1 :]
    return STEPS[following[0]] if following else None


def _link(state: WizardState, step: Step, current: Step) -> StepLink:
    href = url_for("leave.leave", integration_id=state.id, page=current.name, to=step.name)
    if step is current:
        return StepLink(step.title, href, "current")
    mark = state.marks[step.name]
    if mark is Mark.LOCKED:
        return StepLink(step.title, None, Mark.TODO)
    return StepLink(step.title, href, mark)


def _fill_server(server: ServerDetails) -> dict[str, Any]:
    known = server.token_address in {url for _label, url in REGIONS}
    region = server.token_address if known else OTHER
    visible = {name: value for name, value in _fill_same(server).items() if name not in SECRET_FIELDS}
    return visible | {
        "token_region": region if server.token_address else REGIONS[0][1],
        "token_other": "" if known else server.token_address,
    }


def _read_server(form: ServerForm, state: WizardState) -> ServerDetails | None:
    stored = state.draft.server
    typed = _typed_server(form, stored)
    kept = {name: getattr(stored, name) for name in SECRET_FIELDS if not form[name].data}
    _require_secrets(form, state.id, msgspec.structs.replace(typed, **kept))
    if form.errors:
        return None
    fresh = {name: form[name].data or "" for name in SECRET_FIELDS}
    known = (state.in_force.server, stored)
    sealed = seal_again(state.id, msgspec.structs.replace(typed, **fresh), known)
    return msgspec.structs.replace(sealed, **kept)


def _typed_server(form: ServerForm, stored: ServerDetails) -> ServerDetails:
    """Return what the page says, without secrets; what it hides stays as stored."""
    return ServerDetails(
        display_name=form.display_name.data or "",
        server_address=address.reduced(form.server_address.data or ""),
        use_oauth2=form.use_oauth2.data,
        token_address=form.token_address() if form.use_oauth2.data else stored.token_address,
        client_id=_sent(form.client_id, stored.client_id),
        username=_sent(form.username, stored.username),
        connector=_connector(form, stored),
        self_signed=form.self_signed.data,
        certificate=_certificate(form, stored),
    )


def _sent(field: StringField, stored: str) -> str:
    """Return what was typed; the part for the other way to sign in is not sent, and must not be lost."""
    return (field.data or "") if field.raw_data else stored


def _require_secrets(form: ServerForm, integration_id: int, kept: ServerDetails) -> None:
    """Complain of a secret that must be typed: none is stored, its key is lost, or it is another server's.

    `kept` has the addresses of the page and the stored secrets where none was typed.
    """
    for name in credentials.fields_in_use(kept):
        field, label = form[name], form[name].label.text
        if field.data:
            continue
        state = credentials.state(integration_id, kept, name)
        if state is CredentialState.ABSENT:
            complain(field, f"Enter the {label}.")
        elif state is CredentialState.LOCKED:
            complain(field, f"The key that sealed it is lost: enter the {label} again.")
        elif state is CredentialState.FOREIGN and _has_addresses(kept, name):
            complain(field, credentials.asked_again(kept, name))


def _has_addresses(server: ServerDetails, field: str) -> bool:
    """Tell if it says where that secret would go; a page without an address is refused for that alone."""
    return bool(server.server_address and (field != "client_secret" or server.token_address))


def _connector(form: ServerForm, stored: ServerDetails) -> str:
    """Return the name of the Connector; a page that does not offer one keeps what is stored."""
    keep_unsent(form.connector, stored.connector)
    name = form.connector.data
    if name and name not in connectors.usable_names():
        complain(form.connector, f"Connector {name} was revoked. Choose another one, or none.")
    return name or ""


def _certificate(form: ServerForm, stored: ServerDetails) -> str:
    """Return the PEM to pin: an upload wins over what was pasted; empty keeps what is stored."""
    given: bytes | str = _upload() or form.certificate.data or ""
    if not form.self_signed.data or not given:
        if form.self_signed.data and not stored.certificate:
            complain(form.certificate, "Upload the certificate or paste its PEM text.")
        return stored.certificate
    try:
        read = read_upload(given, now())
    except CertificateRefused as refused:
        form.certificate.data = ""
        complain(form.certificate, refused.sentence)
        return ""
    for note in read.warnings[:_MOST_NOTES] if has_request_context() else ():
        flash(note, "warning")
    return read.pem


def _upload() -> bytes:
    """Return the file that was sent with the page; a configuration file has the text instead."""
    upload = request.files.get("certificate_file") if has_request_context() else None
    return upload.read() if upload else b""


def _fill_synchronization(choice: Synchronization) -> dict[str, Any]:
    keys = {groups.key(group.kind, group.external_id): group for group in choice.groups}
    android = [key for key, group in keys.items() if group.android_enterprise]
    return _fill_same(choice) | {"groups": list(keys), "android_enterprise": android}


def _read_synchronization(form: SynchronizationForm, state: WizardState) -> Synchronization | None:
    former = state.draft.synchronization.groups
    chosen = groups.chosen(state.groups, form.groups.data or (), form.android_enterprise.data or (), former)
    if form.groups.data and not chosen:
        complain(form.groups, "None of these groups is known any more; refresh the list and choose again.")
        return None
    if clash := overlap_of(state, chosen):
        complain(form.groups, clash)
        return None
    numbers = ("device_interval", "deletion_threshold", "deletion_after", "app_interval")
    switches = ("import_name", "import_number", "import_email", "delta")
    return Synchronization(groups=chosen, **{name: form[name].data for name in numbers + switches})


def _fill_same(record: msgspec.Struct) -> dict[str, Any]:
    return msgspec.structs.asdict(record)


STEPS = {
    step.name: step
    for step in (
        Step(SERVER, "Server Details", ServerForm, _fill_server, _read_server),
        Step(
            SYNCHRONIZATION,
            "Synchronization",
            SynchronizationForm,
            _fill_synchronization,
            _read_synchronization,
        ),
        Step(TAGGING, "Tagging", TaggingForm, tagging_form.fill, tagging_form.read, tagging_form.judge),
        Step(DEPLOYMENT, "Deployment", DeploymentForm, deployment_form.fill, deployment_form.read),
    )
}
