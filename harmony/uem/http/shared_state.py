"""State of a server that every process shares: the wait it asked for, and the token it issued."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from harmony.uem.http.server_wait import SKEW, ServerWait


@dataclass(frozen=True, slots=True)
class TokenKey:
    """The owner of a token: a client at its token service, for one server."""

    origin: str
    token_address: str
    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, to be used from `fetched_at` until `renew_at`, which lies before its end."""

    text: str = field(repr=False)
    fetched_at: datetime
    renew_at: datetime

    def usable(self, now: datetime) -> bool:
        """Tell if it may be sent; after a clock that was set back nobody knows how old it is."""
        return self.fetched_at - SKEW <= now < self.renew_at


class SharedState(Protocol):
    """A store for all processes. No method raises: what cannot be stored is known to one process only."""

    def wait(self, origin: str) -> ServerWait | None:
        """Return the wait that was last asked for."""

    def keep_wait(self, wait: ServerWait) -> None:
        """Let every process know of a wait."""

    def end_wait(self, origin: str) -> None:
        """Let every process know that the server takes calls again."""

    def token(self, key: TokenKey) -> Token | None:
        """Return the token of this client."""

    def begin_fetch(self, key: TokenKey, now: datetime) -> bool:
        """Take the right to fetch a token, for a short while.

        False while another process has it, and when there is a token by now.
        """

    def keep_token(self, key: TokenKey, token: Token | None) -> None:
        """Store a token, None when there was none to be had, and give the right to fetch back."""

    def drop_token(self, key: TokenKey, text: str) -> None:
        """Forget this token; a newer one stays."""

    def by_header(self, key: TokenKey) -> bool | None:
        """Tell if the token service took the client as a Basic header; None when that is not known."""

    def keep_by_header(self, key: TokenKey, by_header: bool) -> None:
        """Remember how the token service took the client."""


class NotShared:
    """For a client of its own: a test, or a program without a database."""

    def wait(self, origin: str) -> ServerWait | None:
        return None

    def keep_wait(self, wait: ServerWait) -> None:
        pass

    def end_wait(self, origin: str) -> None:
        pass

    def token(self, key: TokenKey) -> Token | None:
        return None

    def begin_fetch(self, key: TokenKey, now: datetime) -> bool:
        return True

    def keep_token(self, key: TokenKey, token: Token | None) -> None:
        pass

    def drop_token(self, key: TokenKey, text: str) -> None:
        pass

    def by_header(self, key: TokenKey) -> bool | None:
        return None

    def keep_by_header(self, key: TokenKey, by_header: bool) -> None:
        pass
