"""The dashboard's answers to an agent: calls to make, and the parts of answers taken back."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy import Select, and_, delete, or_, select, update
from sqlalchemy.orm import Session

from harmony.connector.wire import LEASE_SECONDS, MOST_PARTS, Poll, Work
from harmony.db import changed, db, write
from harmony.models import ConnectorAgent, RelayCall, RelayPart
from harmony.relay.calls import bound_to
from harmony.relay.connectors import accepted, key_hash
from harmony.security.vault import vault
from harmony.uem.text import clean

_LEASE = timedelta(seconds=LEASE_SECONDS)
_MOST_CALLS = 32
# Often enough to keep every lease, which is three times as long.
_WRITTEN_EVERY = _LEASE / 3


class RefusedAgent(Exception):
    """The agent is answered with this status: 401 for a wrong key, 409 for an answer nobody waits for."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


def authenticate(key: str, now: datetime) -> int:
    """Return the id of the Connector with this key. Raises RefusedAgent."""
    connector = accepted(db.session(), key, now)
    if connector is None:
        raise RefusedAgent(401, "The key of this Connector is not known here, or was revoked.")
    return connector.id


def arrive(connector_id: int, poll: Poll, now: datetime) -> None:
    """Record who asks, and keep what it is at work on with it. Raises RefusedAgent for another's name.

    What was written a moment ago is not written again: an agent at work asks after every call.
    """
    if not poll.agent or _is_known(connector_id, poll, now):
        return
    with write() as session:
        agent = session.get(ConnectorAgent, poll.agent)
        if agent is not None and agent.connector_id != connector_id:
            raise RefusedAgent(409, "An agent of another Connector has this name. Start the agent again.")
        if agent is None:
            agent = ConnectorAgent(code=poll.agent, connector_id=connector_id, started_at=now)
            session.add(agent)
        _describe(agent, poll, now)
        session.execute(
            update(RelayCall)
            .where(
                RelayCall.id.in_(poll.running[:_MOST_CALLS]),
                RelayCall.connector_id == connector_id,
                RelayCall.agent == poll.agent,
                RelayCall.answered_at.is_(None),
            )
            .values(leased_until=now + _LEASE)
        )


def _is_known(connector_id: int, poll: Poll, now: datetime) -> bool:
    """Tell whether this agent was seen a moment ago and has nothing new to say."""
    wanted = select(ConnectorAgent.seen_at).where(
        ConnectorAgent.code == poll.agent, ConnectorAgent.connector_id == connector_id
    )
    seen = db.session.scalar(wanted)
    db.session.rollback()
    return seen is not None and now - seen < _WRITTEN_EVERY and not poll.error


def has_work(connector_id: int, now: datetime) -> bool:
    """Tell whether a call waits for an agent, without locking anything."""
    with db.engine.connect() as connection:
        return connection.scalar(_open_calls(connector_id, now).limit(1)) is not None


def take(connector_id: int, poll: Poll, now: datetime) -> list[Work]:
    """Give the oldest calls to this agent, as many as it has room for."""
    works: list[Work] = []
    with write() as session:
        wanted = _open_calls(connector_id, now).limit(min(max(poll.free, 0), _MOST_CALLS))
        for call_id in session.scalars(wanted).all():
            works.append(_hand_over(session, session.get_one(RelayCall, call_id), poll.agent, now))
    return works


def store(connector_id: int, call_id: str, ticket: str, number: int, data: bytes, *, last: bool,
          now: datetime) -> None:  # fmt: skip
    """Keep a part of an answer; with the last one it is complete. Raises RefusedAgent.

    An answer is taken once, and only from the agent that has the call.
    """
    if not 0 <= number < MOST_PARTS:
        raise RefusedAgent(413, "The answer is larger than the dashboard takes.")
    with write() as session:
        is_taken_by_it = (
            RelayCall.id == call_id, RelayCall.connector_id == connector_id,
            RelayCall.ticket_hash == key_hash(ticket), RelayCall.answered_at.is_(None),
            RelayCall.expires_at > now,
        )  # fmt: skip
        values = {"leased_until": now + _LEASE, **({"answered_at": now} if last else {})}
        if not changed(session, update(RelayCall).where(*is_taken_by_it).values(values)):
            raise RefusedAgent(409, "Nobody waits for this answer any more, or another agent has the call.")
        session.execute(delete(RelayPart).where(RelayPart.call_id == call_id, RelayPart.number >= number))
        sealed = vault().seal_bytes(data, bound_to(call_id, number))
        session.add(RelayPart(call_id=call_id, number=number, sealed=sealed))


def _open_calls(connector_id: int, now: datetime) -> Select[str]:
    """Select the calls that nobody has, and those whose agent has fallen silent and that may be repeated."""
    abandoned = and_(RelayCall.leased_until < now, RelayCall.repeatable)
    return (
        select(RelayCall.id)
        .where(
            RelayCall.connector_id == connector_id,
            RelayCall.answered_at.is_(None),
            RelayCall.expires_at > now,
            or_(RelayCall.ticket_hash.is_(None), abandoned),
        )
        .order_by(RelayCall.created_at)
    )


def _hand_over(session: Session, call: RelayCall, agent: str, now: datetime) -> Work:
    ticket = secrets.token_urlsafe(24)
    call.ticket_hash, call.agent, call.leased_until = key_hash(ticket), agent, now + _LEASE
    session.execute(delete(RelayPart).where(RelayPart.call_id == call.id))
    return Work(
        id=call.id,
        ticket=ticket,
        kind=call.kind,
        seconds=(call.expires_at - now).total_seconds(),
        body=vault().open_bytes(call.sealed, bound_to(call.id)),
    )


def _describe(agent: ConnectorAgent, poll: Poll, now: datetime) -> None:
    agent.host, agent.version = clean(poll.host, 255), clean(poll.version, 32)
    agent.seen_at, agent.running = now, len(poll.running)
    agent.allowed = clean(", ".join(poll.allowed), 4096)
    if poll.error:
        agent.error, agent.error_at = clean(poll.error, 512), now
