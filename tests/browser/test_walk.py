"""From the set-up code to devices on the page, with JavaScript, without it, and by keyboard (rung B)."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser import wizard
from tests.browser.conftest import Arrive
from tests.browser.product import Product
from tests.browser.visitor import Visitor
from tests.conftest import ADMINISTRATOR, PASSWORD

pytestmark = pytest.mark.browser

ENDED = '#status tbody .badge:is([data-state="ok"], [data-state="warning"])'


def set_up(visitor: Visitor, product: Product) -> None:
    visitor.go("/")
    visitor.heading("Welcome to Harmony")
    visitor.field("Set-up code").fill(product.setup_code)
    visitor.field("User name").fill(ADMINISTRATOR)
    visitor.field("Password").fill(PASSWORD)
    visitor.press("Create the administrator")
    visitor.see("No UEM is connected yet")


def see_devices(visitor: Visitor) -> None:
    """A click on the number of devices shows them, and a click on one of them all that is known of it."""
    devices = visitor.page.get_by_role("link", name=re.compile(r"^[\d,]+ Devices$"))
    count = int(devices.inner_text().split()[0].replace(",", ""))
    assert count > 0
    devices.click()
    visitor.heading("Devices")
    visitor.see(f"{count:,} devices")
    rows = visitor.page.locator("tbody tr")
    assert rows.count() == min(count, 50)
    name = rows.nth(5).get_by_role("link")
    title = name.inner_text()
    name.click()
    visitor.heading(title)
    visitor.see("Organization group")


def test_from_the_set_up_code_to_devices_on_the_page(new_product: Product, arrive: Arrive) -> None:
    visitor = arrive(new_product.url)
    set_up(visitor, new_product)
    visitor.press("New integration")
    wizard.connect(visitor)
    expect(visitor.page.locator(ENDED)).to_have_count(1, timeout=30_000)
    see_devices(visitor)


def test_the_same_walk_without_javascript(new_product: Product, arrive: Arrive) -> None:
    visitor = arrive(new_product.url, java_script_enabled=False)
    set_up(visitor, new_product)
    visitor.press("New integration")
    wizard.connect(visitor)
    wizard.settled(visitor)
    expect(visitor.page.locator(ENDED)).to_have_count(1)
    see_devices(visitor)
