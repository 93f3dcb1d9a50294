"""A device as the UEM tells it, and the chosen groups it belongs to."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from harmony.db import Base, UtcDateTime
from harmony.db.personal import PersonalText

# What lists are filtered by stands behind the key of their order.
_FILTERED = ("integration_id", "status", "risk", "deleted_at", "platform")


def _partial(name: str, present: str, *columns: str) -> Index:
    """Return an index over the few rows in which a column is set; the others cost nothing."""
    condition = text(f"{present} IS NOT NULL")
    return Index(name, *columns, sqlite_where=condition, postgresql_where=condition)


class Device(Base):
    """One enrolled device of one integration.

    `fingerprint` covers every column the UEM fills but `last_seen_at`, which moves at each contact
    and therefore has no index. `name_key` is the folded name, `search_text` the folded
    name, serial, UDID, user and e-mail (`harmony.folding`).
    `external_id` is None once the UEM has given the id to another device.
    `absent_from` is the number of the first complete snapshot in a row that did not list it, so that a
    counter need not be written at every sync; `absent_why` (an `Absence`) is why that may be wrong.
    `deleted_at` is set while the device can still be restored; then it is purged.
    `added_by` is "registration" for one that Protect registered before the UEM ever listed it; it stays None
    for all others, and becomes None once the UEM lists it.
    `uem_generation` is that of the integration when a run last placed the device under its id; an id of an
    earlier one is of a former UEM and worthless (`sync.current_ids`).
    `status` and `risk` are those of its `Protection`, kept by triggers for lists (decision 18);
    a status of None is Provisioned, so that one that never registered costs nothing in the index.
    `status_rank` (active, inactive, provisioned) and `risk_rank` (not assessed, then the risks) are what
    lists are sorted by, kept likewise.
    """

    __tablename__ = "device"
    __table_args__ = (
        UniqueConstraint("integration_id", "external_id"),
        # One for every list by name: names come in no order, so each commit of a first sync rewrites most of
        # its pages. What lists are filtered by stands behind, so that they are filtered in the index.
        Index("ix_device_by_name", "name_key", "id", *_FILTERED),
        # A list in another order walks its index likewise. A first sync appends to the first two.
        Index("ix_device_by_status", "status_rank", "id", *_FILTERED),
        Index("ix_device_by_risk", "risk_rank", "id", *_FILTERED),
        Index("ix_device_by_group", "group_name", "id", *_FILTERED),
        Index("ix_device_by_platform", "platform", "id", *_FILTERED[:-1]),
        # Where few have a status or a risk. A first sync appends to the first, and writes none of the other.
        Index("ix_device_status", "status", "integration_id", "deleted_at", "risk"),
        Index(
            "ix_device_risk", "risk", "integration_id", "deleted_at", "status",
            sqlite_where=text("risk > 0"), postgresql_where=text("risk > 0"),
        ),
        Index("ix_device_integration_id_created_at", "integration_id", "created_at"),
        Index("ix_device_integration_id_udid_key", "integration_id", "udid_key"),
        # Empty of devices that are registered by a placeholder alone; asked by gateways (`api/posture.py`).
        Index(
            "ix_device_serial", "serial",
            sqlite_where=text("serial <> ''"), postgresql_where=text("serial <> ''"),
        ),
        _partial("ix_device_absent", "missing_since", "integration_id", "absent_from", "deleted_at"),
        _partial("ix_device_deleted", "deleted_at", "integration_id", "deleted_at"),
        _partial("ix_device_unlisted", "added_by", "integration_id"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    integration_id: Mapped[int] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"))
    external_id: Mapped[str | None] = mapped_column(String(64))
    uuid: Mapped[str] = mapped_column(String(64))
    udid: Mapped[str] = mapped_column(String(128))
    udid_key: Mapped[str] = mapped_column(String(128))
    serial: Mapped[str] = mapped_column(String(128))
    imei: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(PersonalText(256, ""))
    name_key: Mapped[str] = mapped_column(PersonalText(256, ""))
    phone: Mapped[str] = mapped_column(PersonalText(64))
    email: Mapped[str] = mapped_column(PersonalText(256))
    user_name: Mapped[str] = mapped_column(PersonalText(256))
    platform: Mapped[str] = mapped_column(String(64))
    model: Mapped[str] = mapped_column(String(256))
    os_version: Mapped[str] = mapped_column(String(64))
    ownership: Mapped[str] = mapped_column(String(32))
    group_id: Mapped[str] = mapped_column(String(64))
    group_name: Mapped[str] = mapped_column(String(256))
    enrollment_status: Mapped[str] = mapped_column(String(64))
    compliance: Mapped[str] = mapped_column(String(64))
    compromised: Mapped[bool | None]
    enrolled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    search_text: Mapped[str] = mapped_column(PersonalText(1024, ""))
    fingerprint: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    missing_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    absent_from: Mapped[int | None]
    absent_why: Mapped[str] = mapped_column(String(16), default="")
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    deleted_by: Mapped[str | None] = mapped_column(String(64))
    added_by: Mapped[str | None] = mapped_column(String(16))
    uem_generation: Mapped[int] = mapped_column(default=0, server_default="0")
    status: Mapped[str | None] = mapped_column(String(16))
    risk: Mapped[int] = mapped_column(default=0, server_default="0")
    status_rank: Mapped[int] = mapped_column(default=2, server_default="2")
    risk_rank: Mapped[int] = mapped_column(default=0, server_default="0")

    memberships: Mapped[list[Membership]] = relationship(cascade="all, delete-orphan", passive_deletes=True)


class Membership(Base):
    """One chosen group that lists the device; `group_kind` is that of `uem.records.GroupKind`."""

    __tablename__ = "membership"
    __table_args__ = ({"sqlite_with_rowid": False},)

    device_id: Mapped[int] = mapped_column(ForeignKey("device.id", ondelete="CASCADE"), primary_key=True)
    group_kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    group_id: Mapped[str] = mapped_column(String(64), primary_key=True)
