"""Agents of a Connector in threads, which reach a served dashboard over real sockets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from harmony.clock import now
from harmony.connector.agent import Agent
from harmony.connector.allow_list import AllowList, read_allow_list
from harmony.connector.settings import AgentSettings
from harmony.db import db
from harmony.relay import connectors
from harmony.uem.trust.address import Address
from tests.waiting import wait_for

PATIENCE = 20.0


def settings_of(port: int, key: str, *servers: str) -> AgentSettings:
    """Settings of an agent that calls these servers and their token services."""
    listed = ", ".join([*servers, *(f"{server}/connect/token" for server in servers)])
    allowed = read_allow_list(listed) if servers else AllowList(frozenset(), frozenset())
    return AgentSettings(Address("http", "127.0.0.1", port, ""), key, allowed, calls=4)


@contextmanager
def running(settings: AgentSettings) -> Iterator[Agent]:
    """An agent at work, which the dashboard has seen; stopped afterwards."""
    agent, began = Agent(settings), now()
    thread = threading.Thread(target=agent.run, name="agent")
    thread.start()
    try:
        wait_for(lambda: _seen_since(began), "the agent to be seen")
        yield agent
    finally:
        agent.request_stop()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the agent did not stop"


def _seen_since(began: datetime) -> bool:
    db.session.rollback()
    return any(status.seen_at and status.seen_at >= began for status in connectors.statuses())
