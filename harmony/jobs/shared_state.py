"""The rows in which web and worker processes share what a server said; see `uem/http/shared_state.py`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from flask import Flask, current_app
from sqlalchemy import Row, delete, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from harmony.db import db, table_of, upsert, write
from harmony.models import AccessToken, WaitRow
from harmony.security.vault import Vault, VaultLocked, vault
from harmony.uem.http.server_wait import SKEW, ServerWait
from harmony.uem.http.shared_state import Token, TokenKey

log = logging.getLogger(__name__)

_T = TypeVar("_T")

# A worker that dies while it fetches a token keeps the others waiting no longer than this.
FETCH_LEASE = timedelta(seconds=20)
FORGOTTEN_AFTER = timedelta(days=30)
WAITS, TOKENS = table_of(WaitRow), table_of(AccessToken)


class DatabaseSharedState:
    """Reads and writes the rows from any thread, in transactions of their own."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._engine = db.engine
        self._vault: Vault = vault()

    def wait(self, origin: str) -> ServerWait | None:
        """Return the wait that was last asked for."""
        row = self._row(select(WaitRow.since, WaitRow.until, WaitRow.quota).where(WaitRow.origin == origin))
        return None if row is None else ServerWait(origin, row.since, row.until, row.quota)

    def keep_wait(self, wait: ServerWait) -> None:
        """Let every process know of a wait."""
        row = {"origin": wait.origin, "since": wait.since, "until": wait.until, "quota": wait.quota}
        self._write(lambda _session: upsert(WAITS, [row], ["origin"], ["since", "until", "quota"]), None)

    def end_wait(self, origin: str) -> None:
        """Let every process know that the server takes calls again."""
        self._write(lambda session: session.execute(delete(WaitRow).where(WaitRow.origin == origin)), None)

    def token(self, key: TokenKey) -> Token | None:
        """Return the token of this client; None when the present key does not open it."""
        client = client_of(self._vault, key)
        columns = (AccessToken.sealed, AccessToken.fetched_at, AccessToken.renew_at)
        row = self._row(select(*columns).where(AccessToken.client == client))
        if row is None or row.sealed is None:
            return None
        try:
            return Token(self._vault.open(row.sealed, client, key.origin), row.fetched_at, row.renew_at)
        except VaultLocked:
            return None

    def begin_fetch(self, key: TokenKey, now: datetime) -> bool:
        """Take the right to fetch a token, for a short while.

        False while another process has it, and when there is a token by now.
        """
        client = client_of(self._vault, key)

        def take(session: Session) -> bool:
            row = session.get(AccessToken, client) or AccessToken(client=client)
            # Somebody may have fetched one since we looked.
            if _is_fetching(row, now) or _has_token(row, now):
                return False
            row.fetching_until, row.used_at = now + FETCH_LEASE, now
            session.add(row)
            return True

        return self._write(take, True)

    def keep_token(self, key: TokenKey, token: Token | None) -> None:
        """Store a token, None when there was none to be had, and give the right to fetch back."""
        values: dict[str, Any] = {"fetching_until": None}
        client = client_of(self._vault, key)
        if token is not None:
            values |= {
                "sealed": self._vault.seal(token.text, client, key.origin),
                "token": self._vault.fingerprint(token.text),
                "fetched_at": token.fetched_at,
                "renew_at": token.renew_at,
            }
        self._change(client, values)

    def drop_token(self, key: TokenKey, text: str) -> None:
        """Forget this token; a newer one stays."""
        self._change(
            client_of(self._vault, key), {"sealed": None}, AccessToken.token == self._vault.fingerprint(text)
        )

    def by_header(self, key: TokenKey) -> bool | None:
        """Tell if the token service took the client as a Basic header; None when that is not known."""
        row = self._row(
            select(AccessToken.by_header).where(AccessToken.client == client_of(self._vault, key))
        )
        return None if row is None else row.by_header

    def keep_by_header(self, key: TokenKey, by_header: bool) -> None:
        """Remember how the token service took the client."""
        self._change(client_of(self._vault, key), {"by_header": by_header})

    def _change(self, client: str, values: dict[str, Any], *conditions: Any) -> None:
        change = update(AccessToken).where(AccessToken.client == client, *conditions).values(values)
        self._write(lambda session: session.execute(change), None)

    def _row(self, statement: Any) -> Row[Any] | None:
        try:
            with self._engine.connect() as connection:
                return connection.execute(statement).first()
        except SQLAlchemyError:  # a busy database must not cost a call to the UEM
            log.warning("What other processes know of the UEM could not be read.")
            return None

    def _write(self, change: Callable[[Session], Any], otherwise: _T) -> _T:
        try:
            with self._app.app_context(), write() as session:
                found: _T = change(session)
                return found
        except SQLAlchemyError:  # a full disk, say; the run itself will tell of it
            log.warning("What the UEM said could not be stored for other processes.")
            return otherwise


def _is_fetching(row: AccessToken, now: datetime) -> bool:
    # A right that lasts longer than it can was taken before the clock was set back.
    return row.fetching_until is not None and now < row.fetching_until <= now + FETCH_LEASE + SKEW


def _has_token(row: AccessToken, now: datetime) -> bool:
    if row.sealed is None or row.fetched_at is None or row.renew_at is None:
        return False
    return Token("", row.fetched_at, row.renew_at).usable(now)


def shared_state() -> DatabaseSharedState:
    """Return the rows of the running application."""
    return DatabaseSharedState(current_app._get_current_object())  # type: ignore[attr-defined]  # outlives the proxy


def client_of(vault: Vault, key: TokenKey) -> str:
    """Name the row of a client: the same credentials for the same server, whichever integration has them."""
    return vault.fingerprint(key.origin, key.token_address, key.client_id, key.client_secret)


def forget(session: Session, key: TokenKey) -> None:
    """Delete the token of credentials that are not used any more, inside the caller's `write()`."""
    session.execute(delete(AccessToken).where(AccessToken.client == client_of(vault(), key)))


def sweep(now: datetime) -> None:
    """Delete waits that are over, and tokens of clients that were not used for a month."""
    with write() as session:
        session.execute(delete(WaitRow).where(WaitRow.until < now))
        session.execute(delete(AccessToken).where(AccessToken.used_at < now - FORGOTTEN_AFTER))
        over = or_(AccessToken.renew_at <= now, AccessToken.fetched_at > now + SKEW)
        session.execute(update(AccessToken).where(over).values(sealed=None))
