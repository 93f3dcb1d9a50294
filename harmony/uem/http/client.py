"""One HTTP client for one server: deadlines, size caps, retries, rate limits; typed errors."""

from __future__ import annotations

import random as randomness
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from harmony import clock
from harmony.uem.errors import BlockedByPolicy, Closed, RateLimited, UemError
from harmony.uem.http import rate_limit, retry
from harmony.uem.http.deadline import Deadline
from harmony.uem.http.error_mapping import CallTarget
from harmony.uem.http.exchange import DirectExchange, ExchangeOptions, Route
from harmony.uem.http.rate_limit import ServerWaits
from harmony.uem.http.request import Request
from harmony.uem.http.response import Answer
from harmony.uem.http.shared_state import NotShared, SharedState
from harmony.uem.records import Quota
from harmony.uem.trust.address import Address
from harmony.uem.trust.outbound import OutboundPolicy

_T = TypeVar("_T")

_RETYPE = "Enter them again on Server Details."


@dataclass(frozen=True, slots=True)
class CallLimits:
    """The patience of a transport: seconds for one attempt and of work for all attempts together.

    A wait that the server asks for is sat out up to `longest_wait` seconds; a longer one ends the call.
    """

    request_seconds: float = 30.0
    total_seconds: float = 60.0
    attempts: int = retry.ATTEMPTS
    calls_per_minute: int = 1000
    pool_size: int = 16
    longest_wait: float = retry.LONGEST_WAIT


@dataclass(frozen=True, slots=True)
class TimeSource:
    """Everything about time and chance that a test may replace; None means the real thing."""

    monotonic: Callable[[], float] = clock.monotonic
    now: Callable[[], datetime] = clock.now
    sleep: Callable[[float], object] | None = None
    random: Callable[[], float] = randomness.random


class Transport:
    """Calls to one address. Safe to use from several threads at once."""

    def __init__(
        self,
        address: Address,
        policy: OutboundPolicy,
        ca_pem: str | None,
        limits: CallLimits | None = None,
        times: TimeSource | None = None,
        *,
        shared: SharedState | None = None,
        route: Route = DirectExchange,
    ) -> None:
        self.address = address
        self.clock_skew: float | None = None
        self.calls = 0
        self._limits = limits or CallLimits()
        self._times = times or TimeSource()
        server, pace = (address.host, address.port), self._limits.calls_per_minute
        self._server_limits = rate_limit.limits_of(server, pace, self._times.monotonic)
        self._waits = ServerWaits(address.origin, self._server_limits, shared or NotShared(), self._times.now)
        target = CallTarget(address, policy, ca_pem)
        self._exchange = route(target, ExchangeOptions(self._limits.pool_size, self._times.now))
        self._closed = threading.Event()
        self._sleep = self._times.sleep or self._closed.wait
        self._live: set[Deadline] = set()
        self._lock = threading.Lock()

    @property
    def quota(self) -> Quota | None:
        """Calls left, as this server last stated to any client of this process."""
        return self._server_limits.quota

    def fetch(self, request: Request, read: Callable[[Answer], _T]) -> _T:
        """Return what `read` makes of the answer; call and reading are tried again while that helps.

        Raises UemError. `read` raises a UemError of its own for an answer it cannot use.
        """
        self._refuse_foreign(request)
        attempt, worked, served = 0, 0.0, None
        while True:
            attempt += 1
            self._admit(served)
            began = self._times.monotonic()
            try:
                return read(self._attempt(request, self._limits.total_seconds - worked))
            except UemError as error:
                worked += self._times.monotonic() - began
                wait = self._wait(error, attempt, worked)
                if wait is None or not (request.repeatable or isinstance(error, RateLimited)):
                    raise
                served = self._waits.until if error.asked is not None else None
            self._sleep(wait)

    def sleep(self, seconds: float) -> None:
        """Wait. Raises Closed as soon as the transport is closed."""
        self._sleep(seconds)
        self._refuse_closed()

    def close(self) -> None:
        """End every call under way, wake every waiting one, and forget the connections."""
        self._closed.set()
        with self._lock:
            for deadline in self._live:
                deadline.cut()
        self._exchange.close()

    def _wait(self, error: UemError, attempt: int, worked: float) -> float | None:
        if worked >= self._limits.total_seconds:
            return None
        limits = self._limits
        return retry.pause(error, attempt, self._times.random, limits.attempts, limits.longest_wait)

    def _refuse_foreign(self, request: Request) -> None:
        if request.secret_of not in {None, self.address.origin}:
            raise BlockedByPolicy("The credentials belong to another server and were not sent.", _RETYPE)

    def _admit(self, served: datetime | None) -> None:
        """Let a call leave; `served` is the end of a wait that it has sat out already."""
        self._refuse_closed()
        if refusal := self._server_limits.refusal(self._times.now()):
            raise refusal
        self._sit_out(served)
        wait = self._server_limits.window.book()
        if wait > 0:
            self.sleep(wait)

    def _sit_out(self, served: datetime | None) -> None:
        """Wait as the server asked any process to. Raises RateLimited when that is too long."""
        while (wait := self._waits.binding()) is not None and wait.until != served:
            now = self._times.now()
            if wait.quota or wait.seconds_left(now) > self._limits.longest_wait:
                raise wait.refusal(now)
            self.sleep(wait.seconds_left(now))
            served = wait.until

    def _refuse_closed(self) -> None:
        if self._closed.is_set():
            raise Closed("The connection to the UEM was closed.")

    def _attempt(self, request: Request, left: float) -> Answer:
        deadline = Deadline(min(self._limits.request_seconds, left))
        with self._lock:
            self._live.add(deadline)
            self.calls += 1
        try:
            return self._call(request, deadline)
        finally:
            with self._lock:
                self._live.discard(deadline)
            if self._closed.is_set():
                # A call that began just before we were closed has opened a connection of its own.
                self._exchange.close()

    def _call(self, request: Request, deadline: Deadline) -> Answer:
        try:
            answer = self._exchange.send(request, deadline)
        except UemError:
            self._refuse_closed()
            raise
        self._refuse_closed()
        self._record(answer)
        refusal = retry.refused(answer, self._times.now())
        if refusal is not None:
            if refusal.asked is not None:
                retry_after = retry.asked_wait(answer.headers, self._times.now())
                self._waits.start(refusal.asked, quota=retry_after is None)
            raise refusal
        return answer

    def _record(self, answer: Answer) -> None:
        if quota := retry.read_quota(answer.headers):
            self._server_limits.record_quota(quota, self._times.now())
            self._waits.record_quota(quota)
        # The header has whole seconds.
        self.clock_skew = retry.seconds_until(answer.headers.get("Date", ""), self._times.now())
