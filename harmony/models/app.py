"""Apps, where they are installed, and what an administrator says of them."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime


class App(Base):
    """One version of an app; `identifier` is its package or bundle id, `platform` ios or android.

    `name_key` is the folded name, `search_text` that and the folded identifier (`harmony.folding`).
    `installs` is how many devices have it: kept with every inventory, counted anew by the sweep.
    """

    __tablename__ = "app"
    __table_args__ = (
        UniqueConstraint("platform", "identifier", "version"),
        Index("ix_app_name_key_id", "name_key", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    platform: Mapped[str] = mapped_column(String(16))
    identifier: Mapped[str] = mapped_column(String(256))
    version: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(256))
    name_key: Mapped[str] = mapped_column(String(256))
    search_text: Mapped[str] = mapped_column(String(1024), server_default="")
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    installs: Mapped[int] = mapped_column(default=0)


class InstalledApp(Base):
    """An app on a device; `profile` is that of the Protect app that listed it, "" when the UEM did."""

    __tablename__ = "installed_app"
    __table_args__ = (
        Index("ix_installed_app_app_id_device_id", "app_id", "device_id"),
        {"sqlite_with_rowid": False},
    )

    device_id: Mapped[int] = mapped_column(ForeignKey("device.id", ondelete="CASCADE"), primary_key=True)
    profile: Mapped[str] = mapped_column(String(16), primary_key=True)
    app_id: Mapped[int] = mapped_column(ForeignKey("app.id", ondelete="CASCADE"), primary_key=True)


class AppException(Base):
    """The decision of an administrator on every version of an app; `action` is an `Action`.

    `by` is its owner; `ends_on` the last day, in UTC, on which it counts, None for one without an end.
    """

    __tablename__ = "app_exception"
    __table_args__ = (UniqueConstraint("platform", "identifier"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    platform: Mapped[str] = mapped_column(String(16))
    identifier: Mapped[str] = mapped_column(String(256))
    action: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(256))
    by: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_on: Mapped[date | None]


class AppDecision(Base):
    """One line of the history of an app's exceptions, and how far its devices have been brought in line.

    `action` is "" when the exception was lifted. `done_up_to` is the largest device id that is done;
    `done_at` is set at the end, or once a newer decision on the same app takes over. `devices` changed by it.
    """

    __tablename__ = "app_decision"
    __table_args__ = (
        Index("ix_app_decision_platform_identifier_id", "platform", "identifier", "id"),
        Index(
            "ix_app_decision_open", "id",
            sqlite_where=text("done_at IS NULL"), postgresql_where=text("done_at IS NULL"),
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    platform: Mapped[str] = mapped_column(String(16))
    identifier: Mapped[str] = mapped_column(String(256))
    action: Mapped[str] = mapped_column(String(16), default="")
    reason: Mapped[str] = mapped_column(String(256), default="")
    by: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_on: Mapped[date | None]
    devices: Mapped[int] = mapped_column(default=0)
    done_up_to: Mapped[int] = mapped_column(default=0)
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AppReading(Base):
    """The last time that the apps of a device were asked for in the UEM, and what came of it.

    `seen_at` is what the UEM then called its last contact: once that has moved, they are read again.
    `outcome` is a `ReadingOutcome`. `unconfirmed` is the digest of apps that a list lacked, and that are kept
    until a second list lacks the same. `listed_at`: the last time that any list came.
    """

    __tablename__ = "app_reading"

    device_id: Mapped[int] = mapped_column(ForeignKey("device.id", ondelete="CASCADE"), primary_key=True)
    read_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    outcome: Mapped[str] = mapped_column(String(16), default="whole", server_default="whole")
    unconfirmed: Mapped[str] = mapped_column(String(64), default="", server_default="")
    listed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
