"""Forgets what is older than the settings keep: runs, histories, events, audit, messages, deleted devices.

In batches of one short transaction each, oldest first: it can be stopped anywhere, the next one goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Select, delete, func, select, tuple_
from sqlalchemy.orm import Session, aliased

from harmony.audit import verify as audit_trail
from harmony.config import Settings
from harmony.config.version import VERSION
from harmony.db import changed, db, write
from harmony.jobs import caution, presence, shared_queue
from harmony.jobs.outcome import GOOD
from harmony.models import (
    ApiAnswer,
    DeviceEvent,
    Finding,
    JobRun,
    Message,
    MessageState,
    SkippedDevice,
    SyncKind,
    UemEvent,
)
from harmony.models.api_key import ANSWERS_KEPT
from harmony.outbound import retention as outbound_retention
from harmony.sync.deletion import soft_delete
from harmony.worker import event_retention

log = logging.getLogger(__name__)

BATCH = 1000
# A repeat of an event that is older counts as a new one, which costs one read of its device.
_UEM_EVENTS_KEPT = timedelta(days=7)

_Stop = Callable[[], bool]


def never() -> bool:
    """Nobody asks for a stop."""
    return False


def sweep(now: datetime, settings: Settings, should_stop: _Stop = never) -> None:
    """Everything that is over its time at `now`; `should_stop` is asked between two batches."""
    gone = {
        "runs": forget_runs(now - timedelta(days=settings.runs_kept_days), should_stop),
        "UEM events": _forget_uem_events(now - _UEM_EVENTS_KEPT, should_stop),
        "runs for UEM events": _forget_event_runs(now - _UEM_EVENTS_KEPT, should_stop),
        "lines of device history": _forget(
            DeviceEvent, now - timedelta(days=settings.history_kept_days), should_stop
        ),
        "events": _forget_events(now, timedelta(days=settings.events_kept_days), should_stop),
        "ended findings": _forget_findings(now - timedelta(days=settings.events_kept_days), should_stop),
        "audit entries": forget_audit(now - timedelta(days=settings.audit_kept_days), should_stop),
        "lines of the feed": outbound_retention.forget_lines(now, settings.events_kept_days, should_stop),
        "messages": forget_messages(now - timedelta(days=settings.messages_kept_days), should_stop),
        "answers to the API": forget_answers(now - ANSWERS_KEPT, should_stop),
        "messages of other versions' queues": _forget_queues(now, settings),
        "deleted devices": _purge(now, settings, should_stop),
    }
    for what, count in gone.items():
        if count:
            log.info("Retention: %d %s removed.", count, what)


def _forget_events(now: datetime, kept: timedelta, should_stop: _Stop) -> int:
    event_retention.make_months(now)
    event_retention.drop_months(now - kept)
    return event_retention.forget_rows(now - kept, BATCH, should_stop)


def _purge(now: datetime, settings: Settings, should_stop: _Stop) -> int:
    if should_stop() or caution.since() is not None:
        return 0
    return soft_delete.purge(now, settings.deleted_kept_days)


def _forget_queues(now: datetime, settings: Settings) -> int:
    """Remove what waits for versions that do not run any more; a tick finds the work without it."""
    if not settings.has_shared_queue or presence.versions(presence.processes(db.session()), now) != [VERSION]:
        return 0
    with write() as session:
        return shared_queue.forget_former(session)


def forget_runs(before: datetime, should_stop: _Stop = never) -> int:
    """Remove the runs that ended before then. How many.

    Of each job the newest one stays, and the last full sync that read everything, however old they are.
    """
    total = 0
    while not should_stop():
        with write() as session:
            ids = session.scalars(_doomed_runs(before)).all()
            room = BATCH - _forget_skipped(session, ids)
            # One that still has skipped devices waits for the next batch.
            count = _remove_runs(session, ids) if room > 0 else 0
        total += count
        if not ids:
            break
    return total


def _forget_uem_events(before: datetime, should_stop: _Stop = never) -> int:
    """Remove the events of UEMs that were received before then and wait for nothing more. How many."""
    done = (UemEvent.received_at < before, UemEvent.due_at.is_(None))
    return _remove_old(UemEvent, select(UemEvent.id).where(*done), should_stop)


def _forget_event_runs(before: datetime, should_stop: _Stop) -> int:
    """Remove the runs for events that ended before then: they come by the hundred."""
    old = (JobRun.sync_kind == SyncKind.EVENTS, JobRun.finished_at < before)
    return _remove_old(JobRun, select(JobRun.id).where(*old), should_stop)


def _remove_old(model: type[UemEvent] | type[JobRun], old: Select[int], should_stop: _Stop) -> int:
    total, count = 0, BATCH
    while count == BATCH and not should_stop():
        with write() as session:
            ids = session.scalars(old.order_by(model.id).limit(BATCH)).all()
            count = changed(session, delete(model).where(model.id.in_(ids)))
        total += count
    return total


def _forget_findings(before: datetime, should_stop: _Stop = never) -> int:
    """Remove the findings that ended before then. How many. An open one stays, however old it is."""
    total, ids = 0, [0]
    while ids and not should_stop():
        # Findings end in any order, so each batch goes on where the last one stood.
        ended = select(Finding.id).where(Finding.id > ids[-1], Finding.closed_at < before)
        ids = list(db.session.scalars(ended.order_by(Finding.id).limit(BATCH)))
        if ids:
            with write() as session:
                total += changed(session, delete(Finding).where(Finding.id.in_(ids)))
    return total


def forget_messages(before: datetime, should_stop: _Stop = never) -> int:
    """Remove the messages that ended before then. How many.

    Those of a device go with the device: their keys are what makes a second one impossible.
    """
    ended = Message.state.in_((MessageState.SENT, MessageState.FAILED, MessageState.CANCELLED))
    old = select(Message.id).where(ended, Message.next_at < before, Message.device_id.is_(None)).limit(BATCH)
    total, count = 0, BATCH
    while count == BATCH and not should_stop():
        with write() as session:
            count = changed(session, delete(Message).where(Message.id.in_(session.scalars(old).all())))
        total += count
    return total


def forget_audit(before: datetime, should_stop: _Stop = never) -> int:
    """Remove the audit entries that were written before then, and let the chain begin there. How many."""
    total, count = 0, 1
    while count and not should_stop():
        count = audit_trail.forget(before)
        total += count
    return total


def forget_answers(before: datetime, should_stop: _Stop = never) -> int:
    """Remove the answers to actions of the API that were first given before then. How many."""
    answered_before = ApiAnswer.at < before
    total, count = 0, BATCH
    while count == BATCH and not should_stop():
        old = select(ApiAnswer.api_key_id, ApiAnswer.idempotency_key).where(answered_before).limit(BATCH)
        with write() as session:
            keys = [tuple(row) for row in session.execute(old)]
            named = tuple_(ApiAnswer.api_key_id, ApiAnswer.idempotency_key).in_(keys)
            count = changed(session, delete(ApiAnswer).where(named)) if keys else 0
        total += count
    return total


def _doomed_runs(before: datetime) -> Select[int]:
    kept = aliased(JobRun)
    newest = select(func.max(kept.id)).group_by(kept.integration_id, kept.kind)
    complete = newest.where(kept.sync_kind == SyncKind.SNAPSHOT, kept.state.in_(GOOD))
    return (
        select(JobRun.id)
        .where(JobRun.finished_at < before, JobRun.id.not_in(newest), JobRun.id.not_in(complete))
        .order_by(JobRun.id)
        .limit(BATCH)
    )


def _forget_skipped(session: Session, run_ids: Sequence[int]) -> int:
    """Remove one batch of what these runs skipped, which a cascade would remove all at once."""
    some = select(SkippedDevice.id).where(SkippedDevice.run_id.in_(run_ids)).limit(BATCH)
    return changed(session, delete(SkippedDevice).where(SkippedDevice.id.in_(some)))


def _remove_runs(session: Session, run_ids: Sequence[int]) -> int:
    return changed(session, delete(JobRun).where(JobRun.id.in_(run_ids)))


def _forget(model: type[DeviceEvent], before: datetime, should_stop: _Stop) -> int:
    """Remove the lines that were written before then. Lines are written in the order of their ids,
    so the first one that is young enough ends it, and no index over the time is needed.
    """
    total = 0
    while not should_stop():
        with write() as session:
            oldest = session.execute(select(model.id, model.at).order_by(model.id).limit(BATCH)).all()
            ids = [id_ for id_, at in oldest if at < before]
            count = changed(session, delete(model).where(model.id.in_(ids))) if ids else 0
        total += count
        if count < BATCH:
            break
    return total
