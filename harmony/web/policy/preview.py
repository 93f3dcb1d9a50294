"""The preview of a policy: its page, its file, and the confirmation that a large change needs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from flask import render_template
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db
from harmony.models import Integration, PolicyRecord, RiskOverride
from harmony.protection import policy, policy_rollout
from harmony.protection.expiry import with_grounds
from harmony.protection.policy_differences import differences, normal
from harmony.tagging.names import name_of
from harmony.web.devices.assessment import risk_label
from harmony.web.policy import forms as policy_forms
from harmony.web.policy.forms import ConfirmationForm, PlainForm
from harmony.web.policy.impact import PolicyImpact, TagMove
from harmony.web.policy.impact_queries import changed_devices, measure

HEADER = ("id", "name", "integration_id", "status", "risk", "new_status", "new_risk")
_NOT_CONFIRMED = "Tick this box to save; nothing was saved."


class _MovedTag(NamedTuple):
    """A tag by its name, and on how many devices it would be put and taken off."""

    name: str
    integration: str
    added: int
    removed: int


def preview_page(form: PlainForm, version: int, impact: PolicyImpact, *, is_refused: bool = False) -> str:
    """Render what the values of a valid form would change."""
    _version, before = policy.in_force(db.session())
    confirmation = ConfirmationForm()
    if is_refused:
        confirmation.confirmed.errors = [_NOT_CONFIRMED]
    return render_template(
        "policy/preview.html",
        version=version,
        differences=differences(before, normal(policy_forms.record_of(form))),
        impact=impact,
        tags=_tags(impact),
        asks=impact.needs_confirmation(before.confirm_above),
        limit=before.confirm_above,
        confirmation=confirmation,
        values=policy_forms.values_of(form) | {"version": str(version)},
        rating=policy_rollout.pending(),
    )


def unconfirmed(form: PlainForm, before: PolicyRecord) -> PolicyImpact | None:
    """Return what a valid form would change if that needs a confirmation; None if it may be saved without."""
    if not differences(before, normal(policy_forms.record_of(form))):
        return None
    impact = measured(form, before)
    return impact if impact.needs_confirmation(before.confirm_above) else None


def measured(form: PlainForm, before: PolicyRecord) -> PolicyImpact:
    """Return what a valid form would change."""
    at = now()
    return measure(_record(form, before, at), at)


def rows(form: PlainForm) -> Iterator[tuple[object, ...]]:
    """Yield the lines of the file: each device that would change, as it is and as it would be."""
    at = now()
    record = _record(form, policy.in_force(db.session())[1], at)
    for device, before, after in changed_devices(record, at):
        standing = (before.status.value, risk_label(before.risk), after.status.value, risk_label(after.risk))
        yield (device.device_id, device.name, device.integration_id, *standing)


def _record(form: PlainForm, before: PolicyRecord, at: datetime) -> PolicyRecord:
    """Return the policy as it would be saved; who saves it changes no risk."""
    grounds = RiskOverride(owner="", at=at, reason="")
    return with_grounds(normal(policy_forms.record_of(form)), before, grounds)


def _tags(impact: PolicyImpact) -> list[_MovedTag]:
    """Return the tags by integration and name."""
    ids = {move.integration_id for move in impact.tags}
    found = db.session.scalars(select(Integration).where(Integration.id.in_(ids)))
    of_id = {integration.id: integration for integration in found}
    tags = {(move.integration_id, move.key) for move in impact.tags}
    return sorted(
        (
            _MovedTag(
                name_of(key, of_id[id_].in_force.tagging),
                of_id[id_].name,
                impact.tags[TagMove(id_, key, True)],
                impact.tags[TagMove(id_, key, False)],
            )
            for id_, key in tags
        ),
        key=lambda tag: (tag.integration, tag.name),
    )
