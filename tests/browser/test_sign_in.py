"""Signing in and out, the theme, and addresses that are not there (rung B)."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Arrive
from tests.browser.product import Product
from tests.browser.visitor import Visitor
from tests.conftest import ADMINISTRATOR, PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("session_cookies")]


def sign_in(visitor: Visitor, name: str, password: str) -> None:
    visitor.field("User name").fill(name)
    visitor.field("Password").fill(password)
    visitor.press("Sign in")


def test_a_wrong_password_is_answered_in_the_summary_which_has_the_focus(visitor: Visitor) -> None:
    visitor.go("/sign-in")
    sign_in(visitor, ADMINISTRATOR, "wrong")
    summary = visitor.page.get_by_role("alert")
    expect(summary).to_contain_text("User name and password do not match.")
    expect(summary).to_be_focused()
    expect(visitor.field("User name")).to_have_value(ADMINISTRATOR)
    expect(visitor.field("Password")).to_have_value("")


def test_too_many_tries_are_told_how_long_to_wait(visitor: Visitor) -> None:
    visitor.go("/sign-in")
    for _ in range(5):
        sign_in(visitor, "mallory", "guess")
        visitor.see("do not match")
    sign_in(visitor, "mallory", "guess")
    visitor.see("This was tried too often. Wait")


def test_signing_in_leads_to_the_page_that_was_asked_for_and_signing_out_closes_it(visitor: Visitor) -> None:
    visitor.go("/devices?q=android")
    visitor.heading("Sign in to Harmony")
    sign_in(visitor, ADMINISTRATOR, PASSWORD)
    visitor.at("/devices?q=android")
    visitor.page.get_by_text(ADMINISTRATOR, exact=True).first.click()
    visitor.press("Sign out")
    visitor.heading("Sign in to Harmony")
    visitor.go("/devices")
    visitor.heading("Sign in to Harmony")


@pytest.mark.parametrize("javascript", [True, False])
def test_the_chosen_theme_is_kept(arrive: Arrive, product: Product, javascript: bool) -> None:
    visitor = arrive(product.url, java_script_enabled=javascript, color_scheme="light")
    visitor.go("/sign-in")
    ground = "() => getComputedStyle(document.documentElement).backgroundColor"
    light = visitor.page.evaluate(ground)
    visitor.press("Dark")
    expect(visitor.page.get_by_role("button", name="Dark", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    visitor.go("/setup")
    assert visitor.page.evaluate(ground) != light
    visitor.press("Auto")
    expect(visitor.page.locator('html[data-theme="auto"]')).to_have_count(1)
    assert visitor.page.evaluate(ground) == light


def test_an_address_that_is_not_there_leads_back(signed_in: Visitor, integration: str) -> None:
    assert integration  # without one there is no overview
    signed_in.go("/integrations/999999")
    signed_in.heading("Not found")
    signed_in.press("Go to the overview")
    signed_in.heading("Overview")
