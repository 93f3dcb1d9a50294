"""Registrations that were refused although their token was right, counted by day."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime


class RegistrationRefusal(Base):
    """The registrations of an integration that an error of the device API refused on a day (UTC, ISO).

    Counted, because whoever has the token can be refused any number of times.
    """

    __tablename__ = "registration_refusal"

    integration_id: Mapped[int] = mapped_column(
        ForeignKey("integration.id", ondelete="CASCADE"), primary_key=True
    )
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    error: Mapped[str] = mapped_column(String(32), primary_key=True)
    count: Mapped[int] = mapped_column(default=0)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
