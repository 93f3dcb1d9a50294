"""A call from this dashboard through a Connector: posted for its agents, waited for, read, forgotten."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from harmony import clock
from harmony.connector.wire import Reply, decode
from harmony.db import bulk, db, write
from harmony.relay.connectors import SILENT_AFTER
from harmony.relay.errors import ConnectorRevoked, ConnectorUnavailable, failure
from harmony.relay.watch import AnswerState, AnswerWatch
from harmony.security.vault import Vault, VaultLocked
from harmony.uem.errors import Closed, MalformedAnswer, TimedOut, Unreachable
from harmony.uem.http.deadline import Deadline

log = logging.getLogger(__name__)
_T = TypeVar("_T")

_SELECT_CONNECTOR_BY_NAME = """
    SELECT id, (SELECT max(seen_at) FROM connector_agent WHERE connector_id = connector.id)
    FROM connector WHERE name = ? AND revoked_at IS NULL
"""

_INSERT_CALL = """
    INSERT INTO relay_call (id, connector_id, kind, sealed, repeatable, created_at, expires_at)
    VALUES (?, ?, ?, ?, ?, ?, ?)
"""

_DELETE_CALL = "DELETE FROM relay_call WHERE id = ?"

_DELETE_EXPIRED_CALLS = "DELETE FROM relay_call WHERE expires_at < ?"

_SELECT_CALL_STATES = """
    SELECT id, ticket_hash IS NOT NULL, answered_at IS NOT NULL FROM relay_call WHERE {ids}
"""

_SELECT_PARTS = "SELECT number, sealed FROM relay_part WHERE call_id = ? ORDER BY number"


class Relay:
    """The way through one Connector. Safe to use from any thread; each call is a row of its own."""

    def __init__(self, app: Flask, vault: Vault, name: str) -> None:
        self._app, self._vault, self._name = app, vault, name
        self._watch = AnswerWatch(db.engine, self._states)
        # Calls whose answers were read: deleted with the next call, so that reading costs no commit.
        self._read: list[str] = []
        self._lock = threading.Lock()

    def ask(self, kind: str, body: bytes, deadline: Deadline, *, repeatable: bool) -> Reply:
        """Return the reply of an agent. Raises UemError, and what the agent reports as one.

        A call that is not `repeatable` is given to one agent only, even when that one dies.
        """
        call_id = secrets.token_hex(16)
        sealed = self._vault.seal_bytes(body, bound_to(call_id))
        call = (call_id, kind, sealed, repeatable)
        self._watch.add(call_id)
        try:
            self._forgetting(lambda session: self._post(session, call, deadline))
            reply = self._answer(call_id, deadline)
        finally:
            self._watch.remove(call_id)
        if reply.failure is not None:
            raise failure(self._name, reply.failure)
        return reply

    def close(self) -> None:
        """Forget every call that was made, and those of processes that died while they waited.

        Their answers are known by now: a database that does not take it makes no failure of what was done.
        What stays expires, and is deleted by the next that closes or by the hourly sweep.
        """
        try:
            if self._read:
                self._forgetting(_forget_expired)
        except Unreachable as error:
            log.warning("Calls through Connector %s stay until they expire: %s", self._name, error.sentence)

    def _forgetting(self, change: Callable[[Session], None]) -> None:
        """Make a change and delete the calls whose answers were read; if it fails, they wait for the next."""
        done = list(self._read)

        def both(session: Session) -> None:
            bulk.execute_many(session, _DELETE_CALL, [(call_id,) for call_id in done])
            change(session)

        self._writing(both)
        with self._lock:
            self._read = [call_id for call_id in self._read if call_id not in done]

    def _post(self, session: Session, call: tuple[str, str, bytes, bool], deadline: Deadline) -> None:
        now = clock.now()
        times = (bulk.encode_time(now), bulk.encode_time(now + timedelta(seconds=deadline.left())))
        call_id, *what = call
        bulk.execute(session, _INSERT_CALL, (call_id, self._connected(session, now), *what, *times))

    def _connected(self, session: Session, now: datetime) -> int:
        """Return the id of the Connector, which has an agent that was seen lately. Raises UemError."""
        found = bulk.fetch_all(session, _SELECT_CONNECTOR_BY_NAME, (self._name,))
        if not found:
            raise ConnectorRevoked(f"Connector {self._name} was revoked, so nothing is called through it.")
        [(connector_id, last)] = found
        seen = bulk.decode_time(last)
        if seen is None:
            raise ConnectorUnavailable(f"No agent of Connector {self._name} has connected yet.")
        if now - seen >= SILENT_AFTER:
            raise ConnectorUnavailable(f"Connector {self._name} is silent since {seen:%Y-%m-%d %H:%M} UTC.")
        return int(connector_id)

    def _answer(self, call_id: str, deadline: Deadline) -> Reply:
        """Return the reply to a call that was posted, which is deleted with the next one."""
        try:
            self._watch.posted(call_id)
            self._wait(call_id, deadline)
            return self._reply(call_id)
        finally:
            with self._lock:
                self._read.append(call_id)

    def _wait(self, call_id: str, deadline: Deadline) -> None:
        while not (state := self._watch.state(call_id)).is_answered:
            if deadline.was_cut:
                raise Closed("The connection to the UEM was closed.")
            if not state.is_there:
                raise ConnectorRevoked(f"Connector {self._name} was revoked while a call waited for it.")
            if deadline.left() <= 0:
                raise self._late(state, deadline)
            self._watch.wait(call_id, deadline.left())

    def _late(self, state: AnswerState, deadline: Deadline) -> TimedOut:
        within = f"within {deadline.seconds:.0f} seconds"
        if not state.is_taken:
            return TimedOut(
                f"No agent of Connector {self._name} took the call {within}.",
                "Look at Settings > Connectors: is an agent running, and is it busy?",
            )
        return TimedOut(f"Connector {self._name} took the call, and no answer came back {within}.")

    def _states(self, ids: list[str]) -> dict[str, AnswerState]:
        """Return the states of these calls."""
        with self._reading():
            sql, row = _SELECT_CALL_STATES.format(ids=bulk.in_list("id")), (bulk.list_param(ids),)
            rows = bulk.fetch_apart(sql, row)
        return {call_id: AnswerState(True, bool(taken), bool(answered)) for call_id, taken, answered in rows}

    def _reply(self, call_id: str) -> Reply:
        with self._reading():
            rows = bulk.fetch_apart(_SELECT_PARTS, (call_id,))
        try:
            raw = (self._vault.open_bytes(sealed, bound_to(call_id, number)) for number, sealed in rows)
            return decode(b"".join(raw), Reply)
        except (msgspec.MsgspecError, VaultLocked):
            raise MalformedAnswer(f"The answer of Connector {self._name} is not readable.") from None

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            with self._app.app_context():
                yield
        except SQLAlchemyError:
            raise _unusable() from None

    def _writing(self, change: Callable[[Session], _T]) -> _T:
        try:
            with self._app.app_context(), write() as session:
                return change(session)
        except SQLAlchemyError:
            raise _unusable() from None


def _forget_expired(session: Session) -> None:
    bulk.execute(session, _DELETE_EXPIRED_CALLS, (bulk.encode_time(clock.now()),))


def bound_to(call_id: str, part: int | None = None) -> str:
    """Return what the sealed call, or a part of its answer, is bound to."""
    return f"relay:{call_id}" if part is None else f"relay:{call_id}:{part}"


def _unusable() -> Unreachable:
    return Unreachable(
        "The call could not be handed to the Connector: the dashboard's database did not take it.",
        "It is tried again by itself. If it stays, look at the disk and the log of the dashboard.",
    )
