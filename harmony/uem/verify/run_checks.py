"""Run the checks of Verify, from a typed address to readable devices, changing nothing anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from harmony import clock
from harmony.uem.connection import Connection
from harmony.uem.errors import UemError
from harmony.uem.http.client import CallLimits, TimeSource
from harmony.uem.registry import KINDS
from harmony.uem.verify.checks import (
    Check,
    CheckResult,
    CheckState,
    Observation,
    advice_to_person,
    not_tried,
)
from harmony.uem.verify.network import NETWORK_NAMES, NetworkChecks
from harmony.uem.workspace_one.checks import API_NAMES, WorkspaceOneChecks

CHECK_NAMES = NETWORK_NAMES + API_NAMES
_TOTAL_SECONDS = 30.0
CALL_SECONDS = 10.0
_TIME_IS_OVER = "Verify ran out of time before this check."


@dataclass(frozen=True, slots=True)
class Probe:
    """Something else that looks at the network for us: `name` is its check, `look` makes NETWORK_NAMES."""

    name: str
    look: Callable[[Connection], Sequence[CheckResult]]


def run_checks(
    kind: str,
    connection: Connection,
    now: datetime,
    *,
    seconds: float = _TOTAL_SECONDS,
    probe: Probe | None = None,
) -> Iterator[CheckResult]:
    """Yield a result for each of CHECK_NAMES as soon as it is known; after a failure none is tried.

    Each call is tried once and has its own deadline; `seconds` bounds when the last check may begin.
    With a `probe` the network is looked at by it, and whether it could is a check before the others.
    """
    if kind not in KINDS:
        raise ValueError(f"no UEM of kind {kind}")
    runner = _Runner(seconds)
    if probe is None:
        yield from _network_results(runner, connection, now)
    else:
        yield from _probed(runner, connection, probe)
    if runner.stopped:
        yield from map(not_tried, API_NAMES)
        return
    yield from _api_results(runner, connection)


def network_results(connection: Connection, now: datetime) -> Iterator[CheckResult]:
    """Yield a result for each of NETWORK_NAMES: what this process can reach, without signing in."""
    return _network_results(_Runner(_TOTAL_SECONDS), connection, now)


def _network_results(runner: _Runner, connection: Connection, now: datetime) -> Iterator[CheckResult]:
    with closing(NetworkChecks(connection, now)) as network:
        for check in network.checks():
            yield runner.run(check)


def _probed(runner: _Runner, connection: Connection, probe: Probe) -> Iterator[CheckResult]:
    seen: list[CheckResult] = []

    def look() -> Observation:
        seen.extend(probe.look(connection))
        return Observation("It is connected, and looked at the server from its side.")

    yield runner.run(Check(probe.name, look))
    yield from seen or map(not_tried, NETWORK_NAMES)
    runner.stopped = runner.stopped or any(result.state is CheckState.FAILED for result in seen)


def _api_results(runner: _Runner, connection: Connection) -> Iterator[CheckResult]:
    limits = CallLimits(
        request_seconds=CALL_SECONDS, total_seconds=CALL_SECONDS, attempts=1, pool_size=1, longest_wait=0
    )
    try:
        api = WorkspaceOneChecks(connection, limits, TimeSource())
    except UemError as error:
        # The token address is refused before anything is called.
        yield _failed(API_NAMES[0], error)
        yield from map(not_tried, API_NAMES[1:])
        return
    with closing(api):
        for check in api.checks():
            yield runner.run(check)


class _Runner:
    """Runs checks until one has failed or the time is over."""

    def __init__(self, seconds: float) -> None:
        self._end = clock.monotonic() + seconds
        self.stopped = False

    def run(self, check: Check) -> CheckResult:
        """Return the result of one check; it is not tried after a failure or when no time is left."""
        began = clock.monotonic()
        if self.stopped:
            return not_tried(check.name)
        if began >= self._end:
            self.stopped = True
            advice = "Look at the slow checks above."
            return CheckResult(check.name, CheckState.FAILED, None, _TIME_IS_OVER, advice)
        try:
            observed = check.observe()
        except UemError as error:
            self.stopped = True
            return _failed(check.name, error, _since(began))
        if not observed.tried:
            return not_tried(check.name, observed.sentence, observed.advice)
        state = CheckState.WARNING if observed.warning else CheckState.OK
        return CheckResult(check.name, state, _since(began), observed.sentence, observed.advice)


def _failed(name: str, error: UemError, milliseconds: int | None = None) -> CheckResult:
    return CheckResult(name, CheckState.FAILED, milliseconds, error.sentence, advice_to_person(error) or None)


def _since(began: float) -> int:
    return round((clock.monotonic() - began) * 1000)
