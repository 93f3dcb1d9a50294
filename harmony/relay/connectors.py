"""Connectors as an administrator keeps them: added, given a new key, revoked; and how each one is."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update

from harmony.audit import audit
from harmony.connector.wire import IDLE_HOLD_SECONDS, KEY_PREFIX
from harmony.db import changed, db, write
from harmony.models import Connector, ConnectorAgent, RelayCall

# An agent asks at least this often; a little more, for a slow network.
SILENT_AFTER = timedelta(seconds=IDLE_HOLD_SECONDS * 3)
# How long a former key is accepted after a rotation.
_OVERLAP = timedelta(hours=24)
# An agent that has been silent for so long is not shown any more.
_FORGOTTEN_AFTER = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class ConnectorStatus:
    """A Connector, how many calls wait or are under way, and the agent of it that was seen last."""

    connector: Connector
    in_flight: int
    agent: ConnectorAgent | None

    @property
    def seen_at(self) -> datetime | None:
        """The time at which an agent of it was last seen."""
        return self.agent.seen_at if self.agent else None

    def state(self, now: datetime) -> str:
        """Return "revoked", "never", "connected" or "silent"."""
        if self.connector.revoked_at is not None:
            return "revoked"
        if self.seen_at is None:
            return "never"
        return "connected" if now - self.seen_at < SILENT_AFTER else "silent"


def add(name: str, by: str, now: datetime) -> tuple[int, str]:
    """Add a Connector. Return its id, and its key, which is not stored and cannot be shown again."""
    key = _new_key()
    with write() as session:
        connector = Connector(name=name, key_hash=key_hash(key), created_at=now)
        session.add(connector)
        session.flush()
        audit(session, by, "Added a Connector", now, detail=name)
        return connector.id, key


def rotate(connector_id: int, by: str, now: datetime) -> str | None:
    """Give the Connector a new key and return it; the former one works for _OVERLAP. None: it is revoked."""
    key = _new_key()
    with write() as session:
        connector = session.get_one(Connector, connector_id)
        if connector.revoked_at is not None:
            return None
        connector.former_hash, connector.former_until = connector.key_hash, now + _OVERLAP
        connector.key_hash = key_hash(key)
        audit(session, by, "Rotated the key of a Connector", now, detail=connector.name)
    return key


def revoke(connector_id: int, by: str, now: datetime) -> bool:
    """Accept no agent of the Connector any more; calls that wait for one fail. False: it was revoked."""
    with write() as session:
        connector = session.get_one(Connector, connector_id)
        if connector.revoked_at is not None:
            return False
        connector.revoked_at, connector.former_hash, connector.former_until = now, None, None
        # Nobody has the key to this hash.
        connector.key_hash = key_hash(_new_key())
        session.execute(delete(RelayCall).where(RelayCall.connector_id == connector_id))
        audit(session, by, "Revoked a Connector", now, detail=connector.name)
    return True


def statuses() -> list[ConnectorStatus]:
    """Return every Connector with its state, revoked ones last."""
    waiting = (
        select(RelayCall.connector_id, func.count().label("in_flight"))
        .where(RelayCall.answered_at.is_(None))
        .group_by(RelayCall.connector_id)
        .subquery()
    )
    rows = db.session.execute(
        select(Connector, func.coalesce(waiting.c.in_flight, 0))
        .outerjoin(waiting, waiting.c.connector_id == Connector.id)
        .order_by(Connector.revoked_at.is_not(None), Connector.name)
    )
    oldest_first = db.session.scalars(select(ConnectorAgent).order_by(ConnectorAgent.seen_at))
    newest = {agent.connector_id: agent for agent in oldest_first}
    return [ConnectorStatus(row, in_flight, newest.get(row.id)) for row, in_flight in rows]


def is_taken(name: str) -> bool:
    """Tell whether a Connector has, or had, this name: what is called through it goes by its name."""
    return db.session.scalar(select(Connector.id).where(Connector.name == name)) is not None


def usable_names() -> list[str]:
    """Return the names of the Connectors that a server may be called through."""
    return list(
        db.session.scalars(
            select(Connector.name).where(Connector.revoked_at.is_(None)).order_by(Connector.name)
        )
    )


def offered(stored: str, without: str) -> list[tuple[str, str]]:
    """Return what a form offers, as value and label: `without` any, those in use, and what is stored."""
    names = usable_names()
    return [("", without), *((name, name) for name in [*names, *({stored} - {"", *names})])]


def agents_of(connector_id: int) -> list[ConnectorAgent]:
    """Return the agents of a Connector, those seen last first."""
    newest = select(ConnectorAgent).where(ConnectorAgent.connector_id == connector_id)
    return list(db.session.scalars(newest.order_by(ConnectorAgent.seen_at.desc()).limit(20)))


def forget_silent(now: datetime) -> int:
    """Delete the agents that have been silent for long, and the calls nobody waits for any more."""
    with write() as session:
        gone = changed(session, delete(ConnectorAgent).where(ConnectorAgent.seen_at < now - _FORGOTTEN_AFTER))
        session.execute(delete(RelayCall).where(RelayCall.expires_at < now))
        session.execute(
            update(Connector).where(Connector.former_until < now).values(former_hash=None, former_until=None)
        )
    return gone


def key_hash(key: str) -> str:
    """Return what is stored of a key: its own randomness makes a slow hash needless."""
    return hashlib.sha256(key.encode()).hexdigest()


def _new_key() -> str:
    return KEY_PREFIX + secrets.token_urlsafe(32)
