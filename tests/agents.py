"""Simulated Protect apps in tests: a token to register with, and a way to the application without sockets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask.testing import FlaskClient

from harmony.db import write
from harmony.models import SetupPage
from harmony.models.configuration import DEPLOYMENT, Deployment, to_row
from harmony.security.credentials import bound_to
from harmony.security.vault import vault
from harmony.simulator.agents.agent import Agent
from harmony.simulator.agents.records import ANDROID, Handset
from harmony.simulator.agents.wire import Answer, Send
from tests.canaries import watch

TOKEN = "hmtoken_of_the_tests"
watch(TOKEN)


def give_token(integration_id: int, *, auto_addition: bool = False) -> None:
    """Put a dashboard token in force."""
    sealed = vault().seal(TOKEN, bound_to(integration_id, "token"))
    row = to_row(Deployment(auto_addition=auto_addition, token=sealed))
    with write() as session:
        page = session.get_one(SetupPage, (integration_id, DEPLOYMENT))
        page.draft = page.applied = row


def through(client: FlaskClient) -> Send:
    """Carries the calls of an agent to the application of this client."""

    def send(path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        answer = client.post(path, headers=dict(headers), data=body)
        told = {name.lower(): value for name, value in answer.headers.items()}
        return answer.status_code, told, answer.get_data()

    return send


def an_agent(number: int = 0, platform: str = ANDROID, **handset: Any) -> Agent:
    """The Protect app of a device of `tests.stored.store`, with the token."""
    return Agent(Handset(f"UDID{number}", platform, token=TOKEN, **handset))
