"""The two ways to sign in: an OAuth2 token that is renewed in time, or a user name with an API key."""

from __future__ import annotations

import base64
import threading
from datetime import timedelta
from typing import Protocol

from harmony.uem.connection import Basic, Connection, OAuth2
from harmony.uem.errors import SignInRefused, UemError
from harmony.uem.http.client import CallLimits, TimeSource, Transport
from harmony.uem.http.shared_state import SharedState, Token, TokenKey
from harmony.uem.trust.address import Address, parse_address
from harmony.uem.workspace_one.errors import BASIC_ADVICE, OAUTH_ADVICE
from harmony.uem.workspace_one.tokens import TokenService

_RENEW_AT = 0.8
# How long to wait for the token that another process is fetching: as long as its right to fetch lasts.
LOOK_SECONDS, MOST_LOOKS = 0.25, 80


class _SignIn(Protocol):
    """Headers for a call, and what to do when they are refused. Safe to use from several threads.

    `origin` is the one server that they may be sent to; `fetched` tells of a token that is new.
    """

    advice: str
    origin: str
    fetched: bool

    def headers(self) -> dict[str, str]:
        """Return the headers that identify us; may call the token address. Raises UemError."""

    def renew(self, refused: dict[str, str]) -> bool:
        """Tell whether a call refused with 401 should be made once more, with fresh headers."""

    def give_up(self, error: SignInRefused) -> None:
        """Remember the refusal: every later `headers()` raises it without asking anybody."""

    def close(self) -> None:
        """End a token call that is under way."""


class _BasicSignIn:
    """User name, password and tenant code. A 401 is final: asking again would lock the account."""

    advice = BASIC_ADVICE
    fetched = False

    def __init__(self, credentials: Basic, origin: str) -> None:
        self.origin = origin
        pair = f"{credentials.username}:{credentials.password}".encode()
        self._headers = {
            "Authorization": "Basic " + base64.b64encode(pair).decode(),
            "aw-tenant-code": credentials.api_key.strip(),
        }
        self._refusal: SignInRefused | None = None

    def headers(self) -> dict[str, str]:
        """Raises the earlier refusal, if there was one."""
        if self._refusal is not None:
            raise _again(self._refusal)
        return self._headers

    def renew(self, refused: dict[str, str]) -> bool:
        """Never."""
        return False

    def give_up(self, error: SignInRefused) -> None:
        """No call leaves with these credentials any more."""
        self._refusal = error

    def close(self) -> None:
        """Nothing to end."""


class _TokenSignIn:
    """Client credentials; one thread of one process fetches the token while all others wait for it."""

    advice = OAUTH_ADVICE

    def __init__(
        self, credentials: OAuth2, origin: str, transport: Transport, times: TimeSource, shared: SharedState
    ) -> None:
        """`origin`: the server that the token is for, the only one that it is ever sent to."""
        self.origin = origin
        self._key = TokenKey(origin, credentials.token_url, credentials.client_id, credentials.client_secret)
        self._service = TokenService(transport, credentials)
        self._transport = transport
        self._times = times
        self._shared = shared
        self._token = ""
        self._renew_at = 0.0
        self.fetched = False
        self._refusal: SignInRefused | None = None
        self._lock = threading.Lock()

    def headers(self) -> dict[str, str]:
        """Return a token with at least a fifth of its life left; raises UemError."""
        with self._lock:
            if self._refusal is not None:
                raise _again(self._refusal)
            if not self._token or self._times.monotonic() >= self._renew_at:
                self._obtain()
            return {"Authorization": f"Bearer {self._token}"}

    def renew(self, refused: dict[str, str]) -> bool:
        """Drop the token that was refused, everywhere, unless there already is a newer one."""
        with self._lock:
            if refused.get("Authorization") == f"Bearer {self._token}":
                self._shared.drop_token(self._key, self._token)
                self._token = ""
        return True

    def give_up(self, error: SignInRefused) -> None:
        """No token is asked for any more."""
        self._refusal = error

    def close(self) -> None:
        """End a token call that is under way."""
        self._transport.close()

    def _obtain(self) -> None:
        """Take the token that another process fetched, or fetch one while no other does."""
        for _look in range(MOST_LOOKS):
            now = self._times.now()
            token = self._shared.token(self._key)
            if token is not None and token.usable(now):
                self._token = token.text
                self._renew_at = self._times.monotonic() + (token.renew_at - now).total_seconds()
                return
            if self._shared.begin_fetch(self._key, now):
                break
            self._transport.sleep(LOOK_SECONDS)
        self._fetch()

    def _fetch(self) -> None:
        began, now, token = self._times.monotonic(), self._times.now(), None
        try:
            text, life = self._service.fetch(
                self._shared.by_header(self._key),
                lambda by_header: self._shared.keep_by_header(self._key, by_header),
            )
            self._token, self._renew_at = text, began + _RENEW_AT * life
            self.fetched = True
            token = Token(text, now, now + timedelta(seconds=_RENEW_AT * life))
        except SignInRefused as refusal:
            self._refusal = refusal
            raise
        finally:
            self._shared.keep_token(self._key, token)


def make_sign_in(
    connection: Connection, server: Address, limits: CallLimits | None, times: TimeSource
) -> _SignIn:
    """Return the way to sign in that the connection names; the token address has a transport of its own."""
    credentials, shared = connection.sign_in, connection.shared
    if isinstance(credentials, Basic):
        return _BasicSignIn(credentials, server.origin)
    address = parse_address(credentials.token_url, connection.policy)
    # The uploaded certificate speaks for one server; the token service in the cloud has a public one.
    ca_pem = connection.ca_pem if address.host == server.host else None
    transport = Transport(
        address, connection.policy, ca_pem, limits, times, shared=shared, route=connection.route
    )
    return _TokenSignIn(credentials, server.origin, transport, times, shared)


def _again(refusal: SignInRefused) -> UemError:
    """Return a fresh copy: one exception object raised in several threads would mix their tracebacks."""
    return type(refusal)(refusal.sentence, refusal.advice)
