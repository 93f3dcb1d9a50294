"""The navigation: a Settings menu, and on a small screen one row that opens without JavaScript (rung B)."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, StorageState, expect

from tests.browser.conftest import Arrive
from tests.browser.product import Product
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser

SETTINGS = ["Integrations", "Policy", "Messages", "Notices", "Audit Trail"]
ONE_ROW = 60
# How many lines the cells of each row stand in; cells of a line do not begin at quite the same height.
LINES = """(rows) => rows.map((row) => {
  const tops = [...row.children].map((cell) => cell.getBoundingClientRect()).filter((box) => box.height)
    .map((box) => box.top).sort((a, b) => a - b);
  return tops.filter((top, index) => index === 0 || top - tops[index - 1] > 8).length;
})"""


def main_links(page: Page) -> list[str]:
    links = page.get_by_role("navigation", name="Main").get_by_role("link")
    return [text.strip() for text in links.all_inner_texts()]


def test_settings_opens_with_what_is_set_up_once_and_marks_the_page(signed_in: Visitor) -> None:
    page = signed_in.go("/devices")
    assert not set(main_links(page)) & set(SETTINGS)
    page.get_by_text("Settings", exact=True).click()
    assert [link for link in main_links(page) if link in SETTINGS] == SETTINGS
    page.get_by_role("link", name="Policy", exact=True).click()
    signed_in.heading("Policy")
    expect(page.locator(".mainnav summary.current")).to_have_text("Settings")
    expect(page.get_by_role("link", name="Policy", exact=True)).to_be_hidden()


def test_escape_closes_settings_and_gives_the_focus_back(signed_in: Visitor) -> None:
    page = signed_in.go("/devices")
    settings = page.locator(".mainnav summary")
    settings.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Audit Trail", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Audit Trail", exact=True)).to_be_hidden()
    expect(settings).to_be_focused()


@pytest.mark.parametrize("width", [320, 390])
@pytest.mark.parametrize("script", [True, False])
def test_on_a_small_screen_the_navigation_is_one_row_that_opens(
    arrive: Arrive, product: Product, session_cookies: StorageState, width: int, script: bool
) -> None:
    viewport = {"width": width, "height": 700}
    visitor = arrive(
        product.url, storage_state=session_cookies, viewport=viewport, java_script_enabled=script
    )
    page = visitor.go("/devices")
    assert main_links(page) == []
    box = page.locator(".topbar").bounding_box()
    assert box
    assert box["height"] <= ONE_ROW
    page.locator(".nav-toggle summary").click()
    page.get_by_text("Settings", exact=True).click()
    page.get_by_role("link", name="Messages", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="Messages")).to_be_visible()
    assert main_links(page) == []
    expect(page.locator(".nav-toggle summary")).to_contain_text("Messages")


@pytest.mark.parametrize("path", ["/settings/proxy", "/settings/single-sign-on", "/demo/device"])
def test_the_longest_names_of_pages_leave_the_navigation_one_row(
    arrive: Arrive, product: Product, session_cookies: StorageState, path: str
) -> None:
    visitor = arrive(product.url, storage_state=session_cookies, viewport={"width": 320, "height": 700})
    box = visitor.go(path).locator(".topbar").bounding_box()
    assert box
    assert box["height"] <= ONE_ROW


@pytest.mark.usefixtures("integration")
def test_a_device_is_three_lines_at_most_on_the_smallest_screen(
    arrive: Arrive, product: Product, session_cookies: StorageState
) -> None:
    visitor = arrive(product.url, storage_state=session_cookies, viewport={"width": 320, "height": 700})
    visitor.go("/devices?state=&sort=name")
    lines: list[int] = visitor.page.locator("#device-rows tr").evaluate_all(LINES)
    assert len(lines) == 50
    assert max(lines) <= 3, lines


def test_the_open_navigation_is_accessible_and_fits(
    arrive: Arrive, product: Product, session_cookies: StorageState
) -> None:
    visitor = arrive(product.url, storage_state=session_cookies, viewport={"width": 320, "height": 700})
    page = visitor.go("/integrations")
    page.locator(".nav-toggle summary").click()
    page.locator(".mainnav summary").click()
    assert visitor.audit() == []
    assert visitor.too_wide() == []


def test_on_a_small_screen_a_list_without_a_search_offers_its_filters_with_one_button(
    arrive: Arrive, product: Product, session_cookies: StorageState, integration: str
) -> None:
    visitor = arrive(product.url, storage_state=session_cookies, viewport={"width": 320, "height": 640})
    page = visitor.go(integration + "/runs")
    apply = page.get_by_role("button", name="Apply", exact=True)
    expect(apply).to_be_hidden()
    page.get_by_text("Filters", exact=True).click()
    expect(apply).to_be_visible()


def test_actions_stay_beside_the_heading_however_long_the_lead_is(
    signed_in: Visitor, integration: str
) -> None:
    page = signed_in.go(integration + "/jobs/apps")
    heading, action = (page.locator(part).first.bounding_box() for part in ("h1", ".actions button"))
    assert heading
    assert action
    assert abs(heading["y"] - action["y"]) < ONE_ROW / 2
