"""How a device is: what Protect told of it, who may speak for it, and what was found on it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime
from harmony.models.states import DeviceStatus, Risk

_OPEN = text("closed_at IS NULL")


class Protection(Base):
    """Status and risk of a device; one that never registered has no row: Provisioned, No Risk.

    `changed_at` moves whenever status, risk or the open findings do, so that tagging need look at those only.
    `last_contact_at` is the newest over its profiles; it moves at every check-in and has no index.
    """

    __tablename__ = "protection"
    __table_args__ = (
        Index("ix_protection_integration_id_status", "integration_id", "status"),
        Index("ix_protection_integration_id_risk", "integration_id", "risk"),
        Index("ix_protection_integration_id_changed_at", "integration_id", "changed_at"),
    )

    device_id: Mapped[int] = mapped_column(ForeignKey("device.id", ondelete="CASCADE"), primary_key=True)
    integration_id: Mapped[int] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"))
    status: Mapped[str] = mapped_column(String(16), default=DeviceStatus.PROVISIONED)
    risk: Mapped[int] = mapped_column(default=int(Risk.NONE))
    registered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_contact_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Registration(Base):
    """One Protect app on one profile of a device; `key_hash` is the SHA-256 of its device key.

    `ended_at` is set once it unregistered or an administrator reset it; its key is worthless then.
    `request_digest` stands for the request that made it, so that the same one gets the same answer.
    `report_digest` stands for the last full report: one that says the same writes only the contact.
    `unread` says in numbers what of its last report could not be read; "" when all of it was.
    The device's clock is recorded, never believed: `clock_skew` are the seconds it is ahead of ours.
    """

    __tablename__ = "registration"
    __table_args__ = (
        UniqueConstraint("device_id", "profile"),
        Index(
            "ix_registration_live_profile", "profile", "device_id",
            sqlite_where=text("ended_at IS NULL"), postgresql_where=text("ended_at IS NULL"),
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("device.id", ondelete="CASCADE"))
    profile: Mapped[str] = mapped_column(String(16))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    request_digest: Mapped[str] = mapped_column(String(64), default="")
    report_digest: Mapped[str] = mapped_column(String(64), default="")
    platform: Mapped[str] = mapped_column(String(64), default="")
    model: Mapped[str] = mapped_column(String(256), default="")
    os_version: Mapped[str] = mapped_column(String(64), default="")
    client_version: Mapped[str] = mapped_column(String(64), default="")
    serial: Mapped[str] = mapped_column(String(128), default="")
    clock_skew: Mapped[int | None]
    unread: Mapped[str] = mapped_column(String(256), default="", server_default="")
    registered_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_contact_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RegistrationCode(Base):
    """A code with which one Protect app may register once; only its SHA-256 is kept.

    `profile` is "" for one that is for any. `tries` counts the requests that named it for another device.
    """

    __tablename__ = "registration_code"

    id: Mapped[int] = mapped_column(primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("device.id", ondelete="CASCADE"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    request_digest: Mapped[str] = mapped_column(String(64), default="")
    profile: Mapped[str] = mapped_column(String(16), default="", server_default="")
    tries: Mapped[int] = mapped_column(default=0, server_default="0")


class Finding(Base):
    """A threat factor on a device, open until `closed_at`; `subject` is the app, network or address meant.

    `profile` is "" for what the dashboard itself concludes, such as an outdated system or a blocked app.
    `risk` is what the policy and the app exceptions in force make of it.
    """

    __tablename__ = "finding"
    __table_args__ = (
        Index("ix_finding_device_id_id", "device_id", "id"),
        Index(
            "uq_finding_open", "device_id", "profile", "code", "subject", unique=True,
            sqlite_where=_OPEN, postgresql_where=_OPEN,
        ),
        Index("ix_finding_open_code", "code", "device_id", sqlite_where=_OPEN, postgresql_where=_OPEN),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("device.id", ondelete="CASCADE"))
    profile: Mapped[str] = mapped_column(String(16), default="")
    code: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(256), default="")
    risk: Mapped[int]
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Event(Base):
    """One line of Events: what was found on a device, what changed. `factor` is a threat factor's code."""

    __tablename__ = "event"
    __table_args__ = (
        Index("ix_event_device_id_id", "device_id", "id"),
        Index("ix_event_severity_id", "severity", "id"),
        Index("ix_event_vector_id", "vector", "id"),
        Index("ix_event_verb_id", "verb", "id"),
        Index("ix_event_integration_id_id", "integration_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    severity: Mapped[str] = mapped_column(String(16))
    vector: Mapped[str] = mapped_column(String(32), default="")
    factor: Mapped[str] = mapped_column(String(64), default="")
    verb: Mapped[str] = mapped_column(String(16))
    device_id: Mapped[int | None] = mapped_column(ForeignKey("device.id", ondelete="CASCADE"))
    integration_id: Mapped[int | None] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"))
    detail: Mapped[str] = mapped_column(String(256), default="")
