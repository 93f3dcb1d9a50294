"""Single sign-on at a certified provider: tested, saved, used, signed out of on both sides (rung B)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Arrive
from tests.browser.oidc_provider import CLIENT_ID, CLIENT_SECRET, running_provider
from tests.browser.product import Product
from tests.browser.visitor import Visitor
from tests.conftest import ADMINISTRATOR, PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("session_cookies")]

SETTINGS = "/settings/single-sign-on"
RULES = "harmony-admins = administrator\nharmony-operators = operator"


@pytest.fixture(scope="module")
def issuer(shared: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The provider that the product's people are at; it knows a browser by its cookies."""
    with running_provider(shared.url, tmp_path_factory.mktemp("provider") / "output.txt") as issuer:
        yield issuer


@pytest.fixture
def administrator(arrive: Arrive, product: Product) -> Iterator[Visitor]:
    """The local administrator, signed in just now; single sign-on is removed afterwards."""
    visitor = without_fonts(arrive(product.url))
    visitor.go("/sign-in")
    visitor.field("User name").fill(ADMINISTRATOR)
    visitor.field("Password").fill(PASSWORD)
    visitor.press("Sign in")
    expect(visitor.page).not_to_have_url(product.url + "/sign-in")
    yield visitor
    visitor.go(SETTINGS)
    visitor.press("Remove")
    visitor.see("Single sign-on was removed.")


@pytest.fixture
def stranger(visitor: Visitor) -> Visitor:
    """Somebody who is signed in nowhere."""
    return without_fonts(visitor)


def without_fonts(visitor: Visitor) -> Visitor:
    """Answer for the font that the pages of the provider ask the internet for."""
    visitor.context.route("https://fonts.googleapis.com/**", lambda route: route.fulfill(body=""))
    return visitor


def fill(visitor: Visitor, issuer: str) -> None:
    visitor.go(SETTINGS)
    for label, value in (
        ("Name", "Example ID"),
        ("Issuer", issuer),
        ("Client ID", CLIENT_ID),
        ("Client secret", CLIENT_SECRET),
        ("Scopes", "openid profile groups"),
        ("Rules", RULES),
    ):
        visitor.field(label).fill(value)


def save(visitor: Visitor, issuer: str) -> None:
    fill(visitor, issuer)
    visitor.press("Save")
    visitor.see("Single sign-on was saved.")


def sign_in_there(visitor: Visitor, name: str) -> None:
    """Fill in the pages of the provider; any password is right."""
    visitor.page.get_by_placeholder("Enter any login").fill(name)
    visitor.page.get_by_placeholder("and password").fill("any")
    visitor.page.get_by_role("button", name="Sign-in").click()
    visitor.page.get_by_role("button", name="Continue").click()


def sign_in(visitor: Visitor, name: str) -> None:
    visitor.go("/devices")
    visitor.press("Sign in with Example ID")
    sign_in_there(visitor, name)


def test_a_test_says_who_one_would_be_and_its_values_are_saved(
    administrator: Visitor, visitor: Visitor, issuer: str
) -> None:
    fill(administrator, issuer)
    administrator.press("Test")
    administrator.heading("Test of single sign-on")
    administrator.press("Sign in at Example ID")
    sign_in_there(administrator, "kim")
    administrator.see("You would be: operator by rule 2.")
    administrator.see("everybody, harmony-operators")
    visitor.go("/sign-in")
    expect(visitor.page.get_by_text("Sign in with Example ID")).to_have_count(0)
    administrator.press("Save these values")
    administrator.see("Single sign-on was saved.")
    visitor.go("/sign-in")
    expect(visitor.page.get_by_text("Sign in with Example ID")).to_have_count(1)


@pytest.mark.parametrize("javascript", [True, False])
def test_somebody_signs_in_and_out_on_both_sides(
    administrator: Visitor, arrive: Arrive, product: Product, issuer: str, javascript: bool
) -> None:
    save(administrator, issuer)
    visitor = without_fonts(arrive(product.url, java_script_enabled=javascript))
    sign_in(visitor, "kim")
    visitor.at("/devices")
    visitor.page.locator("summary", has_text="kim").click()
    visitor.press("Sign out")
    visitor.heading("You are signed out of Harmony")
    visitor.press("Sign out of Example ID too")
    visitor.page.get_by_role("button", name="Yes, sign me out").click()
    visitor.heading("Sign in to Harmony")
    visitor.press("Sign in with Example ID")
    expect(visitor.page.get_by_placeholder("Enter any login")).to_be_visible()


def test_who_matches_no_rule_reads_why_and_a_cancelled_sign_in_is_said(
    administrator: Visitor, stranger: Visitor, issuer: str
) -> None:
    save(administrator, issuer)
    stranger.may_complain("status of 403")
    sign_in(stranger, "lou")
    stranger.heading("You are not signed in")
    stranger.see("No rule matches your groups: everybody.")
    stranger.press("Back to sign-in")
    stranger.context.clear_cookies()
    stranger.go("/sign-in")
    stranger.press("Sign in with Example ID")
    stranger.page.get_by_role("link", name=re.compile("Cancel")).click()
    stranger.see("declined or cancelled there")


def test_a_logout_at_the_provider_ends_the_session_here(
    administrator: Visitor, stranger: Visitor, issuer: str
) -> None:
    save(administrator, issuer)
    sign_in(stranger, "ada")
    stranger.at("/devices")
    stranger.page.goto(f"{issuer}/session/end")
    stranger.page.get_by_role("button", name="Yes, sign me out").click()
    expect(stranger.page.get_by_text("Sign-out Success")).to_be_visible()
    stranger.go("/devices")
    stranger.heading("Sign in to Harmony")
