"""The loop of an agent: how often it asks. Rung R: a dashboard that answers as it is told."""

from __future__ import annotations

import pytest

from harmony.connector.agent import Agent
from harmony.connector.allow_list import read_allow_list
from harmony.connector.dashboard import Dashboard
from harmony.connector.settings import AgentSettings
from harmony.connector.wire import Work
from harmony.uem.trust.address import Address

SETTINGS = AgentSettings(
    Address("https", "harmony.test", 443, ""), "hmconnector_x", read_allow_list("https://uem.test")
)


def test_a_dashboard_that_keeps_nobody_waiting_is_asked_ever_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agent, waits = Agent(SETTINGS), []

    def note(seconds: float) -> bool:
        waits.append(seconds)
        if len(waits) == 7:
            agent.request_stop()
        return False

    def nothing(*_asked: object) -> list[Work]:
        return []

    monkeypatch.setattr(agent._stop, "wait", note)
    monkeypatch.setattr(Dashboard, "poll", nothing)
    agent.run()
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
