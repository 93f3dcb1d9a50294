"""Tags of ours in the UEM, and on which devices they stand or should stand."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime
from harmony.models.states import LinkState


class UemTag(Base):
    """A tag that is ours in the UEM of an integration.

    `key` says what it stands for (`tagging/names.py`); `name` is how the UEM calls it. `external_id` is None
    until it was found, made or adopted there; `organization_group_id` is set just before we ask the UEM to
    make it, so that one whose answer was lost is still known to be ours. `checked_at` is when its devices
    were last read; None makes that due. From `retired_at` on it is taken off every device of ours, and
    `kept_off` goes on looking for it once it is off. `problem` says why it cannot be used.

    An id is believed only together with the name: `proven` is false until the UEM at hand has shown both.
    `doubted_at` is when answers first contradicted them; `former_id` is the id of a tag that was gone.
    """

    __tablename__ = "uem_tag"

    integration_id: Mapped[int] = mapped_column(
        ForeignKey("integration.id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    name: Mapped[str] = mapped_column(String(128))
    external_id: Mapped[str | None] = mapped_column(String(64))
    organization_group_id: Mapped[str | None] = mapped_column(String(64))
    adopted: Mapped[bool] = mapped_column(default=False)
    checked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    retired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    kept_off: Mapped[bool] = mapped_column(default=False)
    proven: Mapped[bool] = mapped_column(default=True)
    doubted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    former_id: Mapped[str | None] = mapped_column(String(64))
    problem: Mapped[str] = mapped_column(String(1024), default="")


class FormerTag(Base):
    """A tag that Harmony made or adopted in a UEM, kept when the integration that did so is gone.

    `server` is the origin of its address: ids mean something within one UEM only.
    """

    __tablename__ = "former_tag"

    server: Mapped[str] = mapped_column(String(512), primary_key=True)
    external_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(128))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class TagLink(Base):
    """One tag on one device: whether it should stand there, whether it does as far as we know, what is to do.

    The outbox of tagging: `pending` waits to be pushed, `failed` and `dropped` wait for `next_try_at`. A row
    that is neither wanted nor present any more is removed. `external_id` is the UEM's id of the device that
    `present` is about: one that is enrolled again starts anew. `attempts` rises before a push and is 0 once
    its end is known, so that nobody takes what may have reached the UEM for something that did not.
    """

    __tablename__ = "tag_link"
    __table_args__ = (
        Index("ix_tag_link_integration_id_key_present", "integration_id", "key", "present"),
        Index(
            "ix_tag_link_open", "integration_id", "key", "state",
            sqlite_where=text("state <> 'done'"), postgresql_where=text("state <> 'done'"),
        ),
        {"sqlite_with_rowid": False},
    )  # fmt: skip

    device_id: Mapped[int] = mapped_column(ForeignKey("device.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    integration_id: Mapped[int] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"))
    external_id: Mapped[str] = mapped_column(String(64))
    wanted: Mapped[bool]
    present: Mapped[bool]
    state: Mapped[str] = mapped_column(String(16), default=LinkState.PENDING)
    attempts: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(String(256), default="")
