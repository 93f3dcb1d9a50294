"""State of a UEM that every process shares: the wait it asked for, and the token of a client."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime


class WaitRow(Base):
    """A wait that a server asked for (`uem/http/server_wait.py`); `origin` as in `Address.origin`."""

    __tablename__ = "server_wait"

    origin: Mapped[str] = mapped_column(String(300), primary_key=True)
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    quota: Mapped[bool]


class AccessToken(Base):
    """The token of one client for one server; `client` is a fingerprint of both (`security/vault.py`).

    `sealed` is None while there is none; `token` is its fingerprint. `fetching_until` bounds the right of
    one process to fetch the next. `by_header` says how the token service took the client.
    """

    __tablename__ = "access_token"

    client: Mapped[str] = mapped_column(String(64), primary_key=True)
    sealed: Mapped[str | None] = mapped_column(String(65536))
    token: Mapped[str | None] = mapped_column(String(64))
    fetched_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    renew_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    fetching_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    by_header: Mapped[bool | None]
    used_at: Mapped[datetime] = mapped_column(UtcDateTime)
