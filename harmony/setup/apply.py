"""Puts drafts in force: *Finish* for a new integration, *Save* for a page of one that runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from harmony.audit import audit, changed_fields, changed_values
from harmony.db import write
from harmony.jobs import control, device_sync
from harmony.jobs import schedule as jobs_schedule
from harmony.jobs.uem_client import forget_token, token_key
from harmony.models import Absence, Integration, IntegrationState
from harmony.models.configuration import (
    PAGES,
    SERVER,
    SYNCHRONIZATION,
    TAGGING,
    ServerDetails,
    Synchronization,
    from_row,
)
from harmony.setup import former_tags, tag_withdrawal
from harmony.setup.edits import another_scope, another_source, switched_off, switched_on
from harmony.setup.group_claims import overlap_of
from harmony.setup.wizard_state import WizardState
from harmony.sync import redaction

MOVED = "Server Details were changed during the sync."
REDACTED = "The settings for personal data were changed during the sync."

_AGAIN_AT_ONCE = f"{control.READ_IS_KEPT} The next sync starts once the data is cleared."
_TITLES = {SERVER: "Server Details"}


class NotVerified(Exception):
    """A page's values did not pass Verify; nothing was put in force."""

    def __init__(self, page: str) -> None:
        super().__init__(page)
        self.page = page


class Overlapping(Exception):
    """Another integration reads the same groups, as `sentence` says; nothing was put in force."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def finish(integration_id: int, by: str, now: datetime) -> None:
    """Put every page in force and make the first sync due. Finishing what is finished changes nothing.

    Raises NotVerified with the first open page, and Overlapping.
    """
    with write() as session:
        integration = session.get_one(Integration, integration_id)
        if integration.state != IntegrationState.DRAFT:
            return
        state = WizardState(integration)
        for page in PAGES:
            _apply(state, page)
        _refuse_overlap(integration)
        integration.state = IntegrationState.ACTIVE
        job = integration.sync_job
        job.next_at, job.requested_at, job.requested_by = now, now, by
        control.schedule_all(session, integration, now)
        audit(session, by, "Finished the set-up", now, integration)


def save(integration_id: int, page: str, by: str, now: datetime, *, take_off: bool = True) -> int:
    """Put one page of a running integration in force, from its next run on.

    `take_off`: whether tags that Tagging leaves behind are taken off the devices.
    Returns how many devices were cleared of personal data that is no longer imported. Raises NotVerified
    and Overlapping.
    """
    with write() as session:
        integration = session.get_one(Integration, integration_id)
        before = _applied(integration, page)
        _apply(WizardState(integration), page)
        _refuse_overlap(integration)
        integration.version += 1
        after = _applied(integration, page)
        if page == SERVER:
            _server_saved(session, integration, before, after, now)
        if page == SYNCHRONIZATION:
            _synchronization_saved(session, integration, before, after, now)
        if page == TAGGING:
            tag_withdrawal.settle(session, integration, before, after, take_off, by, now)
        what = f"Edited {_TITLES.get(page, page.title())}"
        changes = changed_values(before, after)
        audit(session, by, what, now, integration, detail=changed_fields(before, after), changes=changes)
        purge_due = integration.redact_pending
    return redaction.purge(integration_id) if purge_due else 0


def _applied(integration: Integration, page: str) -> dict[str, Any]:
    row = integration.page(page)
    return (row.applied if row else None) or {}


def _apply(state: WizardState, page: str) -> None:
    row = state.integration.page(page)
    if row is None or page not in state.verified:
        raise NotVerified(page)
    row.applied = row.draft
    if page == SERVER:
        state.integration.name = state.draft.server.display_name


def _refuse_overlap(integration: Integration) -> None:
    if sentence := overlap_of(WizardState(integration)):
        raise Overlapping(sentence)


def _server_saved(
    session: Session, integration: Integration, before: dict[str, Any], after: dict[str, Any], now: datetime
) -> None:
    """Whatever stopped it may be mended: try again, at once."""
    device_sync.free(integration)
    control.wake(session, integration.id, now)
    integration.sync_job.failures = 0
    if integration.state == IntegrationState.ACTIVE:
        integration.sync_job.next_at = now
    old, new = from_row(ServerDetails, before), from_row(ServerDetails, after)
    if token_key(integration.id, old) != token_key(integration.id, new):
        forget_token(session, integration.id, old)
    if another_source(old, new):
        former_tags.remember(session, integration, from_row(ServerDetails, before), now)
        _doubt(integration)
        control.revoke(session, integration.sync_job, MOVED, now)
        control.await_sync(session, integration.id, now)


def _synchronization_saved(
    session: Session, integration: Integration, before: dict[str, Any], after: dict[str, Any], now: datetime
) -> None:
    old, new = from_row(Synchronization, before), from_row(Synchronization, after)
    if another_scope(old, new):
        _doubt(integration)
    if switched_off(old, new):
        integration.redact_pending = True
        control.revoke(session, integration.sync_job, REDACTED, now, _AGAIN_AT_ONCE)
    control.reschedule(session, integration, old, now)
    _reschedule(session, integration, old, new, now)


def _doubt(integration: Integration) -> None:
    """What the next snapshot does not list may only be out of sight.

    Before the first one too: a run that did not complete, or is under way, knows devices already.
    """
    if integration.suspect != Absence.RESTORED:
        integration.suspect = Absence.EDITED


def _reschedule(
    session: Session, integration: Integration, old: Synchronization, new: Synchronization, now: datetime
) -> None:
    """A new interval takes its own grid at once; what is due, asked for or in quarantine stays as it is."""
    job = integration.sync_job
    due = job.next_at
    if integration.state != IntegrationState.ACTIVE or due is None:
        return
    if switched_on(old, new):
        job.next_at = now
    elif old.device_interval != new.device_interval and due > now and not job.quarantined:
        every = device_sync.interval(integration)
        job.next_at = jobs_schedule.next_point(integration.id, every, now, now)
    device_sync.plan_delta(session, integration, now)
