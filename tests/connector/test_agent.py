"""The loop of an agent: how often it asks. Rung R: a dashboard that answers as it is told."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from typing import NoReturn

import pytest

from harmony import clock
from harmony.connector.agent import Agent
from harmony.connector.allow_list import read_allow_list
from harmony.connector.dashboard import Dashboard
from harmony.connector.execution import Executor
from harmony.connector.settings import AgentSettings
from harmony.connector.wire import CALL, Poll, Reply, Work
from harmony.uem.errors import Unreachable
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


WORK = Work(id="a", ticket="t", kind=CALL, seconds=20.0, body=b"")


def test_a_stop_between_two_questions_waits_for_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dashboard takes the connection and never answers, as one that holds a question does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address("http", "127.0.0.1", server.getsockname()[1], "")
        agent = Agent(replace(SETTINGS, dashboard=address))
        asked = agent._asked

        def stopped_meanwhile() -> Poll:
            agent.request_stop()
            return asked()

        monkeypatch.setattr(agent, "_asked", stopped_meanwhile)
        thread = threading.Thread(target=agent.run, daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()


def test_an_answer_is_handed_over_again_until_nobody_can_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    agent, waits, tries, at = Agent(SETTINGS), list[float](), list[Reply](), [0.0]

    def note(seconds: float) -> bool:
        waits.append(seconds)
        at[0] += seconds
        return False

    def fail(_dashboard: Dashboard, _work: Work, reply: Reply) -> NoReturn:
        tries.append(reply)
        raise Unreachable("Nothing listens there.")

    monkeypatch.setattr(agent._stop, "wait", note)
    monkeypatch.setattr(clock, "monotonic", lambda: at[0])
    monkeypatch.setattr(Dashboard, "hand_over", fail)
    agent._hand_over(WORK, Reply(), 20.0)
    assert waits == [0.0, 1.0, 2.0, 4.0, 4.0, 4.0, 4.0]
    assert len(tries) == 7


def test_an_agent_that_is_to_stop_does_not_try_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    agent, tries = Agent(SETTINGS), list[Work]()

    def fail(_dashboard: Dashboard, work: Work, _reply: Reply) -> NoReturn:
        tries.append(work)
        raise Unreachable("Nothing listens there.")

    monkeypatch.setattr(Dashboard, "hand_over", fail)
    agent.request_stop()
    agent._hand_over(WORK, Reply(), clock.monotonic() + 20)
    assert tries == [WORK]


def test_a_call_that_breaks_in_the_agent_has_a_reply_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    executor = Executor(SETTINGS)

    def broken(_body: bytes, _seconds: float) -> NoReturn:
        raise RuntimeError("can't start new thread")

    monkeypatch.setitem(executor._kinds, CALL, broken)
    reply = executor.carry_out(WORK)
    assert reply.failure is not None
    assert reply.failure.sentence == "The agent could not carry out the call."
    assert "can't start new thread" in caplog.text
