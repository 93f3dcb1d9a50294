"""A hold: deletions that wait for a person."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime
from harmony.models.states import HoldState


class Hold(Base):
    """The deletions that a run held back; one that is open or approved for an integration at most.

    Its list is not stored: it is every live device with `absent_from <= up_to`. One that comes back loses
    `absent_from`, one that goes missing later has a larger one, so nobody can slip into an approved list.
    `digest` stands for the list as it was shown (`sync/deletion/holds.py`), `reasons` are those of
    `sync/deletion/guard.py`.
    """

    __tablename__ = "hold"
    __table_args__ = (Index("ix_hold_integration_id_id", "integration_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    integration_id: Mapped[int] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("job_run.id", ondelete="SET NULL"), index=True)
    state: Mapped[str] = mapped_column(String(16), default=HoldState.OPEN)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    up_to: Mapped[int]
    devices: Mapped[int]
    live: Mapped[int]
    digest: Mapped[str] = mapped_column(String(64))
    reasons: Mapped[list[str]] = mapped_column(JSON)
    decided_by: Mapped[str | None] = mapped_column(String(64))
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
