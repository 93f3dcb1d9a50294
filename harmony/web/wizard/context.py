"""What a wizard page needs besides its form: steps, saved secrets, groups to choose from, the last Verify."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from flask import request
from wtforms import Form

from harmony.clock import now
from harmony.models import Integration, IntegrationState
from harmony.models.configuration import (
    DEPLOYMENT,
    PAGES,
    SERVER,
    SYNCHRONIZATION,
    TAGGING,
    ServerDetails,
    Synchronization,
)
from harmony.security import credentials
from harmony.security.auth import KEPT
from harmony.security.credentials import CredentialState
from harmony.security.vault import origin_of
from harmony.setup import drafts, groups
from harmony.uem.records import GroupKind
from harmony.uem.trust.certificates import CertificateRefused, read_upload
from harmony.uem.verify.checks import CheckState
from harmony.web.wizard import steps, tagging_form
from harmony.web.wizard.steps import STEPS, Step

GONE = "The account no longer sees this group."


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of a pick list."""

    value: str
    label: str
    detail: str
    count: int | None
    checked: bool


def page_context(integration: Integration, step: Step, form: Form) -> dict[str, Any]:
    """Everything the template of `step` names."""
    row = integration.page(step.name)
    following = steps.after(step)
    shared = {
        "integration": integration,
        "step": step,
        "form": form,
        "marks": steps.marks(integration, step),
        "edition": row.edition if row else 0,
        "pending_changes": drafts.differs_from_force(integration, step.name),
        "left": row is not None and row.typed is not None,
        "kept_id": request.args.get(KEPT) or request.form.get(KEPT, ""),
        "typed_secrets": _kept_secrets(step, form),
        "following": STEPS[following.name].title if following else None,
    }
    return shared | verification_context(integration, step.name) | _extra(integration, step, form)


def _kept_secrets(step: Step, form: Form) -> frozenset[str]:
    """The secrets that were typed before and are kept sealed; they need not be typed again."""
    names = credentials.SECRET_FIELDS if step.name == SERVER else ()
    return frozenset(name for name in names if form[name].data and not request.form.get(name))


def verification_context(integration: Integration, subject: str) -> dict[str, Any]:
    """What the part of a page that shows Verify needs; it is a page part with an address of its own."""
    said, moment = integration.verification(subject), now()
    ended, fresh = said.finished_at if said else None, integration.fresh_as_of
    return {
        "integration": integration,
        "subject": subject,
        "verification": said,
        "under_way": said is not None and said.under_way(moment),
        "outdated": bool(ended and fresh and ended < fresh),
        "interrupted": said is not None and said.interrupted(moment),
        "editing": integration.state != IntegrationState.DRAFT,
        "seen": warnings_of(integration, subject),
        "verified": subject in PAGES and drafts.is_verified(integration, subject),
    }


def warnings_of(integration: Integration, subject: str) -> str:
    """A digest of what the last Verify of the page warned of; "" when it had nothing to warn of."""
    said = integration.verification(subject)
    warned = [result for result in (said.results if said else ()) if result["state"] == CheckState.WARNING]
    text = "\n".join(f"{result['name']}: {result['sentence']}" for result in warned)
    return hashlib.sha256(text.encode()).hexdigest()[:16] if warned else ""


def _extra(integration: Integration, step: Step, form: Form) -> dict[str, Any]:
    if step.name == SERVER:
        return _server_extra(integration)
    if step.name == SYNCHRONIZATION:
        return _group_choices(integration, form)
    if step.name == TAGGING:
        return tagging_form.context(form)
    if step.name == DEPLOYMENT:
        return {"token": drafts.token(integration)}
    return {}


def _server_extra(integration: Integration) -> dict[str, Any]:
    stored = drafts.draft(integration, SERVER, ServerDetails)
    saved = {name: _saved(integration.id, stored, name) for name in credentials.SECRET_FIELDS}
    try:
        certificates = read_upload(stored.certificate, now()).certificates if stored.certificate else ()
    except CertificateRefused:  # it was fine when it was saved, and has expired since
        certificates = ()
    return {"saved": saved, "certificates": certificates}


def _saved(integration_id: int, stored: ServerDetails, name: str) -> bool | str:
    """Tell if a secret is stored; in words when it belongs to another server than the page names."""
    if credentials.state(integration_id, stored, name) is CredentialState.FOREIGN:
        return f"for {origin_of(getattr(stored, name))} only"
    return bool(getattr(stored, name))


def _group_choices(integration: Integration, form: Form) -> dict[str, Any]:
    chosen = set(form["groups"].data or ())
    android = set(form["android_enterprise"].data or ())
    every = _choices(integration, chosen)
    picked = [
        Choice(one.value, one.label, one.detail, one.count, one.value in android)
        for one in every
        if one.value in chosen
    ]
    gone = [choice for choice in every if choice.detail == GONE]
    return {"group_choices": every, "android_choices": picked, "gone_groups": gone}


def _choices(integration: Integration, chosen: Collection[str]) -> list[Choice]:
    known = groups.known(integration.id)
    former = drafts.draft(integration, SYNCHRONIZATION, Synchronization).groups
    gone = [
        Choice(value := groups.key(one.kind, one.external_id), one.name, GONE, None, value in chosen)
        for one in groups.gone(integration.id, former)
    ]
    names = {one.external_id: one.name for one in known if one.kind == GroupKind.ORGANIZATION}
    return gone + [
        Choice(
            value := groups.key(one.kind, one.external_id),
            one.name,
            f"{one.type} · in {parent}" if (parent := names.get(one.parent_id or "")) else one.type,
            one.devices,
            value in chosen,
        )
        for one in known
    ]
