"""Runs of jobs: who started each, how far it is, what it did, how it ended."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime
from harmony.models.states import SyncRunState


class JobRun(Base):
    """One run of a job of any kind.

    `counts` is what it did so far, by the names of its kind; a name that is not there stands for zero.
    `owner` and `fence` say whose it is while it is under way. `sync_kind` says what a device sync reads, ""
    for other jobs. `version` is that of the settings it ran with. `former_id` is the id of a run that was
    kept in another table once, for links to it.
    """

    __tablename__ = "job_run"
    __table_args__ = (
        Index("ix_job_run_integration_id_id", "integration_id", "id"),
        Index("ix_job_run_integration_id_kind_id", "integration_id", "kind", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    integration_id: Mapped[int] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16))
    sync_kind: Mapped[str] = mapped_column(String(16), default="", server_default="")
    state: Mapped[str] = mapped_column(String(16), index=True, default=SyncRunState.RUNNING)
    started_by: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    heartbeat_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    owner: Mapped[str] = mapped_column(String(128))
    fence: Mapped[int]
    version: Mapped[int | None]
    step: Mapped[str] = mapped_column(String(256), default="")
    counts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    calls: Mapped[int] = mapped_column(default=0)
    quota_left: Mapped[int | None]
    quota_limit: Mapped[int | None]
    reason: Mapped[str] = mapped_column(String(1024), default="")
    advice: Mapped[str] = mapped_column(String(1024), default="")
    former_id: Mapped[int | None]

    def count(self, name: str) -> int:
        """Return one of its counts."""
        return int(self.counts.get(name, 0))


class SkippedDevice(Base):
    """A device the UEM listed but nobody could read, with the reason; no content of the row is kept."""

    __tablename__ = "skipped_device"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("job_run.id", ondelete="CASCADE"), index=True)
    external_id: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(256))
