"""Tags, in the browser and in the simulated UEM: they follow the devices, and go when told to (rung B)."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import wizard
from tests.browser.conftest import Arrive
from tests.browser.product import Product
from tests.browser.visitor import Visitor
from tests.conftest import ADMINISTRATOR, PASSWORD
from tests.waiting import wait_for

pytestmark = pytest.mark.browser

# What the dashboard promises for a change to reach the UEM.
PROMISED_SECONDS = 60


def carriers(product: Product, name: str) -> set[int]:
    """The devices on which a tag stands in the simulated UEM."""
    with product.uem.tenant.world.lock:
        found = [tag for tag in product.uem.tenant.world.tags.values() if tag.name == name]
        return {device for tag in found for device in tag.devices}


def take_an_android_device(visitor: Visitor) -> int:
    """Register the second Android device that the demo page offers; its id in the UEM."""
    visitor.go("/demo/device")
    offered = visitor.field("Device").locator("option", has_text="Android").nth(1)
    visitor.field("Device").select_option(value=offered.get_attribute("value"))
    visitor.press("Register")
    visitor.see("Registered.")
    href = visitor.page.locator("dd a").first.get_attribute("href")
    visitor.go(str(href))
    return int(visitor.page.get_by_text("Id", exact=True).locator("+ dd").inner_text())


def test_a_threat_shows_as_a_tag_in_the_uem_and_goes_when_it_clears(
    signed_in: Visitor, product: Product, integration: str
) -> None:
    device = take_an_android_device(signed_in)
    signed_in.go("/demo/device")
    signed_in.field("Rooted").check()
    signed_in.press("Check in now")
    signed_in.see("Checked in: active, High.")
    for name in ("CHKP_TF_ROOTED", "CHKP_Risk_High", "CHKP_Status_Active"):
        wait_for(lambda tag=name: device in carriers(product, tag), f"{name} in the UEM", PROMISED_SECONDS)
    # It is never without a status tag: the former goes after the new one has come.
    wait_for(
        lambda: device not in carriers(product, "CHKP_Status_Provisioned"), "the former tag to go",
        PROMISED_SECONDS,
    )  # fmt: skip
    signed_in.go(f"{integration}/tags/factor:ROOTED")
    expect(signed_in.page.locator("tbody tr")).to_have_count(1)
    signed_in.page.locator("tbody th a").click()
    expect(
        signed_in.page.locator("section", has_text="Tags in the UEM").get_by_text("On the device")
    ).to_have_count(3)
    signed_in.go("/demo/device")
    signed_in.field("Rooted").uncheck()
    signed_in.press("Check in now")
    signed_in.see("Checked in: active, No Risk.")
    for name in ("CHKP_TF_ROOTED", "CHKP_Risk_High"):
        wait_for(lambda tag=name: device not in carriers(product, tag), f"{name} to go", PROMISED_SECONDS)
    assert device in carriers(product, "CHKP_Status_Active")
    signed_in.go("/demo/device")
    signed_in.press("Unregister")


def test_remove_takes_the_tags_off_first_without_javascript_too(new_product: Product, arrive: Arrive) -> None:
    visitor = arrive(new_product.url, java_script_enabled=False)
    visitor.go("/setup")
    visitor.field("Set-up code").fill(new_product.setup_code)
    visitor.field("User name").fill(ADMINISTRATOR)
    visitor.field("Password").fill(PASSWORD)
    visitor.press("Create the administrator")
    integration = wizard.connect(visitor, "Branch")
    name = "CHKP_Status_Provisioned"
    wait_for(lambda: carriers(new_product, name), "the first tags", PROMISED_SECONDS)
    visitor.go(integration + "/remove")
    visitor.field("Name of the integration").fill("Branch")
    visitor.press("Remove")
    visitor.see("Taking the tags off")
    finished = visitor.page.get_by_text("No device carries a tag of Harmony any more.")
    wait_for(lambda: finished.count() or not visitor.page.reload(), "the tags to go", PROMISED_SECONDS)
    assert carriers(new_product, name) == set()
    expect(visitor.field("Name of the integration")).to_have_value("Branch")
    visitor.press("Remove")
    visitor.see("Branch was removed with its devices.")
