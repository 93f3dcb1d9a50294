"""Messages that leave the dashboard: the mail server and channels, the outbox, who asked for notices."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime
from harmony.models.states import MessageState


class MailServer(Base):
    """The SMTP server of the installation: one row. `password` is sealed; `certificate` is PEM, "" for none.

    `security` is "starttls", "tls" or "none"; `connector` names the one that mail goes through, "" for none.
    """

    __tablename__ = "mail_server"

    id: Mapped[int] = mapped_column(primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    port: Mapped[int]
    security: Mapped[str] = mapped_column(String(16))
    username: Mapped[str] = mapped_column(String(256), default="")
    password: Mapped[str] = mapped_column(Text, default="")
    certificate: Mapped[str] = mapped_column(Text, default="")
    sender: Mapped[str] = mapped_column(String(256))
    sender_name: Mapped[str] = mapped_column(String(128), default="")
    connector: Mapped[str] = mapped_column(String(64), default="", server_default="")
    edition: Mapped[int] = mapped_column(default=1)


class MessageChannel(Base):
    """A gateway for SMS or chat: a sealed Apprise URL, or the sealed address of a webhook."""

    __tablename__ = "message_channel"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(128))
    url: Mapped[str] = mapped_column(Text)
    edition: Mapped[int] = mapped_column(default=1)


class Message(Base):
    """One message in the outbox, kept after it was sent as the record of it.

    `recipient` and text of a registration message are not stored: both are read from the device when it is
    sent, so that nothing personal stands here. `key` makes a second message of the same device, kind and
    channel impossible while it is "once"; a resend has a key of its own. `details` are the values a notice is
    written from, without personal data. `answer` is what the server said last, in one sentence.
    """

    __tablename__ = "message"
    __table_args__ = (
        Index("ix_message_state_next_at", "state", "next_at"),
        Index("ix_message_device_id_id", "device_id", "id"),
        Index("ix_message_integration_id_id", "integration_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    channel: Mapped[str] = mapped_column(String(16))
    channel_id: Mapped[int | None] = mapped_column(ForeignKey("message_channel.id", ondelete="CASCADE"))
    integration_id: Mapped[int | None] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"))
    device_id: Mapped[int | None] = mapped_column(ForeignKey("device.id", ondelete="CASCADE"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(128), unique=True)
    language: Mapped[str] = mapped_column(String(16), default="en")
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    state: Mapped[str] = mapped_column(String(16), default=MessageState.QUEUED)
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(64))
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    answer: Mapped[str] = mapped_column(String(512), default="")


class MessageTemplate(Base):
    """The texts of registration messages in one language that an administrator changed from the defaults."""

    __tablename__ = "message_template"

    language: Mapped[str] = mapped_column(String(16), primary_key=True)
    texts: Mapped[dict[str, str]] = mapped_column(JSON)
    edition: Mapped[int] = mapped_column(default=1)


class NoticeSubscription(Base):
    """The notices that a user asked for, by mail to `address`; `kinds` are names of notices."""

    __tablename__ = "notice_subscription"

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    address: Mapped[str] = mapped_column(String(256), default="")
    kinds: Mapped[list[str]] = mapped_column(JSON, default=list)
    channel_ids: Mapped[list[int]] = mapped_column(JSON, default=list)


class NoticeState(Base):
    """One trouble that was announced and is not over: the notice's name, what it is about, and why.

    `gone_at` is when it was first seen to be gone; it is over once it stays so for a while.
    """

    __tablename__ = "notice_state"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    subject: Mapped[str] = mapped_column(String(64), primary_key=True)
    reason: Mapped[str] = mapped_column(String(1024))
    title: Mapped[str] = mapped_column(String(256), default="", server_default="")
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    gone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
