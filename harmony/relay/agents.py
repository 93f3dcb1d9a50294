"""The dashboard's answers to an agent: calls to make, and the parts of answers taken back."""

from __future__ import annotations

import logging
import re
import secrets
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from harmony.connector.wire import LEASE_SECONDS, MOST_PARTS, Poll, Reply, WireFailure, Work, encode
from harmony.db import bulk, write
from harmony.models import ConnectorAgent, RelayCall
from harmony.relay.calls import bound_to
from harmony.relay.connectors import key_hash
from harmony.security.vault import VaultLocked, vault
from harmony.uem.text import clean

log = logging.getLogger(__name__)

_UNOPENED = WireFailure(
    code="uem-error",
    sentence="The dashboard could not open the call: its keys were changed meanwhile.",
    advice="Give every process of Harmony the same HARMONY_VAULT_KEYS, and restart it.",
)
_LEASE = timedelta(seconds=LEASE_SECONDS)
_MOST_CALLS = 32
_HAND_OVER_SECONDS = 1.0
_CODE = re.compile(r"[0-9A-Za-z]{1,32}")
# Whoever has a key could make up agents without end; those seen last are kept.
_MOST_AGENTS = 100
# Often enough to keep every lease, which is three times as long.
_WRITTEN_EVERY = _LEASE / 3

_SELECT_CONNECTOR_BY_KEY = """
    SELECT id FROM connector
    WHERE (key_hash = ? OR (former_hash = ? AND former_until > ?)) AND revoked_at IS NULL
"""

_SELECT_AGENT_SEEN = "SELECT seen_at FROM connector_agent WHERE code = ? AND connector_id = ?"

_DELETE_OTHER_AGENTS = """
    DELETE FROM connector_agent
    WHERE connector_id = ? AND code NOT IN (
        SELECT code FROM connector_agent WHERE connector_id = ? ORDER BY seen_at DESC LIMIT ?)
"""

# Calls that nobody has, and those whose agent has fallen silent and that may be repeated.
_SELECT_OPEN_CALL = """
    SELECT id FROM relay_call
    WHERE connector_id = ? AND answered_at IS NULL AND expires_at > ?
      AND (ticket_hash IS NULL OR (leased_until < ? AND repeatable))
    LIMIT 1
"""

_UPDATE_CALLS_TAKEN = """
    UPDATE relay_call SET ticket_hash = ?, agent = ?, leased_until = ?
    WHERE id IN (
        SELECT id FROM relay_call
        WHERE connector_id = ? AND answered_at IS NULL AND expires_at > ?
          AND (ticket_hash IS NULL OR (leased_until < ? AND repeatable))
        ORDER BY created_at LIMIT ?)
    RETURNING id, kind, sealed, expires_at
"""

# Taken once, and only from the agent that has the call.
_UPDATE_CALL_ANSWERED = """
    UPDATE relay_call SET leased_until = ?, answered_at = ?
    WHERE id = ? AND connector_id = ? AND ticket_hash = ? AND answered_at IS NULL AND expires_at > ?
"""

_DELETE_LATER_PARTS = "DELETE FROM relay_part WHERE call_id = ? AND number >= ?"

_INSERT_PART = "INSERT INTO relay_part (call_id, number, sealed) VALUES (?, ?, ?)"


class RefusedAgent(Exception):
    """The agent is answered with this status: 401 for a wrong key, 409 for an answer nobody waits for."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


def authenticate(key: str, now: datetime) -> int:
    """Return the id of the Connector with this key; the former one counts during its overlap.

    Raises RefusedAgent.
    """
    digest = key_hash(key)
    found = bulk.fetch_apart(_SELECT_CONNECTOR_BY_KEY, (digest, digest, bulk.encode_time(now)))
    if not found:
        raise RefusedAgent(401, "The key of this Connector is not known here, or was revoked.")
    return int(found[0][0])


def arrive(connector_id: int, poll: Poll, now: datetime) -> None:
    """Record who asks, and keep what it is at work on with it. Raises RefusedAgent for another's name.

    What was written a moment ago is not written again: an agent at work asks after every call.
    """
    if not poll.agent or _is_known(connector_id, poll, now):
        return
    if not _CODE.fullmatch(poll.agent):
        raise RefusedAgent(400, "An agent of this version has another kind of name.")
    with write() as session:
        _describe(_agent(session, connector_id, poll.agent, now), poll, now)
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


def _agent(session: Session, connector_id: int, code: str, now: datetime) -> ConnectorAgent:
    """Return the row of an agent, a new one at its first time. Raises RefusedAgent for another's name."""
    agent = session.get(ConnectorAgent, code)
    if agent is None:
        agent = ConnectorAgent(code=code, connector_id=connector_id, started_at=now)
        session.add(agent)
        bulk.execute(session, _DELETE_OTHER_AGENTS, (connector_id, connector_id, _MOST_AGENTS - 1))
    elif agent.connector_id != connector_id:
        raise RefusedAgent(409, "An agent of another Connector has this name. Start the agent again.")
    return agent


def _is_known(connector_id: int, poll: Poll, now: datetime) -> bool:
    """Tell whether this agent was seen a moment ago and has nothing new to say."""
    found = bulk.fetch_apart(_SELECT_AGENT_SEEN, (poll.agent, connector_id))
    seen = bulk.decode_time(found[0][0]) if found else None
    return seen is not None and now - seen < _WRITTEN_EVERY and not poll.error


def has_work(connector_id: int, now: datetime) -> bool:
    """Tell whether a call waits for an agent, without locking anything."""
    at = bulk.encode_time(now)
    return bool(bulk.fetch_apart(_SELECT_OPEN_CALL, (connector_id, at, at)))


def take(connector_id: int, poll: Poll, now: datetime) -> list[Work]:
    """Give the oldest calls to this agent, as many as it has room for, under one ticket.

    A call that cannot be opened is answered at once, so that it holds none of the others up.
    """
    ticket, at = secrets.token_urlsafe(24), bulk.encode_time(now)
    values = (key_hash(ticket), poll.agent, bulk.encode_time(now + _LEASE))
    room = min(max(poll.free, 0), _MOST_CALLS)
    with write() as session:
        taken = bulk.fetch_all(session, _UPDATE_CALLS_TAKEN, (*values, connector_id, at, at, room))
    return [work for row in taken if (work := _work(connector_id, row, ticket, now)) is not None]


def store(connector_id: int, call_id: str, ticket: str, number: int, data: bytes, *, last: bool,
          now: datetime) -> None:  # fmt: skip
    """Keep a part of an answer; with the last one it is complete. Raises RefusedAgent.

    An answer is taken once, and only from the agent that has the call.
    """
    if not 0 <= number < MOST_PARTS:
        raise RefusedAgent(413, "The answer is larger than the dashboard takes.")
    sealed, at = vault().seal_bytes(data, bound_to(call_id, number)), bulk.encode_time(now)
    values = (bulk.encode_time(now + _LEASE), at if last else None)
    with write() as session:
        if not bulk.execute(
            session, _UPDATE_CALL_ANSWERED, (*values, call_id, connector_id, key_hash(ticket), at)
        ):
            raise RefusedAgent(409, "Nobody waits for this answer any more, or another agent has the call.")
        bulk.execute(session, _DELETE_LATER_PARTS, (call_id, number))
        bulk.execute(session, _INSERT_PART, (call_id, number, sealed))


def _work(connector_id: int, row: bulk.Row, ticket: str, now: datetime) -> Work | None:
    call_id, kind, sealed, expires_at = row
    until = bulk.decode_time(expires_at)
    try:
        body = vault().open_bytes(bytes(sealed), bound_to(call_id))
    except VaultLocked:
        log.error("A call through a Connector cannot be opened with the keys of this dashboard.")
        store(connector_id, call_id, ticket, 0, encode(Reply(failure=_UNOPENED)), last=True, now=now)
        return None
    return Work(
        id=call_id,
        ticket=ticket,
        kind=kind,
        seconds=_for_the_call((until - now).total_seconds() if until else 0.0),
        body=body,
    )


def _for_the_call(left: float) -> float:
    """Return the seconds for the call itself, so that what an agent says of a slow server still arrives."""
    return max(left - _HAND_OVER_SECONDS, left * 0.8)


def _describe(agent: ConnectorAgent, poll: Poll, now: datetime) -> None:
    agent.host, agent.version = clean(poll.host, 255), clean(poll.version, 32)
    agent.seen_at, agent.running = now, len(poll.running)
    agent.allowed = clean(", ".join(poll.allowed), 4096)
    if poll.error:
        agent.error, agent.error_at = clean(poll.error, 512), now
