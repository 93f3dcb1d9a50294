"""A device in your hand, in the browser: what is switched on there arrives on the device's page (rung B)."""

from __future__ import annotations

import pytest
from playwright.sync_api import StorageState, expect

from tests.browser.conftest import Arrive
from tests.browser.product import Product
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser


def take_an_android_device(visitor: Visitor) -> None:
    """Register the first Android device that the page offers."""
    visitor.go("/demo/device")
    offered = visitor.field("Device").locator("option", has_text="Android").first
    visitor.field("Device").select_option(value=offered.get_attribute("value"))
    visitor.press("Register")
    visitor.see("Registered.")


def told(visitor: Visitor, *words: str) -> None:
    """What the device was told last."""
    for word in words:
        expect(visitor.page.locator("dd .badge", has_text=word)).to_be_visible()


def walk(visitor: Visitor) -> None:
    """Register, have it rooted, look at its page, heal it, unregister."""
    take_an_android_device(visitor)
    told(visitor, "Active", "No Risk")
    visitor.field("Rooted").check()
    visitor.field("No Screen lock set").check()
    visitor.press("Check in now")
    visitor.see("Checked in: active, High.")
    told(visitor, "Active", "High")
    expect(visitor.field("Rooted")).to_be_checked()
    visitor.page.locator("dd a").first.click()
    visitor.see("Rooted")
    visitor.go("/demo/device")
    visitor.field("Rooted").uncheck()
    visitor.press("Check in now")
    visitor.see("Checked in: active, Low.")
    visitor.press("Unregister")
    visitor.see("Unregistered.")
    visitor.see("Which device")


@pytest.mark.usefixtures("integration")
def test_threats_go_on_and_off(signed_in: Visitor) -> None:
    walk(signed_in)


@pytest.mark.usefixtures("integration")
def test_it_works_without_javascript(arrive: Arrive, product: Product, session_cookies: StorageState) -> None:
    walk(arrive(product.url, storage_state=session_cookies, java_script_enabled=False))
