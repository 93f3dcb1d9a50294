"""The devices: search, pages with real addresses, names that are text and nothing else (rung B)."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser import wizard
from tests.browser.product import Product
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser

SCRIPT = "<script>alert(document.domain)</script>"


def names(visitor: Visitor) -> list[str]:
    return visitor.page.locator("tbody th a:not(.small)").all_inner_texts()


def total(visitor: Visitor) -> int:
    return int(re.sub(r"\D", "", visitor.page.locator(".lead").inner_text()))


@pytest.mark.usefixtures("integration")
def test_search_finds_a_device_by_its_serial_and_clear_all_brings_the_rest_back(signed_in: Visitor) -> None:
    signed_in.go("/devices")
    row = signed_in.page.locator("tbody tr").nth(3)
    serial, name = row.locator('[data-label="Serial"]').inner_text(), row.locator("th a").inner_text()
    signed_in.page.get_by_role("searchbox").fill(serial)
    signed_in.press("Search")
    signed_in.at(re.compile(rf"[?&]q={re.escape(serial)}"))
    expect(signed_in.page.locator("tbody tr")).to_have_count(1)
    assert names(signed_in) == [name]
    assert signed_in.page.get_by_role("searchbox").input_value() == serial
    signed_in.page.get_by_role("link", name="Clear all").click()
    expect(signed_in.page.locator("tbody tr")).to_have_count(50)


@pytest.mark.usefixtures("integration")
def test_every_device_stands_on_exactly_one_page_and_each_page_has_an_address(signed_in: Visitor) -> None:
    signed_in.go("/devices")
    seen, addresses = [names(signed_in)], [signed_in.page.url]
    while signed_in.page.get_by_role("button", name="Next").count():
        signed_in.press("Next")
        expect(signed_in.page).not_to_have_url(addresses[-1])
        addresses.append(signed_in.page.url)
        seen.append(names(signed_in))
    assert sum(map(len, seen)) == total(signed_in)
    assert len(set(addresses)) == len(addresses) > 3
    signed_in.press("Previous")
    expect(signed_in.page).not_to_have_url(addresses[-1])
    assert names(signed_in) == seen[-2]
    signed_in.page.go_back()
    expect(signed_in.page).to_have_url(addresses[-1])
    expect(signed_in.page.locator("tbody tr")).to_have_count(len(seen[-1]))
    assert names(signed_in) == seen[-1]
    signed_in.page.goto(addresses[1])
    assert names(signed_in) == seen[1]


@pytest.mark.usefixtures("integration")
def test_back_from_a_device_returns_to_the_page_of_the_list(signed_in: Visitor) -> None:
    signed_in.go("/devices?q=android")
    signed_in.press("Next")
    signed_in.at(re.compile("after="))
    address, before = signed_in.page.url, names(signed_in)
    signed_in.page.locator("tbody th a").first.click()
    signed_in.heading(before[0])
    signed_in.page.go_back()
    expect(signed_in.page).to_have_url(address)
    expect(signed_in.page.locator("tbody th a").first).to_have_text(before[0])


@pytest.mark.usefixtures("integration")
def test_a_hostile_name_is_text_on_every_page(signed_in: Visitor) -> None:
    asked: list[str] = []
    signed_in.page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    signed_in.go("/devices?q=script")
    link = signed_in.page.get_by_role("link", name=SCRIPT, exact=True).first
    expect(link).to_be_visible()
    expect(signed_in.page.locator("main script, main img")).to_have_count(0)
    link.click()
    signed_in.heading(SCRIPT)
    signed_in.see("<img src=x onerror=1>")
    expect(signed_in.page.locator("main script, main img")).to_have_count(0)
    assert asked == []


def test_a_device_that_left_the_uem_is_shown_as_missing_and_kept(
    signed_in: Visitor, product: Product, integration: str
) -> None:
    signed_in.go("/devices?q=apple")
    name = names(signed_in)[0]
    signed_in.page.locator("tbody th a").first.click()
    signed_in.heading(name)
    id_ = signed_in.page.locator("dt:text-is('Id') + dd").inner_text()
    product.control("devices/remove", ids=[int(id_)])
    signed_in.go(integration)
    wizard.sync_now(signed_in)
    signed_in.page.get_by_role("link", name=re.compile("^1 Missing$")).click()
    signed_in.heading("Devices")
    assert names(signed_in) == [name]
    expect(signed_in.page.locator('tbody [data-state="missing"]')).to_have_count(1)
    signed_in.page.locator("tbody th a").first.click()
    signed_in.see("It is kept, and counts again as soon as the UEM lists it")


ROW_HEIGHTS = "() => [...document.querySelectorAll('tbody tr')].map(row => row.offsetHeight)"


@pytest.mark.usefixtures("integration")
@pytest.mark.parametrize("path", ["/devices", "/apps", "/audit", "{}/runs", "{}/timeline", "{}/tags"])
def test_on_a_small_screen_most_rows_of_a_long_list_take_three_lines(
    signed_in: Visitor, integration: str, path: str
) -> None:
    signed_in.page.set_viewport_size({"width": 320, "height": 900})
    signed_in.go(path.format(integration))
    signed_in.page.locator("tbody tr").first.wait_for()
    heights = sorted(signed_in.page.evaluate(ROW_HEIGHTS))
    assert heights[len(heights) // 2] <= 100


BOTTOMS = """() => [...document.querySelectorAll(".filters > :is(label, .search, button)")]
  .map((control) => Math.round(control.getBoundingClientRect().bottom))"""


@pytest.mark.usefixtures("integration")
def test_the_filters_of_the_audit_trail_take_one_line(signed_in: Visitor) -> None:
    signed_in.go("/audit")
    expect(signed_in.page.locator("select[name=integration]")).to_be_visible()
    bottoms = signed_in.page.evaluate(BOTTOMS)
    assert len(bottoms) == 8
    assert max(bottoms) - min(bottoms) <= 2
