"""Sync history and audit in a real browser: a run is followed to its end, lists are saved (rung B)."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import wizard
from tests.browser.product import Product
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser


def test_a_run_is_followed_to_its_end_without_a_reload(
    signed_in: Visitor, product: Product, integration: str
) -> None:
    product.control("latency", ms=1500)
    signed_in.go(integration)
    signed_in.press("Sync Now")
    expect(signed_in.page.locator("#status progress")).to_be_visible(timeout=15_000)
    signed_in.page.get_by_role("link", name="All runs").click()
    signed_in.heading("Runs of Head office")
    signed_in.page.locator("tbody th a").first.click()
    expect(signed_in.page.locator("#run[hx-get] progress")).to_be_visible()
    before = signed_in.page.url
    product.calm()
    expect(signed_in.page.locator("#run:not([hx-get])")).to_be_visible(timeout=60_000)
    expect(signed_in.page.locator("#run progress")).to_have_count(0)
    assert signed_in.page.url == before
    signed_in.go(integration)
    wizard.settled(signed_in)


@pytest.mark.parametrize("path", ["/audit", "runs"])
def test_a_list_is_saved_as_a_file_and_the_page_stays(
    signed_in: Visitor, integration: str, path: str, tmp_path: Path
) -> None:
    signed_in.go(path if path.startswith("/") else f"{integration}/{path}")
    with signed_in.page.expect_download() as download:
        signed_in.page.get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "list.csv")
    assert (tmp_path / "list.csv").read_bytes().startswith(b"\xef\xbb\xbfid,")
    expect(signed_in.page.locator("table")).to_be_visible()
