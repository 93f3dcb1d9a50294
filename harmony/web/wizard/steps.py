"""The table of the wizard's steps: title, form, how a form becomes a record and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from flask import flash, request, url_for
from wtforms import Form

from harmony.clock import now
from harmony.models import Integration
from harmony.models.configuration import (
    DEPLOYMENT,
    PAGES,
    SERVER,
    SYNCHRONIZATION,
    TAGGING,
    Deployment,
    ServerDetails,
    Synchronization,
    from_row,
)
from harmony.security import credentials
from harmony.security.credentials import SECRET_FIELDS, CredentialState, seal_again
from harmony.security.vault import origin_of
from harmony.setup import drafts, groups
from harmony.setup.group_claims import overlap_of
from harmony.uem.connection import REGIONS
from harmony.uem.trust import address
from harmony.uem.trust.certificates import CertificateRefused, read_upload
from harmony.web.shared.pasted import stripped
from harmony.web.wizard import tagging_form
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
    read: Callable[[Any, Integration], msgspec.Struct | None]
    judge: Callable[[Any, Integration], bool] = lambda _form, _integration: False

    @property
    def template(self) -> str:
        return f"setup/{self.name}.html"


@dataclass(frozen=True, slots=True)
class Mark:
    """A step as the stepper shows it; `href` takes the page that is left, None while it cannot be reached."""

    title: str
    href: str | None
    state: str


def record_of(integration: Integration, step: Step) -> Any:
    """What the page's draft says, or its defaults."""
    return drafts.draft(integration, step.name, PAGES[step.name])


def marks(integration: Integration, current: Step) -> list[Mark]:
    """All steps, seen from `current`."""
    return [_mark(integration, step, current) for step in STEPS.values()]


def after(step: Step) -> Step | None:
    """The next step, if there is one."""
    names = list(STEPS)
    following = names[names.index(step.name) + 1 :]
    return STEPS[following[0]] if following else None


def _mark(integration: Integration, step: Step, current: Step) -> Mark:
    href = url_for("leave.leave", integration_id=integration.id, page=current.name, to=step.name)
    if step is current:
        return Mark(step.title, href, "current")
    if not drafts.reachable(integration, step.name):
        return Mark(step.title, None, "todo")
    done = step.name not in drafts.WITHOUT_VERIFY and drafts.is_verified(integration, step.name)
    return Mark(step.title, href, "done" if done else "todo")


def _fill_server(server: ServerDetails) -> dict[str, Any]:
    known = server.token_address in {url for _label, url in REGIONS}
    region = server.token_address if known else OTHER
    visible = {name: value for name, value in _fill_same(server).items() if name not in SECRET_FIELDS}
    return visible | {
        "token_region": region if server.token_address else REGIONS[0][1],
        "token_other": "" if known else server.token_address,
    }


def _read_server(form: ServerForm, integration: Integration) -> ServerDetails | None:
    stored = drafts.draft(integration, SERVER, ServerDetails)
    typed = _typed_server(form, stored)
    kept = {name: getattr(stored, name) for name in SECRET_FIELDS if not form[name].data}
    _require_secrets(form, integration.id, msgspec.structs.replace(typed, **kept))
    if form.errors:
        return None
    fresh = {name: form[name].data or "" for name in SECRET_FIELDS}
    row = integration.page(SERVER)
    known = (from_row(ServerDetails, row.applied if row else None), stored)
    sealed = seal_again(integration.id, msgspec.structs.replace(typed, **fresh), known)
    return msgspec.structs.replace(sealed, **kept)


def _typed_server(form: ServerForm, stored: ServerDetails) -> ServerDetails:
    """Return what the page says, without secrets; what it hides stays as stored."""
    return ServerDetails(
        display_name=form.display_name.data or "",
        server_address=address.reduced(form.server_address.data or ""),
        use_oauth2=form.use_oauth2.data,
        token_address=form.token_address() if form.use_oauth2.data else stored.token_address,
        client_id=_sent("client_id", stored.client_id),
        username=_sent("username", stored.username),
        self_signed=form.self_signed.data,
        certificate=_certificate(form, stored),
    )


def _sent(name: str, stored: str) -> str:
    """What was typed; the part for the other way to sign in is hidden and not sent, and must not be lost."""
    return str(stripped(request.form.get(name, stored)))


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
            owner = origin_of(getattr(kept, name)) or "another server"
            complain(field, f"Enter the {label} again: the saved one belongs to {owner}.")


def _has_addresses(server: ServerDetails, field: str) -> bool:
    """Whether it says where that secret would go; a page without an address is refused for that alone."""
    return bool(server.server_address and (field != "client_secret" or server.token_address))


def _certificate(form: ServerForm, stored: ServerDetails) -> str:
    """The PEM to pin: an upload wins over what was pasted; empty keeps what is stored."""
    upload = request.files.get("certificate_file")
    given: bytes | str = (upload.read() if upload else b"") or form.certificate.data or ""
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
    for note in read.warnings[:_MOST_NOTES]:
        flash(note, "warning")
    return read.pem


def _fill_synchronization(choice: Synchronization) -> dict[str, Any]:
    names = [(groups.key(one.kind, one.external_id), one.android_enterprise) for one in choice.groups]
    return _fill_same(choice) | {
        "groups": [name for name, _both in names],
        "android_enterprise": [name for name, both in names if both],
    }


def _read_synchronization(form: SynchronizationForm, integration: Integration) -> Synchronization | None:
    former = drafts.draft(integration, SYNCHRONIZATION, Synchronization).groups
    chosen = groups.chosen(integration.id, form.groups.data or (), form.android_enterprise.data or (), former)
    if form.groups.data and not chosen:
        complain(form.groups, "None of these groups is known any more; refresh the list and choose again.")
        return None
    if clash := overlap_of(integration, chosen):
        complain(form.groups, clash)
        return None
    numbers = ("device_interval", "deletion_threshold", "deletion_after", "app_interval")
    switches = ("import_name", "import_number", "import_email", "delta")
    return Synchronization(groups=chosen, **{name: form[name].data for name in numbers + switches})


def _fill_same(record: msgspec.Struct) -> dict[str, Any]:
    return msgspec.structs.asdict(record)


def _read_deployment(form: DeploymentForm, integration: Integration) -> Deployment:
    stored = drafts.draft(integration, DEPLOYMENT, Deployment)
    return msgspec.structs.replace(stored, auto_addition=form.auto_addition.data)


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
        Step(DEPLOYMENT, "Deployment", DeploymentForm, _fill_same, _read_deployment),
    )
}
