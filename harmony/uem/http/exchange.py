"""The way a single call leaves: over a socket of this process, or another way with the same promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import requests
import urllib3

from harmony.uem.http.deadline import Deadline
from harmony.uem.http.error_mapping import CallTarget, call_error
from harmony.uem.http.request import Request
from harmony.uem.http.response import Answer, read_answer, read_packed
from harmony.uem.http.session import make_session
from harmony.uem.http.sockets import CONNECT_SECONDS

_USER_AGENT = "Harmony"


class Exchange(Protocol):
    """Sends calls to one server, one attempt each. Safe to use from several threads."""

    def send(self, request: Request, deadline: Deadline) -> Answer:
        """Return the answer to `request`, whatever its status. Raises UemError."""

    def close(self) -> None:
        """Forget the connections."""


@dataclass(frozen=True, slots=True)
class ExchangeOptions:
    """The number of calls made at once, and the clock that certificates are judged by."""

    pool_size: int
    now: Callable[[], datetime] = field(repr=False)


Route = Callable[[CallTarget, ExchangeOptions], Exchange]


class DirectExchange:
    """Calls from this process to the server itself."""

    def __init__(self, target: CallTarget, options: ExchangeOptions) -> None:
        self.target, self._now = target, options.now
        self._session = make_session(target.policy, target.ca_pem, options.pool_size)

    def send(self, request: Request, deadline: Deadline) -> Answer:
        """See `Exchange`. The connection is cut when the deadline passes."""
        trouble: Exception | None = None
        try:
            with deadline:
                answer = self._answer(request, deadline)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            trouble = error
        if trouble is not None or deadline.expired:
            raise call_error(trouble, deadline, self.target, self._now())
        return answer

    def close(self) -> None:
        """See `Exchange`."""
        self._session.close()

    def _answer(self, request: Request, deadline: Deadline) -> Answer:
        prepared = requests.Request(
            request.method,
            self.target.address.url + request.path,
            params=dict(request.params),
            data=dict(request.form) if request.form is not None else request.json,
            headers={"User-Agent": _USER_AGENT, "Accept-Encoding": "gzip", **request.headers},
        ).prepare()
        response = self._session.send(
            prepared,
            verify=self._session.verify,
            allow_redirects=False,
            stream=True,
            proxies={},
            timeout=(CONNECT_SECONDS, deadline.seconds),
        )
        try:
            return (read_packed if request.packed else read_answer)(response, request.largest)
        finally:
            response.close()
