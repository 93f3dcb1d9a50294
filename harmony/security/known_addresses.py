"""The addresses from which a name signed in before; only a hash of both is stored."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import delete

from harmony.clock import within
from harmony.db import db, write
from harmony.models import KnownAddress
from harmony.security.users import name_key

_REMEMBERED = timedelta(days=90)


def remember(address: str, name: str, now: datetime) -> None:
    """Note that the name has just signed in from there."""
    with write() as session:
        session.merge(KnownAddress(key=_key(address, name), seen_at=now))


def is_known(address: str, name: str, now: datetime) -> bool:
    """Tell if the name signed in from there within the last 90 days."""
    row = db.session.get(KnownAddress, _key(address, name))
    return row is not None and within(row.seen_at, _REMEMBERED, now)


def sweep(now: datetime) -> None:
    """Forget the addresses that were not used for long."""
    with write() as session:
        session.execute(delete(KnownAddress).where(KnownAddress.seen_at <= now - _REMEMBERED))


def _key(address: str, name: str) -> str:
    return hashlib.sha256(f"{address}\0{name_key(name)}".encode()).hexdigest()
