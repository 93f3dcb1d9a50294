"""The integration's page: live progress that ends, Sync Now, pause, edit, remove (rung B)."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser import wizard
from tests.browser.product import Product
from tests.browser.visitor import Visitor
from tests.conftest import ADMINISTRATOR
from tests.waiting import wait_for

pytestmark = pytest.mark.browser

NEWEST = "#status tbody tr:first-child .badge"


def polls(visitor: Visitor) -> int:
    return sum(url.endswith("/status") for url in visitor.requests)


def test_progress_is_live_while_a_sync_runs_and_asking_stops_when_it_ends(
    signed_in: Visitor, product: Product, integration: str
) -> None:
    product.control("latency", ms=1000)
    signed_in.page.clock.install()
    signed_in.go(integration)
    signed_in.press("Sync Now")
    expect(signed_in.page.get_by_role("progressbar")).to_be_visible()
    expect(signed_in.page.locator(NEWEST)).to_have_attribute("data-state", "running")
    assert path_after(signed_in) == integration
    with signed_in.page.expect_response(lambda answer: answer.url.endswith("/status")):
        signed_in.page.clock.fast_forward(5000)
    product.calm()
    wizard.settled(signed_in)
    expect(signed_in.page.get_by_role("progressbar")).to_have_count(0)
    expect(signed_in.page.locator(NEWEST)).to_have_attribute("data-state", "warning")
    before = polls(signed_in)
    assert before
    signed_in.page.clock.fast_forward(60_000)
    signed_in.page.evaluate("() => fetch('/healthz')")
    assert polls(signed_in) == before


def path_after(visitor: Visitor) -> str:
    return wizard.path_of(visitor.page)


def test_what_was_opened_stays_open_while_the_page_follows_a_sync(
    signed_in: Visitor, product: Product, integration: str
) -> None:
    product.control("latency", ms=1000)
    signed_in.go(integration)
    signed_in.press("Sync Now")
    expect(signed_in.page.get_by_role("progressbar")).to_be_visible()
    signed_in.page.get_by_text("that could not be read", exact=False).last.click()
    opened = signed_in.page.locator("#status details[open]")
    expect(opened).to_have_count(1)
    with signed_in.page.expect_response(lambda answer: answer.url.endswith("/status")):
        pass
    expect(opened).to_have_count(1)
    product.calm()
    wizard.settled(signed_in)


def test_sync_now_while_one_runs_says_so(signed_in: Visitor, product: Product, integration: str) -> None:
    product.control("latency", ms=1000)
    signed_in.go(integration)
    signed_in.press("Sync Now")
    expect(signed_in.page.get_by_role("progressbar")).to_be_visible()
    signed_in.press("Sync Now")
    signed_in.see("A sync is already running")
    product.calm()
    wizard.settled(signed_in)


def test_pause_and_resume(signed_in: Visitor, integration: str) -> None:
    signed_in.go(integration)
    signed_in.choose("Pause")
    signed_in.see("Paused: no sync starts until you resume.")
    expect(signed_in.page.get_by_role("button", name="Sync Now")).to_have_count(0)
    signed_in.press("Resume")
    expect(signed_in.page.get_by_role("button", name="Sync Now", exact=True)).to_be_visible()
    wizard.settled(signed_in)


def test_a_refused_sign_in_is_named_and_says_what_to_do(
    signed_in: Visitor, product: Product, integration: str
) -> None:
    product.control("faults", kind="unauthorized")
    signed_in.go(integration)
    wizard.sync_now(signed_in)
    expect(signed_in.page.locator(NEWEST)).to_have_attribute("data-state", "auth_failed")
    signed_in.see("The last sync could not sign in.")
    signed_in.see("OAuth Client Management")
    product.calm()
    wizard.sync_now(signed_in)
    expect(signed_in.page.locator(NEWEST)).to_have_attribute("data-state", "warning")


def test_edit_takes_effect_only_once_it_is_verified_and_saved(signed_in: Visitor, integration: str) -> None:
    signed_in.go(integration)
    signed_in.choose("Edit")
    signed_in.heading("Server Details")
    signed_in.page.get_by_role("button", name="Synchronization").click()
    signed_in.heading("Synchronization")
    signed_in.page.get_by_text("Advanced", exact=True).click()
    signed_in.field("Device sync interval").fill("120")
    signed_in.press("Save")
    signed_in.see("Press Verify first")
    wizard.verify(signed_in)
    signed_in.press("Save")
    signed_in.at(re.compile(re.escape(integration) + "$"))
    signed_in.see("Synchronization saved.")
    signed_in.see("Every 2 hours")


def test_cancel_ends_a_sync_within_seconds_and_the_next_one_still_works(
    signed_in: Visitor, product: Product, integration: str
) -> None:
    product.control("latency", ms=10_000)
    signed_in.go(integration)
    signed_in.press("Sync Now")
    expect(signed_in.page.get_by_role("progressbar")).to_be_visible()
    signed_in.press("Cancel")
    signed_in.see("The sync was cancelled. What it had read was kept.")
    signed_in.see(f"Cancelled by {ADMINISTRATOR}.")
    expect(signed_in.page.get_by_role("progressbar")).to_have_count(0)
    expect(signed_in.page.locator(NEWEST)).to_have_attribute("data-state", "cancelled")
    product.calm()
    wizard.sync_now(signed_in)
    expect(signed_in.page.locator(NEWEST)).to_have_attribute("data-state", "warning")


def undone(visitor: Visitor, path: str) -> None:
    """The removal just asked for is undone, and the integration is there again with its devices."""
    visitor.see("You can undo this for 30 days under Removed integrations.")
    visitor.go("/devices?q=branch")
    assert visitor.go(path).get_by_role("heading", name="Not found").count() == 1
    visitor.go("/integrations").get_by_role("link", name="Removed integrations").click()
    visitor.heading("Removed integrations")
    visitor.press("Undo the removal of Branch office")
    visitor.see("Branch office is being restored.")
    missing = visitor.go(path).get_by_role("heading", name="Not found")
    wait_for(lambda: not missing.count() or not visitor.page.reload(), "the integration to come back")
    visitor.heading("Branch office")
    wizard.settled(visitor)


def test_remove_asks_for_the_name_and_what_becomes_of_the_devices(
    signed_in: Visitor, product: Product
) -> None:
    path = wizard.connect(signed_in, "Branch office", beside=product)
    wizard.settled(signed_in)
    signed_in.choose("Remove")
    signed_in.heading("Remove Branch office")
    signed_in.field("Name of the integration").fill("Branch")
    signed_in.press("Remove")
    signed_in.see("Type Branch office exactly as it is written here.")
    expect(signed_in.page.get_by_role("radio", name="Remove the")).to_be_checked()
    signed_in.field("Name of the integration").fill("Branch office")
    signed_in.press("Remove")
    undone(signed_in, path)
    signed_in.choose("Remove")
    signed_in.page.get_by_role("radio", name="Keep the").check()
    signed_in.field("Name of the integration").fill("Branch office")
    signed_in.press("Remove")
    signed_in.at("/integrations")
    signed_in.see("Branch office was removed. Its devices stay in the list")
    signed_in.press("Delete the devices of Branch office")
    signed_in.heading("Delete the devices of Branch office")
    signed_in.field("Name of the integration").fill("Branch office")
    signed_in.press("Delete")
    signed_in.see("Branch office is being removed with its devices.")
    gone = signed_in.page.get_by_role("link", name="Branch office")
    wait_for(lambda: not gone.count() or not signed_in.page.reload(), "the end of the removal")
    signed_in.go(path)
    signed_in.heading("Not found")
