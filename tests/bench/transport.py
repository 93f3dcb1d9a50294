"""The transport: reading pages ahead against latency, Verify, a black hole, and the simulator's ceiling."""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from harmony.clock import monotonic, now
from harmony.uem.connection import Connection, OAuth2
from harmony.uem.registry import connect
from harmony.uem.trust.outbound import OutboundPolicy
from harmony.uem.verify.checks import CheckResult, CheckState
from harmony.uem.verify.network import STEP_SECONDS
from harmony.uem.verify.run_checks import CALL_SECONDS, run_checks
from tests.bench.results import Result, middle
from tests.bench.simulated import PAGE_SIZE, TOP_ID, Line, Simulated

PAGE_MS = 150
CALL_MS = 100
FETCHERS = (4, 8)
KIND = "workspace_one"


def measure(uem: Simulated, _folder: Path, repeats: int) -> list[Result]:
    """Every line of the transport's table."""
    try:
        return [*_pages_ahead(uem, repeats), *_verify(uem, repeats), _ceiling(uem, repeats), *_silence(uem)]
    finally:
        uem.do("latency", ms=0)


def _pages_ahead(uem: Simulated, repeats: int) -> list[Result]:
    """What latency adds to the time without latency, relative to the pure wait shared by the fetchers."""
    quick: dict[int, list[float]] = defaultdict(list)
    slow: dict[int, list[float]] = defaultdict(list)
    for _ in range(repeats):
        for fetchers in FETCHERS:
            quick[fetchers].append(_read_all(uem, fetchers, 0))
            slow[fetchers].append(_read_all(uem, fetchers, PAGE_MS))
    results = []
    for fetchers in FETCHERS:
        wait = uem.pages * PAGE_MS / 1000 / fetchers
        pairs = zip(slow[fetchers], quick[fetchers], strict=True)
        value = middle([(wall - zero) / wait for wall, zero in pairs])
        detail = {
            "unit": "(wall - zero latency) / pure wait",
            "wall": slow[fetchers],
            "zero_latency": quick[fetchers],
            "pure_wait": wait,
        }
        name = f"transport.pages_{PAGE_MS}ms_x{fetchers}"
        results.append(Result(name, value, 1.15, detail=detail))
        # Once without credit for the time that no latency takes, and once with it.
        results.append(Result(f"{name}_whole", middle([wall / wait for wall in slow[fetchers]]), 1.15))
    return results


def _read_all(uem: Simulated, fetchers: int, latency: int) -> float:
    uem.do("latency", ms=latency)
    began = monotonic()
    with closing(connect(KIND, uem.connection(), fetchers=fetchers)) as client:
        read = sum(len(page.devices) for page in client.device_pages(str(TOP_ID)))
    seconds = monotonic() - began
    if read != uem.devices:
        raise RuntimeError(f"{read} of {uem.devices} devices were read")
    return round(seconds, 3)


def _verify(uem: Simulated, repeats: int) -> list[Result]:
    """The whole of Verify against its calls' latencies: those that were set, and those the results tell."""
    uem.do("latency", ms=CALL_MS)
    by_calls, by_checks, calls = [], [], 0
    for _ in range(repeats):
        uem.do("counters/reset")
        seconds, results = _run(uem.connection())
        if any(result.state is CheckState.FAILED for result in results):
            raise RuntimeError(f"Verify failed: {results}")
        calls = uem.calls()
        by_calls.append(seconds / (calls * CALL_MS / 1000))
        by_checks.append(seconds / (sum(result.milliseconds or 0 for result in results) / 1000))
    detail = {"unit": "x the sum of latencies", "calls": calls, "call_ms": CALL_MS}
    return [
        Result("transport.verify_by_calls", middle(by_calls), 1.5, detail=detail),
        Result("transport.verify_by_checks", middle(by_checks), 1.5, detail=detail),
    ]


def _run(connection: Connection) -> tuple[float, list[CheckResult]]:
    began = monotonic()
    results = list(run_checks(KIND, connection, now()))
    return monotonic() - began, results


def _ceiling(uem: Simulated, repeats: int) -> Result:
    """Pages a second over one connection to a reader that only reads: the simulator must not be the brake."""
    uem.do("latency", ms=0)
    rates = [_read_raw(uem) for _ in range(repeats)]
    return Result(
        "transport.simulator_pages", middle(rates), 200.0, at_least=True, detail={"unit": "pages/s"}
    )


def _read_raw(uem: Simulated) -> float:
    line = Line(uem.said)
    token = f"Bearer {line.token()}"
    began = monotonic()
    for number in range(uem.pages):
        path = f"/API/mdm/devices/search?lgid={TOP_ID}&page={number}&pagesize={PAGE_SIZE}"
        status, _ = line.ask("GET", path, Authorization=token)
        if status != 200:
            raise RuntimeError(f"page {number} was answered with {status}")
    seconds = monotonic() - began
    line.close()
    return uem.pages / seconds


def _silence(uem: Simulated) -> list[Result]:
    """How long after its deadline Verify ends when nobody answers: below TLS, and above it."""
    with _black_hole() as address:
        hole, _ = _run(
            Connection(address, OAuth2(address, "id", "secret"), None, OutboundPolicy(allow_loopback=True))
        )
    uem.do("latency", ms=round(2 * CALL_SECONDS * 1000))
    silent, _ = _run(uem.connection())
    uem.do("latency", ms=0)
    late = {"unit": "seconds after the deadline"}
    return [
        Result(
            "transport.verify_black_hole",
            round(hole - STEP_SECONDS, 3),
            1.0,
            detail=late | {"wall": hole, "deadline": STEP_SECONDS},
        ),
        Result(
            "transport.verify_silent_api",
            round(silent - CALL_SECONDS, 3),
            1.0,
            detail=late | {"wall": silent, "deadline": CALL_SECONDS},
        ),
    ]


@contextmanager
def _black_hole() -> Iterator[str]:
    """The kernel completes every connection; nobody ever says a word on one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
