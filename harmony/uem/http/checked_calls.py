"""Single calls to gateways, and the calls of a library that knows nothing of the outbound policy."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from harmony.clock import now
from harmony.uem.errors import BlockedByPolicy, UemError
from harmony.uem.http.deadline import Deadline
from harmony.uem.http.error_mapping import CallTarget, call_error
from harmony.uem.http.response import read_answer
from harmony.uem.http.session import make_session
from harmony.uem.trust.address import Address, parse_address
from harmony.uem.trust.outbound import OutboundPolicy

CALL_SECONDS = 30.0
LARGEST_ANSWER = 1024 * 1024
# What a library may use of `requests` besides the calls below: names without any traffic.
_HARMLESS = frozenset({"RequestException", "codes", "exceptions", "auth", "ConnectionError", "Timeout"})
_OPTIONS = frozenset({"data", "json", "params", "headers", "auth", "files"})


@dataclass(frozen=True, slots=True)
class CallBounds:
    """The patience of a call, the most it may bring, and the PEM it trusts (None: the public store)."""

    seconds: float = CALL_SECONDS
    largest: int = LARGEST_ANSWER
    ca_pem: str | None = field(default=None, repr=False)


_USUAL = CallBounds()


def call_once(
    policy: OutboundPolicy, method: str, url: str, bounds: CallBounds = _USUAL, **options: Any
) -> requests.Response:
    """Make one call: no redirects, no proxies, a verified certificate, one deadline. Raises UemError."""
    target = CallTarget(web_address(url, policy), policy, bounds.ca_pem)
    session = make_session(policy, bounds.ca_pem, 1)
    with session, Deadline(bounds.seconds) as deadline:
        try:
            kept = {name: value for name, value in options.items() if name in _OPTIONS}
            with session.request(
                method, url, allow_redirects=False, timeout=bounds.seconds, stream=True, **kept
            ) as unread:
                answer = _read(unread, bounds.largest)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise call_error(error, deadline, target, now()) from None
        if deadline.expired:  # one that is cut in its headers looks like an empty success
            raise call_error(None, deadline, target, now())
        return answer


def _read(unread: requests.Response, largest: int) -> requests.Response:
    """Return the same answer with its body read, as libraries expect one. Raises TooLarge."""
    read = requests.Response()
    read.status_code, read.headers, read.encoding = unread.status_code, unread.headers, unread.encoding
    read.raw = BytesIO(read_answer(unread, largest).body)
    return read


def web_address(url: str, policy: OutboundPolicy) -> Address:
    """Return where a URL leads to, without its path. Raises BlockedByPolicy."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise BlockedByPolicy("The address cannot be read.") from None
    return parse_address(f"{parts.scheme}://{parts.netloc}", policy)


class CheckedCalls:
    """Stands in a library for `requests`: each call is one of `call_once`, and outside of `under` none."""

    def __init__(self) -> None:
        self._own = threading.local()

    def __getattr__(self, name: str) -> Any:
        if name not in _HARMLESS:
            raise AttributeError(f"{name} may not be used here")
        return getattr(requests, name)

    @contextmanager
    def under(self, policy: OutboundPolicy) -> Iterator[list[requests.Response | UemError]]:
        """Let this thread make calls under the policy; yields what came of each."""
        self._own.policy, self._own.outcomes = policy, []
        try:
            yield self._own.outcomes
        finally:
            del self._own.policy

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        """Make a call; raises an exception of `requests`, as the library expects."""
        outcomes: list[requests.Response | UemError] = self._own.outcomes
        try:
            answer = call_once(self._own.policy, method, url, **options)
        except UemError as error:
            outcomes.append(error)
            raise requests.ConnectionError(error.sentence) from None
        outcomes.append(answer)
        return answer

    def get(self, url: str, **options: Any) -> requests.Response:
        """Make a GET."""
        return self.request("GET", url, **options)

    def post(self, url: str, data: Any = None, **options: Any) -> requests.Response:
        """Make a POST."""
        return self.request("POST", url, data=data, **options)
