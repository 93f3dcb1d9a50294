"""Runs of jobs: who started each, how far it is, what it did, how it ended."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime
from harmony.models.states import SyncKind, SyncRunState


class RunColumns:
    """The columns of every run. `owner` and `fence` say whose it is while it is under way."""

    integration_id: Mapped[int] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(String(16), index=True, default=SyncRunState.RUNNING)
    started_by: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    heartbeat_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    owner: Mapped[str] = mapped_column(String(128))
    fence: Mapped[int]
    step: Mapped[str] = mapped_column(String(256), default="")
    calls: Mapped[int] = mapped_column(default=0)
    quota_left: Mapped[int | None]
    quota_limit: Mapped[int | None]
    reason: Mapped[str] = mapped_column(String(1024), default="")
    advice: Mapped[str] = mapped_column(String(1024), default="")


class SyncRun(RunColumns, Base):
    """One run of the device sync, with what it did."""

    __tablename__ = "sync_run"
    __table_args__ = (Index("ix_sync_run_integration_id_id", "integration_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), default=SyncKind.SNAPSHOT)
    version: Mapped[int]
    pages_read: Mapped[int] = mapped_column(default=0)
    devices_read: Mapped[int] = mapped_column(default=0)
    expected: Mapped[int | None]
    added: Mapped[int] = mapped_column(default=0)
    updated: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    missing: Mapped[int] = mapped_column(default=0)
    reappeared: Mapped[int] = mapped_column(default=0)
    deleted: Mapped[int] = mapped_column(default=0)
    restored: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)


class JobRun(RunColumns, Base):
    """One run of any other job; `counts` is what it did, by the names in its `Words`."""

    __tablename__ = "job_run"
    __table_args__ = (Index("ix_job_run_integration_id_kind_id", "integration_id", "kind", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    counts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class SkippedDevice(Base):
    """A device the UEM listed but nobody could read, with the reason; no content of the row is kept."""

    __tablename__ = "skipped_device"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("sync_run.id", ondelete="CASCADE"), index=True)
    external_id: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(256))
