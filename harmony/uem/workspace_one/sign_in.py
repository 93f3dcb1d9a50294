"""The two ways to sign in: an OAuth2 token that is renewed in time, or a user name with an API key."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from typing import Protocol

from harmony.uem.answers import Answer, refuse_non_data
from harmony.uem.connection import Basic, OAuth2
from harmony.uem.errors import MalformedAnswer, NotFound, SignInRefused, UemError
from harmony.uem.http import Request, Transport
from harmony.uem.workspace_one.refusals import BASIC_ADVICE, OAUTH_ADVICE
from harmony.uem.workspace_one.wire import loose_object

RENEW_AT = 0.8
USUAL_LIFE = 300.0
LONGEST_LIFE = 3600.0
_LONGEST_TOKEN = 16 * 1024


class SignIn(Protocol):
    """Headers for a call, and what to do when they are refused. Safe to use from several threads."""

    advice: str

    def headers(self) -> dict[str, str]:
        """The headers that identify us; may call the token address. Raises UemError."""

    def renew(self, refused: dict[str, str]) -> bool:
        """Whether a call refused with 401 should be made once more, with fresh headers."""

    def give_up(self, error: SignInRefused) -> None:
        """Remember the refusal: every later `headers()` raises it without asking anybody."""

    def close(self) -> None:
        """End a token call that is under way."""


class BasicSignIn:
    """User name, password and tenant code. A 401 is final: asking again would lock the account."""

    advice = BASIC_ADVICE

    def __init__(self, credentials: Basic) -> None:
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


class TokenSignIn:
    """Client credentials; one thread fetches the token while the others wait for it."""

    advice = OAUTH_ADVICE

    def __init__(self, credentials: OAuth2, transport: Transport, now: Callable[[], float]) -> None:
        self._credentials = credentials
        self._transport = transport
        self._now = now
        self._token = ""
        self._renew_at = 0.0
        self._refusal: SignInRefused | None = None
        self._lock = threading.Lock()

    def headers(self) -> dict[str, str]:
        """A token with at least a fifth of its life left; raises UemError."""
        with self._lock:
            if self._refusal is not None:
                raise _again(self._refusal)
            if not self._token or self._now() >= self._renew_at:
                self._fetch()
            return {"Authorization": f"Bearer {self._token}"}

    def renew(self, refused: dict[str, str]) -> bool:
        """Drop the token that was refused, unless another thread already has a newer one."""
        with self._lock:
            if refused.get("Authorization") == f"Bearer {self._token}":
                self._token = ""
        return True

    def give_up(self, error: SignInRefused) -> None:
        """No token is asked for any more."""
        self._refusal = error

    def close(self) -> None:
        """End a token call that is under way."""
        self._transport.close()

    def _fetch(self) -> None:
        request = Request(
            "POST",
            "",
            headers={"Accept": "application/json"},
            form={
                "grant_type": "client_credentials",
                "client_id": self._credentials.client_id,
                "client_secret": self._credentials.client_secret,
            },
        )
        began = self._now()
        try:
            self._token, life = self._transport.fetch(request, read_token)
        except SignInRefused as refusal:
            self._refusal = refusal
            raise
        self._renew_at = began + RENEW_AT * life


def read_token(answer: Answer) -> tuple[str, float]:
    """The token and its life in seconds: 5 minutes when not told, an hour at most, 0 for a single use."""
    if answer.status == 404:
        raise NotFound(
            "There is no token service at the token address (status 404).",
            "Choose the region of your tenant; the address ends in /connect/token without a slash.",
        )
    refuse_non_data(answer)
    if answer.status >= 400:
        raise SignInRefused(f"The token service refuses the client (status {answer.status}).", OAUTH_ADVICE)
    row = loose_object(answer.body)
    token = row.get("access_token")
    if not isinstance(token, str) or not _is_sendable(token):
        raise MalformedAnswer("The token service answered without a usable token.")
    return token, _life(row.get("expires_in"))


def _is_sendable(token: str) -> bool:
    return 0 < len(token) <= _LONGEST_TOKEN and all("!" <= character <= "~" for character in token)


def _life(value: object) -> float:
    try:
        seconds = float(value) if isinstance(value, int | float | str) else USUAL_LIFE
    except (ValueError, OverflowError):
        return USUAL_LIFE
    return min(seconds, LONGEST_LIFE) if seconds >= 0 else USUAL_LIFE


def _again(refusal: SignInRefused) -> UemError:
    """A fresh copy: one exception object raised in several threads would mix their tracebacks."""
    return type(refusal)(refusal.sentence, refusal.advice)
