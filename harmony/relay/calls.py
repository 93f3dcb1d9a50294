"""A call from this dashboard through a Connector: posted for its agents, waited for, read, forgotten."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec
from flask import Flask
from sqlalchemy import Row, delete, func, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from harmony import clock
from harmony.connector.wire import Reply, decode
from harmony.db import db, write
from harmony.models import Connector, ConnectorAgent, RelayCall, RelayPart
from harmony.relay.changes import Changes
from harmony.relay.connectors import SILENT_AFTER
from harmony.relay.errors import ConnectorRevoked, ConnectorUnavailable, failure
from harmony.security.vault import Vault, VaultLocked
from harmony.uem.errors import Closed, MalformedAnswer, TimedOut, Unreachable
from harmony.uem.http.deadline import Deadline

T = TypeVar("T")
_State = Row[datetime | None, str | None]


class Relay:
    """The way through one Connector. Safe to use from any thread; each call is a row of its own."""

    def __init__(self, app: Flask, vault: Vault, name: str) -> None:
        self._app, self._vault, self._name = app, vault, name
        self._engine = db.engine
        # Calls whose answers were read: deleted with the next call, so that reading costs no commit.
        self._read: list[str] = []

    def ask(self, kind: str, body: bytes, deadline: Deadline, *, repeatable: bool) -> Reply:
        """Return the reply of an agent. Raises UemError, and what the agent reports as one.

        A call that is not `repeatable` is given to one agent only, even when that one dies.
        """
        call_id = secrets.token_hex(16)
        call = RelayCall(
            id=call_id,
            kind=kind,
            sealed=self._vault.seal_bytes(body, bound_to(call_id)),
            repeatable=repeatable,
            created_at=(at := clock.now()),
            expires_at=at + timedelta(seconds=deadline.left()),
        )
        self._writing(lambda session: self._post(session, call))
        try:
            self._wait(call_id, deadline)
            reply = self._reply(call_id)
        finally:
            self._read.append(call_id)
        if reply.failure is not None:
            raise failure(self._name, reply.failure)
        return reply

    def close(self) -> None:
        """Forget every call that was made."""
        if self._read:
            self._writing(self._forget)

    def _forget(self, session: Session) -> None:
        gone = [self._read.pop() for _ in range(len(self._read))]
        over = RelayCall.expires_at < clock.now()  # of a process that died while it waited
        session.execute(delete(RelayCall).where(or_(RelayCall.id.in_(gone), over)))

    def _post(self, session: Session, call: RelayCall) -> None:
        self._forget(session)
        call.connector_id = self._connected(session, call.created_at)
        session.add(call)

    def _connected(self, session: Session, now: datetime) -> int:
        """Return the id of the Connector, which has an agent that was seen lately. Raises UemError."""
        wanted = select(Connector).where(Connector.name == self._name, Connector.revoked_at.is_(None))
        connector = session.scalars(wanted).one_or_none()
        if connector is None:
            raise ConnectorRevoked(f"Connector {self._name} was revoked, so nothing is called through it.")
        agents = select(func.max(ConnectorAgent.seen_at)).where(ConnectorAgent.connector_id == connector.id)
        seen = session.scalar(agents)
        if seen is None:
            raise ConnectorUnavailable(f"No agent of Connector {self._name} has connected yet.")
        if now - seen >= SILENT_AFTER:
            raise ConnectorUnavailable(f"Connector {self._name} is silent since {seen:%Y-%m-%d %H:%M} UTC.")
        return connector.id

    def _wait(self, call_id: str, deadline: Deadline) -> None:
        changes = Changes(self._engine)
        while True:
            state = self._state(call_id)
            if deadline.was_cut:
                raise Closed("The connection to the UEM was closed.")
            if state is None:
                raise ConnectorRevoked(f"Connector {self._name} was revoked while a call waited for it.")
            if state.answered_at is not None:
                return
            if deadline.left() <= 0:
                raise self._late(state, deadline)
            changes.wait(deadline.left(), quick=True)

    def _late(self, state: _State, deadline: Deadline) -> TimedOut:
        within = f"within {deadline.seconds:.0f} seconds"
        if state.ticket_hash is None:
            return TimedOut(
                f"No agent of Connector {self._name} took the call {within}.",
                "Look at Settings > Connectors: is an agent running, and is it busy?",
            )
        return TimedOut(f"Connector {self._name} took the call, and no answer came back {within}.")

    def _state(self, call_id: str) -> _State | None:
        wanted = select(RelayCall.answered_at, RelayCall.ticket_hash).where(RelayCall.id == call_id)
        try:
            with self._engine.connect() as connection:
                return connection.execute(wanted).first()
        except SQLAlchemyError:
            raise _unusable() from None

    def _reply(self, call_id: str) -> Reply:
        parts = select(RelayPart.number, RelayPart.sealed).where(RelayPart.call_id == call_id)
        try:
            with self._engine.connect() as connection:
                rows = connection.execute(parts.order_by(RelayPart.number)).all()
            raw = (self._vault.open_bytes(row.sealed, bound_to(call_id, row.number)) for row in rows)
            return decode(b"".join(raw), Reply)
        except SQLAlchemyError:
            raise _unusable() from None
        except (msgspec.MsgspecError, VaultLocked):
            raise MalformedAnswer(f"The answer of Connector {self._name} is not readable.") from None

    def _writing(self, change: Callable[[Session], T]) -> T:
        try:
            with self._app.app_context(), write() as session:
                return change(session)
        except SQLAlchemyError:
            raise _unusable() from None


def bound_to(call_id: str, part: int | None = None) -> str:
    """Return what the sealed call, or a part of its answer, is bound to."""
    return f"relay:{call_id}" if part is None else f"relay:{call_id}:{part}"


def _unusable() -> Unreachable:
    return Unreachable(
        "The call could not be handed to the Connector: the dashboard's database did not take it.",
        "It is tried again by itself. If it stays, look at the disk and the log of the dashboard.",
    )
