"""All that leaves for other systems: the feed, the destinations that read it, and their deliveries."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime
from harmony.models.states import DestinationState

_TO_BE_TRIED = text("next_at IS NOT NULL")


class FeedRow(Base):
    """One line of the feed: an event, an audit entry or the end of a run, in the order they were committed.

    `name` is the verb of an event or the state of a run, "" for an audit entry; `subject_id` is the id of the
    run. A line outlives what it names, hence no foreign key; `details` hold no personal data of a device. An
    id is never given twice, so that a cursor skips nothing.
    """

    __tablename__ = "feed"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(32))
    severity: Mapped[str] = mapped_column(String(16))
    subject_id: Mapped[int | None]
    integration_id: Mapped[int | None]
    device_id: Mapped[int | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSON)


class Destination(Base):
    """A system that gets what the feed says: a webhook, a syslog server, an HTTP collector or a file.

    `cursor` is the id up to which everything has left. `address` is what a page may show of where it leads;
    `url`, `secret` and `former_secret` are sealed, "" for none. `fence` rises with every claim. `failures`
    counts failed tries in a row since `failing_since`, `reason` says why the last one failed. `lost` counts
    what retention removed before it had left.
    """

    __tablename__ = "destination"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    format: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(128))
    address: Mapped[str] = mapped_column(String(512), default="")
    url: Mapped[str] = mapped_column(Text, default="")
    secret: Mapped[str] = mapped_column(Text, default="")
    former_secret: Mapped[str] = mapped_column(Text, default="")
    former_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    options: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    kinds: Mapped[list[str]] = mapped_column(JSON, default=list)
    least_severity: Mapped[str] = mapped_column(String(16))
    personal: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(String(16), default=DestinationState.ACTIVE)
    edition: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    cursor: Mapped[int]
    next_at: Mapped[datetime] = mapped_column(UtcDateTime)
    failures: Mapped[int] = mapped_column(default=0)
    failing_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(String(512), default="")
    success_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sent: Mapped[int] = mapped_column(default=0)
    lost: Mapped[int] = mapped_column(default=0)
    lost_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    fence: Mapped[int] = mapped_column(default=0)


class FeedDelivery(Base):
    """One try to send lines of the feed to a destination, `first_id` to `last_id`; the newest are kept.

    `next_at` is set while these lines are to be sent once more: they were refused, or somebody replays them.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        Index("ix_delivery_destination_id_id", "destination_id", "id"),
        Index(
            "ix_delivery_next_at", "destination_id", "next_at",
            sqlite_where=_TO_BE_TRIED, postgresql_where=_TO_BE_TRIED,
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    destination_id: Mapped[int] = mapped_column(ForeignKey("destination.id", ondelete="CASCADE"))
    first_id: Mapped[int]
    last_id: Mapped[int]
    records: Mapped[int]
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    outcome: Mapped[str] = mapped_column(String(16))
    answer: Mapped[str] = mapped_column(String(512), default="")
    tries: Mapped[int] = mapped_column(default=1)
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
