"""The event notifications of a UEM: who may send them to which address, and what they named."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime


class EventListener(Base):
    """The address that one UEM sends its event notifications to, with its sign-in; one an integration.

    `address` is the random part of the URL. Only the SHA-256 of user and password is stored; after a rotation
    the former ones are accepted until `former_until`. `since` is when it was last turned on. `rests_until`:
    no device is read because of an event before then, so that the share of calls lasts a day. `overflowed`:
    more was named than is kept, so that everything is to be read. The counts are those since `since`;
    `missed` counts the devices that full syncs found changed since the last event, unannounced.
    """

    __tablename__ = "event_listener"

    integration_id: Mapped[int] = mapped_column(
        ForeignKey("integration.id", ondelete="CASCADE"), primary_key=True
    )
    address: Mapped[str] = mapped_column(String(64), unique=True)
    is_on: Mapped[bool] = mapped_column(default=True)
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    user_name: Mapped[str] = mapped_column(String(64))
    secret_hash: Mapped[str] = mapped_column(String(64))
    former_hash: Mapped[str | None] = mapped_column(String(64))
    former_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    rotated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    tested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    accepted: Mapped[int] = mapped_column(default=0)
    repeated: Mapped[int] = mapped_column(default=0)
    unknown: Mapped[int] = mapped_column(default=0)
    unreadable: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)
    refused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_unknown: Mapped[str] = mapped_column(String(64), default="")
    overflowed: Mapped[bool] = mapped_column(default=False)
    rests_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    missed: Mapped[int] = mapped_column(default=0)
    missed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class UemEvent(Base):
    """One event that a UEM announced: which device it named, and nothing else of it.

    `due_at` is when the device is to be read because of it; None once that was done. `checks` counts how
    often it was. `digest` is what makes a repeat of it known.
    """

    __tablename__ = "uem_event"
    __table_args__ = (
        UniqueConstraint("integration_id", "digest"),
        Index("ix_uem_event_integration_id_received_at", "integration_id", "received_at"),
        Index(
            "ix_uem_event_waiting", "integration_id", "due_at",
            sqlite_where=text("due_at IS NOT NULL"), postgresql_where=text("due_at IS NOT NULL"),
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    integration_id: Mapped[int] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"))
    external_id: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    happened_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    checks: Mapped[int] = mapped_column(default=0)
    digest: Mapped[str] = mapped_column(String(32))
