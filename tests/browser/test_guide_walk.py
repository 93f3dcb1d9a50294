"""The vendor's guide on integrating Workspace ONE UEM, its labels in its order, word for word (rung B)."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser import wizard
from tests.browser.conftest import Arrive
from tests.browser.product import Product
from tests.browser.test_walk import set_up
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser

ADVANCED = (
    "Import Personally Identifiable Information (PII)",
    "Device name",
    "Device number",
    "Device email",
    "Device sync interval",
    "Device deletion threshold",
    "Device deletion after",
    "App sync interval",
)
TAGGING = ("Tag device status", "Tag device risk", "Tag device TF")
STATUS = ("UEM Server", "Device Sync Status", "App Sync Status", "Tagging", "Deployment")
ACTIONS = ("Edit", "Sync Now", "Pause", "Remove")


@pytest.mark.parametrize("script", [True, False])
def test_the_guide_can_be_followed_word_for_word(new_product: Product, arrive: Arrive, script: bool) -> None:
    visitor = arrive(new_product.url, java_script_enabled=script)
    set_up(visitor, new_product)
    new_integration(visitor)
    server_details(visitor, new_product)
    synchronization(visitor)
    tagging(visitor)
    deployment(visitor, script=script)
    wizard.settled(visitor)
    in_order(visitor.page, STATUS)
    information_and_actions(visitor)


def new_integration(visitor: Visitor) -> None:
    """Settings > Integrations, +, UEMs, Workspace ONE UEM."""
    page = visitor.go("/devices")
    page.locator(".mainnav summary", has_text="Settings").click()
    page.get_by_role("link", name="Integrations", exact=True).click()
    visitor.heading("Integrations")
    page.locator("main summary", has_text="New integration").click()
    page.get_by_role("link", name="UEMs", exact=True).click()
    visitor.press("Workspace ONE UEM")


def server_details(visitor: Visitor, product: Product) -> None:
    """Server Details: OAuth2 and the server's own certificate; Verify, then Next."""
    type_server_details(visitor, product)
    expect(visitor.page.locator("summary", has_text="Using Connector (Optional)")).to_be_visible()
    wizard.verify(visitor)
    visitor.press("Next")


def type_server_details(visitor: Visitor, product: Product) -> None:
    """Fill Server Details in as the guide says."""
    visitor.heading("Server Details")
    uem = product.uem
    visitor.field("Display Name").fill("Workspace ONE Default")
    visitor.field("Server Address").fill(uem.url)
    visitor.field("Use OAuth2 authentication method").check()
    visitor.field("Token Address").select_option("other")
    visitor.field("Other Token Address").fill(uem.token_url)
    visitor.field("Client ID").fill(uem.credentials.client_id)
    visitor.field("Client Secret").fill(uem.credentials.client_secret)
    visitor.field("Server uses self-signed certificate").check()
    visitor.field("Certificate").fill(uem.ca_pem)


def synchronization(visitor: Visitor) -> None:
    """Group(s), Android Enterprise Groups, Advanced; Verify, then Next."""
    visitor.heading("Synchronization")
    visitor.page.locator('input[name="groups"][value="organization:570"]').check()
    visitor.page.locator("summary", has_text="Advanced").click()
    in_order(visitor.page, ("Group(s)", "Android Enterprise Groups", "Advanced", *ADVANCED))
    for label in ADVANCED[1:4]:
        expect(visitor.field(label)).to_be_checked()
    visitor.field("Device deletion threshold").fill("100")
    wizard.verify(visitor)
    visitor.press("Next")


def tagging(visitor: Visitor) -> None:
    """The three switches; Verify and Next."""
    visitor.heading("Tagging")
    in_order(visitor.page, TAGGING)
    wizard.tagging(visitor)


def deployment(visitor: Visitor, *, script: bool) -> None:
    """The token and its Copy to clipboard; Finish."""
    visitor.heading("Deployment")
    visitor.field("Allow auto device addition prior to device sync").check()
    copy = visitor.page.get_by_role("button", name="Copy to clipboard: Token")
    expect(copy).to_be_visible()
    if script:
        visitor.context.grant_permissions(["clipboard-write"])
        copy.click()
        visitor.see("Copied")
    wizard.deployment(visitor)


def information_and_actions(visitor: Visitor) -> None:
    """On the list, the "i" and the three dots."""
    page = visitor.go("/integrations")
    page.locator("tbody summary", has_text="Status of Workspace ONE Default").click()
    in_order(page, STATUS)
    page.locator("h1").click()
    page.locator("tbody summary", has_text="Actions of Workspace ONE Default").click()
    in_order(page, ACTIONS)


def in_order(page: Page, labels: tuple[str, ...]) -> None:
    """Each label is on the page, in this order."""
    text = re.sub(r"\s+", " ", page.locator("main").inner_text())
    places = [text.find(label) for label in labels]
    assert -1 not in places
    assert places == sorted(places)
