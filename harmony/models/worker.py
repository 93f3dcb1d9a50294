"""The sign of life of a worker process."""

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
