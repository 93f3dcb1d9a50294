"""Reads the runs of a job, newest first."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from harmony.jobs.kinds import JobKind
from harmony.models import JobRun, SyncKind, SyncRunState

ENDED = JobRun.state != SyncRunState.RUNNING
UNDER_WAY = JobRun.state == SyncRunState.RUNNING
FULL_SYNC = JobRun.sync_kind == SyncKind.SNAPSHOT


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
