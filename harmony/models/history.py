"""The history of devices, and the audit of people's actions."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime


class DeviceEvent(Base):
    """One line of a device's history. `kind` is a `Happening`; `detail` never holds personal data."""

    __tablename__ = "device_event"
    __table_args__ = (
        Index("ix_device_event_device_id_id", "device_id", "id"),
        Index("ix_device_event_run_id_id", "run_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("device.id", ondelete="CASCADE"))
    run_id: Mapped[int | None]
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    kind: Mapped[str] = mapped_column(String(16))
    detail: Mapped[str] = mapped_column(String(1024), default="")


class AuditEntry(Base):
    """An action of a person. It outlives what it names, hence no foreign key.

    Triggers refuse every change, and the removal of all but what `AuditChain.anchor_id` has passed.
    """

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("ix_audit_entry_integration_id_id", "integration_id", "id"),
        Index("ix_audit_entry_who_id", "who", "id"),
        Index("ix_audit_entry_module_id", "module", "id"),
        Index("ix_audit_entry_severity_id", "severity", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    who: Mapped[str] = mapped_column(String(64))
    what: Mapped[str] = mapped_column(String(64))
    integration_id: Mapped[int | None]
    integration_name: Mapped[str] = mapped_column(String(128), default="")
    detail: Mapped[str] = mapped_column(String(1024), default="")
    severity: Mapped[str] = mapped_column(String(16))
    module: Mapped[str] = mapped_column(String(32))
    category: Mapped[str] = mapped_column(String(32))
    changes: Mapped[str] = mapped_column(String(8192), default="")
    search_text: Mapped[str] = mapped_column(String(8192), default="")
    former_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class AuditChain(Base):
    """The end of the chain of audit entries, and the last entry that retention removed: one row.

    The first entry that is kept continues `anchor_hash`. `problem` is the last verification's, "" for none.
    """

    __tablename__ = "audit_chain"

    id: Mapped[int] = mapped_column(primary_key=True)
    head_id: Mapped[int] = mapped_column(default=0)
    head_hash: Mapped[str] = mapped_column(String(64))
    anchor_id: Mapped[int] = mapped_column(default=0)
    anchor_hash: Mapped[str] = mapped_column(String(64))
    anchor_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    verified_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    verified_entries: Mapped[int] = mapped_column(default=0)
    problem: Mapped[str] = mapped_column(String(256), default="")
