"""A UEM that the dashboard cannot reach, set up and used through the agent of a Connector (rung B)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from harmony.db import sqlite_module
from harmony.simulator.agents.agent import Agent
from harmony.simulator.agents.records import ANDROID, Handset, Report, Threat
from harmony.simulator.agents.wire import Line
from tests import preloaded
from tests.browser import wizard
from tests.browser.conftest import Arrive
from tests.browser.product import Product, running_product
from tests.browser.test_guide_walk import new_integration, type_server_details
from tests.browser.test_tagging import PROMISED_SECONDS, carriers
from tests.browser.test_walk import set_up
from tests.browser.visitor import Visitor
from tests.waiting import wait_for

pytestmark = pytest.mark.browser


@pytest.fixture
def walled_off(tmp_path: Path) -> Iterator[Product]:
    """A dashboard that calls no address of this machine, where its UEM is."""
    with running_product(tmp_path, devices=200, settings={"HARMONY_DEMO": "0"}) as product:
        yield product


@contextmanager
def agent(product: Product, key: str) -> Iterator[None]:
    """The agent of a Connector, which may call that UEM."""
    uem = product.uem
    settings = {
        "HARMONY_CONNECTOR_DASHBOARD": product.url,
        "HARMONY_CONNECTOR_KEY": key,
        "HARMONY_CONNECTOR_ALLOW": f"{uem.url}, {uem.token_url}",
    }
    process = preloaded.Process(["-m", "harmony.connector"], os.environ | settings, (0, 1, 2))
    try:
        yield
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def test_a_uem_out_of_reach_is_set_up_synced_and_tagged_through_an_agent(
    walled_off: Product, arrive: Arrive
) -> None:
    visitor = arrive(walled_off.url)
    set_up(visitor, walled_off)
    key = add_connector(visitor)
    new_integration(visitor)
    type_server_details(visitor, walled_off)
    visitor.press("Verify")
    visitor.see("may not be called")
    with agent(walled_off, key):
        wait_for(lambda: rows(walled_off, "SELECT 1 FROM connector_agent"), "the agent")
        visitor.page.locator("summary", has_text="Using Connector (Optional)").click()
        visitor.field("Connector").select_option("Head office")
        # A secret is sealed for the way that it goes.
        visitor.page.get_by_label("Replace Client Secret").click()
        visitor.field("Client Secret").fill(walled_off.uem.credentials.client_secret)
        wizard.verify(visitor)
        expect(visitor.page.locator("#verification")).to_contain_text("Connector Head office")
        visitor.press("Next")
        wizard.synchronization(visitor)
        wizard.tagging(visitor)
        token = visitor.field("Token").input_value()
        wizard.deployment(visitor)
        wizard.settled(visitor)
        register_and_be_tagged(walled_off, token)


def add_connector(visitor: Visitor) -> str:
    """Add a Connector and return its key."""
    visitor.go("/settings/connectors")
    visitor.field("Name").fill("Head office")
    visitor.press("Add Connector")
    visitor.see("It is shown only now.")
    return visitor.page.get_by_role("textbox", name="Key").input_value()


def register_and_be_tagged(product: Product, token: str) -> None:
    """A Protect app registers and reports a threat; its tags arrive in the UEM."""
    [(external_id, udid)] = rows(
        product, "SELECT external_id, udid FROM device WHERE lower(platform) = 'android' ORDER BY id LIMIT 1"
    )
    protect, line = Agent(Handset(udid, ANDROID, token=token)), Line(product.url)
    with closing(line):
        assert protect.register(line.send, Report()).status == "active"
        protect.check_in(line.send, Report((Threat("ROOTED"),)))
    for name in ("CHKP_TF_ROOTED", "CHKP_Risk_High", "CHKP_Status_Active"):
        wait_for(
            lambda tag=name: int(external_id) in carriers(product, tag), f"{name} in the UEM",
            PROMISED_SECONDS,
        )  # fmt: skip


def rows(product: Product, sql: str) -> list[tuple[Any, ...]]:
    """Rows of the dashboard's database."""
    file = product.output.parent / "data" / "harmony.db"
    with closing(sqlite_module().connect(file, timeout=30)) as connection:
        return list(connection.execute(sql).fetchall())
