"""Keyboard shortcuts in a real browser (rung B)."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser


def test_slash_finds_the_search_and_g_and_a_letter_lead_to_a_page(signed_in: Visitor) -> None:
    signed_in.go("/devices?q=no+such+device")
    search = signed_in.page.locator('main input[type="search"]').first
    signed_in.page.keyboard.press("/")
    expect(search).to_be_focused()
    signed_in.page.keyboard.type("ge/?")
    expect(search).to_have_value("ge/?")
    signed_in.at("/devices?q=no+such+device")
    search.blur()
    signed_in.page.keyboard.type("ge")
    signed_in.heading("Events")


def test_the_question_mark_opens_the_sheet_over_what_was_typed(signed_in: Visitor) -> None:
    signed_in.go("/settings/policy")
    signed_in.field("Days until Inactive").fill("12")
    signed_in.field("Days until Inactive").blur()
    signed_in.page.keyboard.press("?")
    dialog = signed_in.page.get_by_role("dialog", name="Keys")
    expect(dialog).to_be_visible()
    assert signed_in.audit() == []
    signed_in.page.keyboard.type("ge")
    signed_in.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(signed_in.field("Days until Inactive")).to_have_value("12")


def test_switched_off_they_do_nothing(signed_in: Visitor) -> None:
    signed_in.go("/shortcuts")
    signed_in.press("Switch off")
    signed_in.see("Switch on")
    signed_in.page.keyboard.type("ge")
    signed_in.at("/shortcuts")
    signed_in.press("Switch on")
    signed_in.see("Switch off")
    signed_in.page.keyboard.type("ge")
    signed_in.heading("Events")
