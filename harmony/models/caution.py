"""The caution after a restore, until an administrator confirms it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime


class Caution(Base):
    """One row from a restore until an administrator confirms."""

    __tablename__ = "caution"

    id: Mapped[int] = mapped_column(primary_key=True)
    since: Mapped[datetime] = mapped_column(UtcDateTime)
