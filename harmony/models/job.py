"""The recurring jobs of an integration: the device sync and whatever else `jobs/kinds.py` lists."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime
from harmony.models.states import QUARANTINE_AFTER

# The kind that every integration has from its draft on (`JobKind.DEVICES`).
SYNC_JOB = "devices"


class Job(Base):
    """One kind of job (`jobs/kinds.py`) for one integration: when it is due, and whose lease it is.

    `fence` rises with every claim. `refresh_at` is when a look at what was in contact lately is due, of kinds
    that have one; `events_at` when devices are to be read that events named. `failures` counts failed runs in
    a row. `whole` asks for a look at everything, not only at what changed since `done_up_to`. `parked_why` is
    set while only a person can help, such as a missing permission; a run that somebody asks for tries again.
    `batch_limit` is how many devices the UEM takes in a call, once it has refused a larger one.
    """

    __tablename__ = "job"

    integration_id: Mapped[int] = mapped_column(
        ForeignKey("integration.id", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    refresh_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    events_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
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

    @property
    def quarantined(self) -> bool:
        """Tell whether so many runs in a row failed that it tries less and less often."""
        return self.failures >= QUARANTINE_AFTER
