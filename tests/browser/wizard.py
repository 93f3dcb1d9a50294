"""The walk through the wizard as a person does it, with JavaScript or without."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.product import Product
from tests.browser.visitor import Visitor
from tests.waiting import wait_for

GROUPS = ("organization:570", "organization:571")
FINISHED = re.compile(r"/integrations/\d+$")


def begin(visitor: Visitor, name: str | None = None) -> str:
    """Open a draft for the simulated UEM; the path of its wizard."""
    visitor.go("/integrations/new")
    visitor.press("Try the simulated UEM")
    visitor.at(re.compile(r"/integrations/\d+/setup/server$"))
    visitor.heading("Server Details")
    if name:
        visitor.field("Display Name").fill(name)
    return path_of(visitor.page).removesuffix("/server")


def elsewhere(visitor: Visitor, product: Product) -> None:
    """Type another address of the same UEM: no two integrations may read the same groups of one server."""
    for label in ("Server Address", "Other Token Address"):
        field = visitor.field(label)
        field.fill(field.input_value().replace("127.0.0.1", "localhost"))
    visitor.page.get_by_label("Replace Client Secret").click()
    visitor.field("Client Secret").fill(product.uem.credentials.client_secret)


def verify(visitor: Visitor) -> None:
    """Press Verify and wait for an answer in which nothing failed."""
    visitor.press("Verify")
    # Only what was verified makes Next the button to press.
    expect(visitor.page.locator("button.secondary", has_text="Verify")).to_be_visible(timeout=15_000)
    expect(visitor.page.locator("#verification .failed")).to_have_count(0)


def server_details(visitor: Visitor) -> None:
    visitor.heading("Server Details")
    verify(visitor)
    visitor.press("Next")


def synchronization(visitor: Visitor, groups: tuple[str, ...] = GROUPS) -> None:
    """Choose these groups, or all of them when none is named."""
    visitor.heading("Synchronization")
    for group in groups:
        visitor.page.locator(f'input[name="groups"][value="{group}"]').check()
    if not groups:
        visitor.page.get_by_role("button", name="All or none").first.click()
    verify(visitor)
    visitor.press("Next")


def tagging(visitor: Visitor, *, off: bool = False) -> None:
    """With `off` nothing is tagged: those of another integration at that UEM would have to be adopted."""
    visitor.heading("Tagging")
    for label in ("Tag device status", "Tag device risk", "Tag device TF") if off else ():
        visitor.field(label).uncheck()
    visitor.press("Verify and Next")
    if not off:
        # The tags are not there yet: the page says so before it lets anybody on.
        visitor.see("Verify passed with a warning.")
        visitor.press("Verify and Next")


def deployment(visitor: Visitor) -> None:
    visitor.heading("Deployment")
    visitor.press("Finish")
    visitor.at(FINISHED)


def connect(
    visitor: Visitor,
    name: str | None = None,
    groups: tuple[str, ...] = GROUPS,
    beside: Product | None = None,
) -> str:
    """The whole wizard; the path of the integration's page. `beside` another one at that product's UEM."""
    begin(visitor, name)
    if beside:
        elsewhere(visitor, beside)
    server_details(visitor)
    synchronization(visitor, groups)
    tagging(visitor, off=beside is not None)
    deployment(visitor)
    return path_of(visitor.page)


def path_of(page: Page) -> str:
    """The path of the page's address."""
    return re.sub(r"^https?://[^/]+|[?#].*$", "", page.url)


def sync_now(visitor: Visitor) -> None:
    """Press Sync Now and wait for the end of that sync."""
    visitor.page.locator("#status").evaluate("(status) => status.setAttribute('data-before', '')")
    visitor.press("Sync Now")
    expect(visitor.page.locator("#status[data-before]")).to_have_count(0)
    settled(visitor)


def settled(visitor: Visitor) -> None:
    """Load the integration's page again until no sync is under way or asked for."""
    follows = visitor.page.locator("#status[hx-get]")
    expect(visitor.page.locator("#status")).to_be_visible()
    wait_for(lambda: not follows.count() or not visitor.page.reload(), "the end of the sync")
