"""Reads the runs of a job, newest first, and the newest runs of all jobs of an integration at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, bindparam, select
from sqlalchemy.orm import Session, aliased

from harmony.jobs.kinds import JobKind
from harmony.models import JobRun, SyncKind, SyncRunState

ENDED = JobRun.state != SyncRunState.RUNNING
UNDER_WAY = JobRun.state == SyncRunState.RUNNING
FULL_SYNC = JobRun.sync_kind == SyncKind.SNAPSHOT
_OF_INTEGRATION = bindparam("integration_id", type_=JobRun.integration_id.type)
# The zero hides an index from SQLite: it would walk all runs of the integration to those under way, of which
# the index of states knows the few.
UNDER_WAY_OF_INTEGRATION = (UNDER_WAY, JobRun.integration_id + 0 == _OF_INTEGRATION)


def conditions_of(integration_id: int, kind: JobKind) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that select the runs of one job; their index is in this order."""
    return (JobRun.integration_id == integration_id, JobRun.kind == kind)


def of_job(
    integration_id: int, kind: JobKind, *conditions: ColumnElement[bool], columns: Any = (JobRun,)
) -> Select[Any]:
    """Return the query for the runs of one job that meet the conditions, newest first."""
    chosen = select(*columns).where(*conditions_of(integration_id, kind), *conditions)
    return chosen.order_by(JobRun.id.desc())


def newest(
    session: Session, integration_id: int, kind: JobKind, *conditions: ColumnElement[bool]
) -> JobRun | None:
    """Return the newest run of a job that meets the conditions."""
    found: JobRun | None = session.scalar(of_job(integration_id, kind, *conditions).limit(1))
    return found


@dataclass(frozen=True, slots=True)
class NewestRuns:
    """By kind of job the run under way and the newest that ended; and the newest full sync that ended."""

    under_way: Mapping[str, JobRun]
    ended: Mapping[str, JobRun]
    full_sync: JobRun | None


def newest_of_all(session: Session, integration_id: int) -> NewestRuns:
    """Return the newest runs of every job of an integration, with two statements."""
    asked = {"integration_id": integration_id}
    under_way = {run.kind: run for run in session.scalars(_SELECT_UNDER_WAY, asked)}
    last = session.scalars(_SELECT_NEWEST_ENDED, asked).all()
    full = (run for run in last if run.sync_kind == SyncKind.SNAPSHOT)
    return NewestRuns(under_way, {run.kind: run for run in last}, next(full, None))


def _newest_ended(kind: JobKind, sync_kind: SyncKind | None = None) -> ScalarSelect[int]:
    run = aliased(JobRun)
    of_kind = (run.integration_id == _OF_INTEGRATION, run.kind == kind, run.state != SyncRunState.RUNNING)
    narrowed = () if sync_kind is None else (run.sync_kind == sync_kind,)
    return select(run.id).where(*of_kind, *narrowed).order_by(run.id.desc()).limit(1).scalar_subquery()


# Built once, which takes longer than to run them.
_SELECT_UNDER_WAY = select(JobRun).where(*UNDER_WAY_OF_INTEGRATION)
_NEWEST_IDS = (*map(_newest_ended, JobKind), _newest_ended(JobKind.DEVICES, SyncKind.SNAPSHOT))
_SELECT_NEWEST_ENDED = select(JobRun).where(JobRun.id.in_(_NEWEST_IDS)).order_by(JobRun.id)
