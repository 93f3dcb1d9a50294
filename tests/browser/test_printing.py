"""Printed pages fit on paper (rung: browser)."""

from __future__ import annotations

import io

import pytest
from playwright.sync_api import expect
from pypdf import PdfReader

from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser
A4_POINTS = (595, 842)


def test_integration_information_fits_a_page_of_a4(signed_in: Visitor, integration: str) -> None:
    signed_in.go(integration + "/information")
    signed_in.heading("Integration Information")
    pages = PdfReader(io.BytesIO(signed_in.page.pdf(format="A4"))).pages
    [size] = [page.mediabox[2:] for page in pages]
    assert [float(side) for side in size] == pytest.approx(A4_POINTS, abs=1)
    printed = pages[0].extract_text()
    for word in ("Server Address", "Device sync interval", "CHKP_Risk_High", "Token"):
        assert word in printed
    assert "Sign out" not in printed
    assert "Policy" not in printed


def test_a_list_is_printed_without_what_only_a_screen_needs(signed_in: Visitor, integration: str) -> None:
    signed_in.go("/devices")
    signed_in.heading("Devices")
    printed = PdfReader(io.BytesIO(signed_in.page.pdf(format="A4"))).pages[0].extract_text()
    name = signed_in.page.locator("tbody th a").first.inner_text()
    assert "".join(name.split()) in "".join(printed.split())
    for word in ("Sign out", "Search", "Next"):
        assert word not in printed


def test_what_is_folded_is_printed(signed_in: Visitor, integration: str) -> None:
    signed_in.go(integration + "/setup/server")
    folded = signed_in.page.locator(".passed")
    expect(folded).not_to_have_attribute("open", "")
    printed = "".join(
        page.extract_text() for page in PdfReader(io.BytesIO(signed_in.page.pdf(format="A4"))).pages
    )
    for name in folded.locator("strong").all_text_contents():
        assert name in printed
