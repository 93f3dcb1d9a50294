"""Runs simulated Protect apps against a dashboard until they are done or told to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence

from harmony.clock import monotonic
from harmony.config import Settings
from harmony.simulator.agents import script
from harmony.simulator.agents.agent import Agent
from harmony.simulator.agents.fleet import Fleet, Pace
from harmony.simulator.agents.records import Report
from harmony.simulator.agents.tally import Tally


def run(
    url: str, agents: Sequence[Agent], seed: int, pace: Pace, stop: threading.Event
) -> tuple[Tally, list[str]]:
    """Let the agents live the story of `seed`; what came of it, in numbers and in lines to print.

    Raises ValueError when `url` is no address.
    """

    def tell(agent: Agent, minute: float) -> Report:
        return script.report(seed, agent.handset, minute)

    began = monotonic()
    tally = Fleet(url, agents, tell, pace, stop).run()
    return tally, tally.summary(monotonic() - began)


def stopped_by_signal() -> threading.Event:
    """Return an event that Ctrl+C and SIGTERM set, so that agents end between two calls."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def own_address(settings: Settings) -> str:
    """Return the address at which this machine reaches its own dashboard."""
    if settings.public_url:
        return settings.public_url
    host, port = settings.bind
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"
