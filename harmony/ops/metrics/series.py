"""The metrics that are read from the database when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from harmony.backup import drill, schedule
from harmony.config import Settings, current_settings
from harmony.config.version import VERSION
from harmony.db import db
from harmony.jobs import presence
from harmony.models import (
    Hold,
    HoldState,
    Integration,
    IntegrationState,
    Job,
    JobRun,
    LinkState,
    Message,
    MessageState,
    SyncRunState,
    TagLink,
    Worker,
)
from harmony.ops.metrics.destinations import destination_families
from harmony.ops.metrics.exposition import Family, Sample, seconds
from harmony.web.devices import counts
from harmony.web.shared.hidden import hidden_ids

_GOOD = (SyncRunState.OK, SyncRunState.WARNING)
_WAITING = (MessageState.QUEUED, MessageState.SENDING)


def families() -> Iterator[Family]:
    """Return everything that the database knows, but of integrations whose removal can be undone."""
    hidden = {str(id_) for id_ in hidden_ids()}
    for family in _families():
        shown = [sample for sample in family.samples if sample.labels.get("integration") not in hidden]
        yield replace(family, samples=shown)


def _families() -> Iterator[Family]:
    integrations = db.session.scalars(
        select(Integration).where(Integration.state != IntegrationState.REMOVED).order_by(Integration.id)
    ).all()
    yield from _installation()
    yield from _integrations(integrations)
    yield from _devices(integrations)
    yield from _jobs()
    yield from _runs()
    yield from _open_work()
    yield from destination_families()


def _installation() -> Iterator[Family]:
    database = db.engine.dialect.name
    labels = {"database": database, "version": VERSION}
    yield Family("info", "The version, and the database it runs on.", [Sample(1, labels)])
    seen = db.session.scalar(select(func.max(Worker.seen_at)))
    yield Family("worker_seen_timestamp_seconds", "The last heartbeat of a worker.", _moment(seen))
    yield from _processes()
    yield from _backups(current_settings())


def _processes() -> Iterator[Family]:
    newest = {
        (process.node, process.role, process.version): process
        for process in reversed(presence.processes(db.session()))
    }
    samples = [
        Sample(seconds(process.seen_at), {"node": node, "role": role, "version": version})
        for (node, role, version), process in sorted(newest.items())
        if process.stopped_at is None
    ]
    yield Family("process_seen_timestamp_seconds", "The last heartbeat of each process.", samples)


def _backups(settings: Settings) -> Iterator[Family]:
    file, folder = settings.database_file, schedule.folder_of(settings)
    folders = {folder, file.parent if file else settings.data_dir}
    copies = [
        path.stat().st_mtime
        for place in folders
        for ending in ("db", "dump")
        for path in place.glob(f"*.backup.{ending}")
    ]
    yield Family(
        "backup_timestamp_seconds", "The newest backup.", [Sample(int(max(copies)))] if copies else []
    )
    yield Family(
        "backup_checked_timestamp_seconds", "The last restore drill that passed.", _moment(drill.checked_at())
    )


def _integrations(integrations: Iterable[Integration]) -> Iterator[Family]:
    named = [
        Sample(1, {"integration": str(row.id), "name": row.name, "condition": row.condition})
        for row in integrations
    ]
    yield Family("integration_info", "Name and condition: active, paused, stopped, quarantined.", named)
    fresh = [
        Sample(seconds(row.fresh_as_of), {"integration": str(row.id)})
        for row in integrations
        if row.fresh_as_of is not None
    ]
    yield Family("integration_fresh_timestamp_seconds", "Up to when everything that changed is known.", fresh)


def _devices(integrations: Iterable[Integration]) -> Iterator[Family]:
    by_status, by_risk = [], []
    for row in integrations:
        numbers = counts.of_integration(row.id)
        own = {"integration": str(row.id)}
        by_status += [Sample(number, own | {"status": status}) for status, number in numbers.statuses.items()]
        by_risk += [
            Sample(number, own | {"risk": "not_assessed" if risk is None else risk.name.lower()})
            for risk, number in numbers.risks.items()
        ]
    yield Family("devices", "Devices by status.", by_status)
    yield Family("devices_by_risk", "Devices by risk.", by_risk)


def _jobs() -> Iterator[Family]:
    jobs = db.session.scalars(select(Job).order_by(Job.integration_id, Job.kind)).all()
    labelled = [(job, {"integration": str(job.integration_id), "job": job.kind}) for job in jobs]
    failures = [Sample(job.failures, own) for job, own in labelled]
    yield Family("job_failures", "Failed runs in a row.", failures)
    due = [Sample(seconds(job.next_at), own) for job, own in labelled if job.next_at is not None]
    yield Family("job_due_timestamp_seconds", "When the next run is due.", due)
    parked = [Sample(int(job.parked_why is not None), own) for job, own in labelled]
    yield Family("job_parked", "1 while only a person can help.", parked)


def _runs() -> Iterator[Family]:
    left: list[Sample] = []
    limit: list[Sample] = []
    for row in db.session.execute(_newest_quota()):
        own = {"integration": str(row.integration_id)}
        left.append(Sample(row.quota_left, own))
        limit.append(Sample(row.quota_limit or 0, own))
    yield Family("runs_kept", "Ended runs that are kept, by how they ended.", list(_counted()))
    yield Family("run_good_timestamp_seconds", "When a run last ended well.", list(_last_good()))
    yield Family("uem_quota_left", "Calls left of the day's quota, when last told.", left)
    yield Family("uem_quota_limit", "The day's quota of calls, when last told.", limit)


def _counted() -> Iterator[Sample]:
    names = (JobRun.integration_id, JobRun.kind, JobRun.state)
    rows = select(*names, func.count()).where(JobRun.finished_at.is_not(None)).group_by(*names)
    for id_, kind, state, count in db.session.execute(rows):
        yield Sample(count, {"integration": str(id_), "job": kind, "state": state})


def _last_good() -> Iterator[Sample]:
    names = (JobRun.integration_id, JobRun.kind)
    rows: Any = select(*names, func.max(JobRun.finished_at)).where(JobRun.state.in_(_GOOD)).group_by(*names)
    for id_, kind, at in db.session.execute(rows):
        yield Sample(seconds(at), {"integration": str(id_), "job": kind})


def _newest_quota() -> Any:
    newest = select(func.max(JobRun.id)).where(JobRun.quota_left.is_not(None)).group_by(JobRun.integration_id)
    return select(JobRun.integration_id, JobRun.quota_left, JobRun.quota_limit).where(JobRun.id.in_(newest))


def _open_work() -> Iterator[Family]:
    open_holds = select(Hold.integration_id, func.sum(Hold.devices)).where(Hold.state == HoldState.OPEN)
    rows = db.session.execute(open_holds.group_by(Hold.integration_id))
    holds = [Sample(count, {"integration": str(id_)}) for id_, count in rows]
    yield Family("held_deletions", "Deletions that wait for a person.", holds)
    names = (TagLink.integration_id, TagLink.state)
    open_ = select(*names, func.count()).where(TagLink.state != LinkState.DONE).group_by(*names)
    links = [
        Sample(count, {"integration": str(id_), "state": state})
        for id_, state, count in db.session.execute(open_)
    ]
    yield Family("tags_open", "Tags on devices that are still to be pushed or were given up.", links)
    waiting = select(Message.channel, func.count(), func.min(Message.created_at)).where(
        Message.state.in_(_WAITING)
    )
    queued = db.session.execute(waiting.group_by(Message.channel)).all()
    sizes = [Sample(count, {"channel": channel}) for channel, count, _ in queued]
    oldest = [Sample(seconds(at), {"channel": channel}) for channel, _, at in queued]
    yield Family("messages_waiting", "Messages that wait to be sent.", sizes)
    yield Family("messages_oldest_timestamp_seconds", "When the oldest that waits was written.", oldest)


def _moment(at: datetime | None) -> list[Sample]:
    return [] if at is None else [Sample(seconds(at))]
