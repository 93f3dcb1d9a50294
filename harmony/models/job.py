"""Recurring jobs of an integration beside its device sync, and the history of their runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime
from harmony.models.states import SyncRunState


class Job(Base):
    """One kind of job (`jobs/kinds.py`) for one integration: when it is due, and whose lease it is.

    `fence` rises with every claim, as that of an integration. `whole` asks for a look at everything, not only
    at what changed since `done_up_to`. `parked_why` is set while only a person can help, such as a missing
    permission; a run that somebody asks for tries again. `batch_limit` is how many devices the UEM takes in a
    call, once it has refused a larger one.
    """

    __tablename__ = "job"

    integration_id: Mapped[int] = mapped_column(
        ForeignKey("integration.id", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    requested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    requested_by: Mapped[str | None] = mapped_column(String(64))
    whole: Mapped[bool] = mapped_column(default=True)
    done_up_to: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failures: Mapped[int] = mapped_column(default=0)
    parked_why: Mapped[str | None] = mapped_column(String(1024))
    lease_owner: Mapped[str | None] = mapped_column(String(128))
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    fence: Mapped[int] = mapped_column(default=0)
    batch_limit: Mapped[int | None]


class JobRun(Base):
    """One run of a job; its states and words are those of a device sync, `counts` what it did."""

    __tablename__ = "job_run"
    __table_args__ = (Index("ix_job_run_integration_id_kind_id", "integration_id", "kind", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    integration_id: Mapped[int] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16), index=True, default=SyncRunState.RUNNING)
    started_by: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    heartbeat_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    owner: Mapped[str] = mapped_column(String(128))
    fence: Mapped[int]
    step: Mapped[str] = mapped_column(String(256), default="")
    counts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    calls: Mapped[int] = mapped_column(default=0)
    quota_left: Mapped[int | None]
    quota_limit: Mapped[int | None]
    reason: Mapped[str] = mapped_column(String(1024), default="")
    advice: Mapped[str] = mapped_column(String(1024), default="")
