"""One device sync: who started it, how far it is, what it did, how it ended."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime
from harmony.models.states import SyncKind, SyncRunState


class SyncRun(Base):
    """The row a worker keeps while it syncs. `owner` and `fence` say whose run it is."""

    __tablename__ = "sync_run"
    __table_args__ = (Index("ix_sync_run_integration_id_id", "integration_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    integration_id: Mapped[int] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16), default=SyncKind.SNAPSHOT)
    state: Mapped[str] = mapped_column(String(16), index=True, default=SyncRunState.RUNNING)
    started_by: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    heartbeat_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    owner: Mapped[str] = mapped_column(String(128))
    fence: Mapped[int]
    version: Mapped[int]
    step: Mapped[str] = mapped_column(String(256), default="")
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
    calls: Mapped[int] = mapped_column(default=0)
    quota_left: Mapped[int | None]
    quota_limit: Mapped[int | None]
    reason: Mapped[str] = mapped_column(String(1024), default="")
    advice: Mapped[str] = mapped_column(String(1024), default="")


class SkippedDevice(Base):
    """A device the UEM listed but nobody could read, with the reason; no content of the row is kept."""

    __tablename__ = "skipped_device"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("sync_run.id", ondelete="CASCADE"), index=True)
    external_id: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(256))
