"""Pages that are left, warned of, or sent after the session has ended, as a person meets them (rung B)."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from contextlib import closing

import pytest
from playwright.sync_api import StorageState, expect

from tests.browser import wizard
from tests.browser.conftest import Arrive
from tests.browser.product import Product
from tests.browser.visitor import Visitor
from tests.conftest import ADMINISTRATOR, PASSWORD

pytestmark = pytest.mark.browser

LOOKS = [("light", 1280), ("dark", 1280), ("light", 320)]


def expire(product: Product, visitor: Visitor) -> None:
    """The session of this visitor was last seen an hour ago."""
    [token] = [str(one.get("value")) for one in visitor.context.cookies() if one.get("name") == "harmony"]
    file = product.output.parent / "data/harmony.db"
    with closing(sqlite3.connect(file, timeout=30)) as database, database:
        database.execute(
            "UPDATE sign_in_session SET seen_at = datetime(seen_at, '-1 hour') || '.000000'"
            " WHERE token_hash = ?",
            (hashlib.sha256(token.encode()).hexdigest(),),
        )


def sign_in(visitor: Visitor) -> None:
    visitor.heading("Sign in to Harmony")
    visitor.field("User name").fill(ADMINISTRATOR)
    visitor.field("Password").fill(PASSWORD)
    visitor.press("Sign in")


def has_no_fault(visitor: Visitor) -> None:
    """The page is right for everybody, in both themes and on the narrowest screen."""
    for theme, width in LOOKS:
        visitor.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # a Literal there
        visitor.page.set_viewport_size({"width": width, "height": 900})
        assert visitor.audit() == []
        assert visitor.too_wide() == []


@pytest.mark.parametrize("javascript", [True, False])
def test_what_was_typed_survives_leaving_and_the_end_of_the_session(
    arrive: Arrive, product: Product, session_cookies: StorageState, javascript: bool
) -> None:
    assert session_cookies["cookies"]
    visitor = arrive(product.url, java_script_enabled=javascript)
    visitor.may_complain("status of 401")
    visitor.go("/sign-in")
    sign_in(visitor)
    visitor.see("Settings")  # in the navigation, which only who is signed in has
    setup = wizard.begin(visitor)
    visitor.field("Display Name").fill("")
    visitor.field("Client ID").fill("typed by me")
    visitor.press("Finish later")
    visitor.at("/integrations")
    visitor.see("Server Details is kept as you left it.")
    visitor.go(setup)
    visitor.see("These values were left incomplete.")
    expect(visitor.field("Client ID")).to_have_value("typed by me")
    expect(visitor.page.locator("#display_name-error")).to_be_visible()
    if javascript:
        has_no_fault(visitor)
    visitor.field("Display Name").fill("After lunch")
    expire(product, visitor)
    visitor.press("Verify")
    visitor.see("What you typed is kept for an hour")
    sign_in(visitor)
    visitor.see("You were signed out before this was sent.")
    expect(visitor.field("Display Name")).to_have_value("After lunch")
    expect(visitor.field("Client ID")).to_have_value("typed by me")
    visitor.press("Discard changes")
    visitor.heading("Server Details")
    expect(visitor.field("Display Name")).not_to_have_value("After lunch")


def test_enter_in_a_field_verifies_and_does_not_leave(signed_in: Visitor) -> None:
    wizard.begin(signed_in)
    signed_in.field("Display Name").press("Enter")
    signed_in.see("Read smart groups")
    signed_in.heading("Server Details")
    assert "/setup/server" in signed_in.page.url


def test_warnings_are_seen_untried_checks_are_called_so_and_all_tags_adopted_at_once(
    signed_in: Visitor, product: Product
) -> None:
    wizard.begin(signed_in)
    wizard.elsewhere(signed_in, product)
    wizard.verify(signed_in)
    untried = signed_in.page.locator("#verification li.not_tried", has_text="Assign tags")
    expect(untried).to_contain_text("Not tried")
    expect(untried.locator("svg").first).to_be_visible()
    signed_in.press("Next")
    wizard.synchronization(signed_in, ("organization:572",))
    signed_in.heading("Tagging")
    signed_in.page.locator("summary", has_text="Advanced").click()
    signed_in.field("Prefix").fill("WALK_")
    signed_in.press("Verify and Next")
    signed_in.see("Verify passed with a warning.")
    signed_in.press("Create missing tags")
    signed_in.see("Created in the UEM")
    signed_in.press("Discard")
    signed_in.press("Remove")
    signed_in.at("/integrations")
    wizard.begin(signed_in)
    wizard.elsewhere(signed_in, product)
    wizard.server_details(signed_in)
    wizard.synchronization(signed_in, ("organization:572",))
    signed_in.heading("Tagging")
    signed_in.page.locator("summary", has_text="Advanced").click()
    signed_in.field("Prefix").fill("WALK_")
    signed_in.press("Verify and Next")
    signed_in.see("Made by Harmony earlier")
    has_no_fault(signed_in)
    signed_in.press("Adopt all 6")
    expect(signed_in.page.locator("#verification [data-state=ok]")).to_have_count(6, timeout=15_000)
    signed_in.press("Verify and Next")
    signed_in.at(re.compile(r"/setup/deployment$"))
