"""Ways out: the proxy of direct calls; Connectors, their agents, and the calls that wait for one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime


class Connector(Base):
    """A way into a customer's network. Only the SHA-256 of its key is stored.

    After a rotation the former key is accepted until `former_until`. A revoked one is kept, with neither.
    """

    __tablename__ = "connector"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    former_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    former_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ConnectorAgent(Base):
    """One process that runs for a Connector, as it described itself when it last asked for work.

    `code` names the process and is new at each start; `allowed` are the addresses it would call.
    """

    __tablename__ = "connector_agent"
    __table_args__ = (Index("ix_connector_agent_connector_id_seen_at", "connector_id", "seen_at"),)

    code: Mapped[str] = mapped_column(String(32), primary_key=True)
    connector_id: Mapped[int] = mapped_column(ForeignKey("connector.id", ondelete="CASCADE"))
    host: Mapped[str] = mapped_column(String(255))
    version: Mapped[str] = mapped_column(String(32))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    running: Mapped[int] = mapped_column(default=0)
    allowed: Mapped[str] = mapped_column(String(4096), default="")
    error: Mapped[str] = mapped_column(String(512), default="")
    error_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RelayCall(Base):
    """A call that waits for an agent, or is with one; deleted as soon as its answer was read.

    `sealed` is the call. An agent that takes it gets a `ticket`, whose hash is kept, until `leased_until`.
    """

    __tablename__ = "relay_call"
    __table_args__ = (
        Index("ix_relay_call_connector_id_created_at", "connector_id", "created_at"),
        Index("ix_relay_call_expires_at", "expires_at"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    connector_id: Mapped[int] = mapped_column(ForeignKey("connector.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    repeatable: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ticket_hash: Mapped[str | None] = mapped_column(String(64))
    agent: Mapped[str | None] = mapped_column(String(32))
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class OutboundProxy(Base):
    """The HTTP proxy that direct calls leave through: one row at most. `password` is sealed for it."""

    __tablename__ = "outbound_proxy"

    id: Mapped[int] = mapped_column(primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    port: Mapped[int]
    username: Mapped[str] = mapped_column(String(256), default="")
    password: Mapped[str] = mapped_column(String(4096), default="")
    edition: Mapped[int] = mapped_column(default=1)


class RelayPart(Base):
    """A part of an answer, sealed; parts are small, so that no request of an agent is large."""

    __tablename__ = "relay_part"

    call_id: Mapped[str] = mapped_column(ForeignKey("relay_call.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
