"""The sign of life of a worker process, and that of its sweep over the devices."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime


class Worker(Base):
    """One worker process; `identity` names host, process and its start, so that a reused pid is another."""

    __tablename__ = "worker"

    identity: Mapped[str] = mapped_column(String(128), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class Sweep(Base):
    """One row: when the devices were last swept, and when the last gap between two sweeps ended.

    `gap_at` is None while there was none. In a gap nobody listened, so no device can be called silent for it.
    """

    __tablename__ = "sweep"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    gap_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
