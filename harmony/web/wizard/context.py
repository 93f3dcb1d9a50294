"""The context of a wizard page's template: steps, saved secrets, groups to choose from, the last Verify."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import request
from wtforms import Form

from harmony.clock import now
from harmony.event_notifications import listeners
from harmony.models import IntegrationState, KnownGroup, Verification
from harmony.models.configuration import SERVER, SYNCHRONIZATION, TAGGING, ChosenGroup, ServerDetails
from harmony.relay import connectors
from harmony.security import credentials
from harmony.security.auth import KEPT
from harmony.security.credentials import CredentialState
from harmony.security.vault import origin_of
from harmony.setup import drafts, groups
from harmony.setup.wizard_state import WizardState
from harmony.uem.records import GroupKind
from harmony.uem.trust.certificates import usable_certificates
from harmony.uem.verify.checks import CheckState
from harmony.web.registration.message_state import missing_for_messages, waiting_devices
from harmony.web.shared.integrations import left_devices
from harmony.web.wizard import steps, tagging_form
from harmony.web.wizard.steps import Step
from harmony.web.wizard.token import OVERLAPS

_GONE = "The account no longer sees this group."


@dataclass(frozen=True, slots=True)
class _Choice:
    """One line of a pick list."""

    value: str
    label: str
    detail: str
    count: int | None
    checked: bool


def page_context(state: WizardState, step: Step, form: Form) -> dict[str, Any]:
    """Return everything the template of `step` names."""
    following = steps.after(step)
    shared = {
        "step": step,
        "form": form,
        "marks": steps.links(state, step),
        "edition": state.edition(step.name),
        "pending_changes": state.has_unsaved_changes(step.name),
        "left": state.typed(step.name) is not None,
        "kept_id": request.args.get(KEPT) or request.form.get(KEPT, ""),
        "typed_secrets": _kept_secrets(step, form),
        "following": following.title if following else None,
    }
    return shared | verification_context(state, step.name) | _extra(state, step, form)


def _kept_secrets(step: Step, form: Form) -> frozenset[str]:
    """Return the secrets that were typed before and are kept sealed; they need not be typed again."""
    names = credentials.SECRET_FIELDS if step.name == SERVER else ()
    return frozenset(name for name in names if form[name].data and not request.form.get(name))


def verification_context(state: WizardState, subject: str) -> dict[str, Any]:
    """Return what the part of a page that shows Verify needs; that part has an address of its own."""
    integration, verification, as_of = state.integration, state.verification(subject), now()
    ended, fresh = verification.finished_at if verification else None, integration.fresh_as_of
    return {
        "integration": integration,
        "subject": subject,
        "verification": verification,
        "under_way": verification is not None and verification.under_way(as_of),
        "outdated": bool(ended and fresh and ended < fresh),
        "interrupted": verification is not None and verification.interrupted(as_of),
        "editing": integration.state != IntegrationState.DRAFT,
        "seen": warnings_of(verification),
        "verified": subject in state.verified,
    }


def warnings_of(verification: Verification | None) -> str:
    """Return a digest of the warnings of a Verify; "" when it had none."""
    results = verification.results if verification else ()
    warnings = [result for result in results if result["state"] == CheckState.WARNING]
    text = "\n".join(f"{result['name']}: {result['sentence']}" for result in warnings)
    return hashlib.sha256(text.encode()).hexdigest()[:16] if warnings else ""


def _extra(state: WizardState, step: Step, form: Form) -> dict[str, Any]:
    if step.name == SERVER:
        return _server_extra(state)
    if step.name == SYNCHRONIZATION:
        return _group_choices(state, form) | {"listens": listeners.has_received_events(state.integration.id)}
    if step.name == TAGGING:
        return tagging_form.context(form)
    until = state.in_force.deployment.former_until
    former = until if until is not None and until > now() else None
    return {
        "token": drafts.token(state.integration),
        "former_until": former,
        "overlaps": OVERLAPS,
        "missing": missing_for_messages(state.integration),
        "waiting": waiting_devices(state.integration),
    } | _left(state)


def _left(state: WizardState) -> dict[str, Any]:
    """Return what Finish would leave beside the devices of the new integration."""
    return {"left_devices": left_devices() if state.integration.state == IntegrationState.DRAFT else []}


def _server_extra(state: WizardState) -> dict[str, Any]:
    stored = state.draft.server
    saved = {name: _saved(state.id, stored, name) for name in credentials.SECRET_FIELDS}
    return {
        "saved": saved,
        "certificates": usable_certificates(stored.certificate, now()),
        "connectors": connectors.offered(stored.connector, "None: called directly"),
    }


def _saved(integration_id: int, stored: ServerDetails, name: str) -> bool | str:
    """Tell if a secret is stored; in words when it belongs to another server than the page names."""
    if credentials.state(integration_id, stored, name) is CredentialState.FOREIGN:
        return f"for {origin_of(getattr(stored, name))} only"
    return bool(getattr(stored, name))


def _group_choices(state: WizardState, form: Form) -> dict[str, Any]:
    chosen = set(form["groups"].data or ())
    android = set(form["android_enterprise"].data or ())
    gone = groups.no_longer_visible(state.groups, state.draft.synchronization.groups)
    gone_choices = [_choice(group, _GONE, None, chosen) for group in gone]
    choices = gone_choices + _visible_choices(state.groups, chosen)
    picked = [replace(choice, checked=choice.value in android) for choice in choices if choice.checked]
    return {"group_choices": choices, "android_choices": picked, "gone_groups": gone_choices}


def _visible_choices(known: Sequence[KnownGroup], chosen: Collection[str]) -> list[_Choice]:
    names = {group.external_id: group.name for group in known if group.kind == GroupKind.ORGANIZATION}
    parents = [names.get(group.parent_id or "") for group in known]
    return [
        _choice(group, f"{group.type} · in {parent}" if parent else group.type, group.devices, chosen)
        for group, parent in zip(known, parents, strict=True)
    ]


def _choice(
    group: KnownGroup | ChosenGroup, detail: str, count: int | None, chosen: Collection[str]
) -> _Choice:
    value = groups.key(group.kind, group.external_id)
    return _Choice(value, group.name, detail, count, value in chosen)
