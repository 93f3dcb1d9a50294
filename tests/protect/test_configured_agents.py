"""A simulated Protect app registers from a downloaded file alone (rung: shell)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from flask import Flask
from flask.testing import FlaskClient

from harmony.models import DeviceStatus
from harmony.simulator.agents.agent import Agent
from harmony.simulator.agents.configuration import NotAConfiguration, configured, read_configuration
from harmony.simulator.agents.records import Handset, Report
from harmony.simulator.agents.wire import Answer, Send
from tests.protect.agent import an_open_integration

# No secret of the other tests: those are looked for on every page, and this one shows it.
TOKEN = "hmtoken_shown-in-a-file"


@pytest.fixture
def database() -> str:
    """What files say is the same on every database."""
    return "sqlite"


def through(client: FlaskClient) -> Send:
    def send(path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        answer = client.post(path, headers=dict(headers), data=body)
        return answer.status_code, {name.lower(): value for name, value in answer.headers}, answer.data

    return send


@pytest.mark.parametrize("name", ["configuration.plist", "specfile.xml", "restrictions.json"])
def test_a_device_registers_from_the_downloaded_file_alone(
    context: Flask, signed_in: FlaskClient, name: str
) -> None:
    id_ = an_open_integration(token=TOKEN)
    text = signed_in.get(f"/integrations/{id_}/app-configuration/{name}").get_data(as_text=True)
    handset = configured(Handset(udid="UDID0", platform="android", serial="S0"), read_configuration(text))
    standing = Agent(handset).register(through(context.test_client()), Report())
    assert standing.status == DeviceStatus.ACTIVE


@pytest.mark.parametrize("text", ["", "{}", "[]", "<dict>", "<managedAppConfiguration>", "server=x"])
def test_a_file_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(NotAConfiguration):
        configured(Handset(udid="U", platform="ios"), read_configuration(text))
