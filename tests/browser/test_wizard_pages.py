"""The wizard when something is wrong: errors, a UEM in trouble, a lost network, a lost session (rung B)."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Route, expect

from tests.browser import wizard
from tests.browser.conftest import Arrive
from tests.browser.product import Product
from tests.browser.visitor import Visitor
from tests.conftest import ADMINISTRATOR, PASSWORD

pytestmark = pytest.mark.browser

FAULTS = [
    ("unauthorized", "401"),
    ("server_error", "503"),
    ("html", "HTML"),
    ("forbidden", "403"),
    ("dropped", "connection"),
]


def test_the_error_summary_has_the_focus_and_its_links_lead_to_the_fields(signed_in: Visitor) -> None:
    wizard.begin(signed_in)
    signed_in.field("Display Name").fill("")
    signed_in.field("Client ID").fill("typed by me")
    signed_in.field("Server Address").fill("")
    signed_in.press("Verify")
    summary = signed_in.page.get_by_role("alert")
    expect(summary).to_be_focused()
    expect(summary).to_contain_text("2 things need your attention")
    summary.get_by_role("link", name=re.compile("^Server Address")).click()
    expect(signed_in.field("Server Address")).to_be_focused()
    expect(signed_in.field("Server Address")).to_have_attribute("aria-invalid", "true")
    expect(signed_in.field("Client ID")).to_have_value("typed by me")


def test_reload_after_errors_leads_back_to_the_page(signed_in: Visitor) -> None:
    wizard.begin(signed_in)
    signed_in.field("Display Name").fill("")
    signed_in.press("Verify")
    signed_in.see("One thing needs your attention")
    signed_in.go(wizard.path_of(signed_in.page))
    signed_in.heading("Server Details")
    expect(signed_in.field("Display Name")).to_have_value("Simulated UEM")


def test_a_uem_in_trouble_fails_one_check_that_says_why_and_leaves_the_rest_untried(
    signed_in: Visitor, product: Product
) -> None:
    wizard.begin(signed_in)
    failed = signed_in.page.locator("#verification .failed")
    for fault, word in FAULTS:
        # What Verify found before is no answer.
        failed.evaluate_all("(found) => found.forEach((result) => result.remove())")
        product.control("faults", kind=fault)
        signed_in.press("Verify")
        expect(failed).to_have_count(1)
        expect(failed).to_contain_text(re.compile(word, re.IGNORECASE))
        expect(failed.locator(".result-advice")).to_be_visible()
        assert signed_in.page.locator("#verification .not_tried").count() > 0
        expect(signed_in.page.get_by_text("Press Verify first")).to_have_count(0)
        signed_in.press("Next")
        signed_in.see("Press Verify first")
        signed_in.settled()
        product.calm()
    wizard.verify(signed_in)
    signed_in.press("Next")
    signed_in.heading("Synchronization")


def test_verify_brings_its_answer_into_view(signed_in: Visitor, product: Product) -> None:
    wizard.begin(signed_in)
    product.control("faults", kind="unauthorized")
    signed_in.press("Verify")
    expect(signed_in.page.locator("#verification .failed")).to_have_count(1)
    expect(signed_in.page.get_by_role("heading", name="Verify")).to_be_in_viewport()


def test_the_list_of_groups_is_filtered_and_chosen_as_one(signed_in: Visitor) -> None:
    wizard.begin(signed_in)
    wizard.server_details(signed_in)
    signed_in.heading("Synchronization")
    groups = signed_in.page.get_by_role("group", name="Group(s)")
    android = signed_in.page.locator("#android-enterprise-groups")
    expect(android).to_contain_text("Choose groups above first.")
    groups.get_by_role("searchbox").fill("drivers")
    shown = groups.locator("li:visible")
    wanted = shown.count()
    assert 0 < wanted < 25
    groups.get_by_role("button", name="All or none").click()
    expect(groups.locator("output")).to_contain_text(f"{wanted} of 25 chosen")
    expect(android.get_by_role("checkbox")).to_have_count(wanted)


@pytest.mark.parametrize("clipboard", [True, False])
def test_the_token_is_copied(
    arrive: Arrive, product: Product, signed_in: Visitor, integration: str, clipboard: bool
) -> None:
    signed_in.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=product.url)
    signed_in.go(integration + "/setup/deployment")
    if not clipboard:
        signed_in.page.add_init_script(
            "Object.defineProperty(Navigator.prototype, 'clipboard', {value: null})"
        )
        signed_in.page.reload()
    signed_in.field("Allow auto device addition prior to device sync").check()
    token = signed_in.field("Token").input_value()
    assert token.startswith("hmtoken_")
    signed_in.page.get_by_role("button", name="Copy to clipboard: Token").click()
    signed_in.see("Copied")
    target = signed_in.page.locator("#announcer")
    expect(target).to_contain_text("Copied to the clipboard.")
    if clipboard:
        assert signed_in.page.evaluate("() => navigator.clipboard.readText()") == token


@pytest.mark.parametrize("clipboard", [True, False])
def test_the_app_configuration_is_copied_row_by_row_and_as_a_whole(
    product: Product, signed_in: Visitor, integration: str, clipboard: bool
) -> None:
    """Plain http on a network has no clipboard: there the old command copies."""
    signed_in.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=product.url)
    if not clipboard:
        signed_in.page.add_init_script(
            "Object.defineProperty(Navigator.prototype, 'clipboard', {value: null})"
        )
    signed_in.go(integration + "/app-configuration")
    for button, start in (("Copy the value of mdm_uuid", "{DeviceUid}"), ("Copy all", "server\t")):
        signed_in.page.get_by_role("button", name=button).click()
        expect(signed_in.page.locator("#announcer")).to_contain_text("Copied to the clipboard.")
        if clipboard:
            text = signed_in.page.evaluate("() => navigator.clipboard.readText()")
            assert text.startswith(start)


def test_a_session_that_expired_in_the_wizard_comes_back_to_the_page(
    signed_in: Visitor, product: Product, integration: str
) -> None:
    signed_in.may_complain("status of 401")
    signed_in.go(integration + "/setup/tagging")
    signed_in.context.add_cookies([{"name": "harmony", "value": "hrmns_expired", "url": product.url}])
    signed_in.page.get_by_role("button", name="Deployment").click()
    signed_in.heading("Sign in to Harmony")
    signed_in.field("User name").fill(ADMINISTRATOR)
    signed_in.field("Password").fill(PASSWORD)
    signed_in.press("Sign in")
    signed_in.at(f"{integration}/setup/tagging")
    signed_in.heading("Tagging")


def test_a_lost_network_is_said_and_the_typed_values_can_be_sent_again(signed_in: Visitor) -> None:
    wizard.begin(signed_in)
    signed_in.may_complain("net::ERR_INTERNET_DISCONNECTED")
    signed_in.may_complain("htmx:")
    signed_in.field("Display Name").fill("Typed before the network went")
    signed_in.context.set_offline(True)
    signed_in.press("Next")
    signed_in.see("The server cannot be reached. The page is unchanged.")
    expect(signed_in.field("Display Name")).to_have_value("Typed before the network went")
    signed_in.context.set_offline(False)
    signed_in.press("Retry")
    signed_in.see("Press Verify first")
    expect(signed_in.page.locator(".toast")).to_have_count(0)
    expect(signed_in.field("Display Name")).to_have_value("Typed before the network went")


def test_an_error_of_the_server_is_said_and_changes_nothing(signed_in: Visitor) -> None:
    wizard.begin(signed_in)
    signed_in.may_complain("status of 500")
    signed_in.may_complain("Response Status Error Code 500")

    def fail(route: Route) -> None:
        route.fulfill(status=500, body="<h1>Broken</h1>")

    signed_in.page.route("**/setup/server", fail)
    signed_in.field("Display Name").fill("Still here")
    signed_in.press("Next")
    signed_in.see("The server could not do this (error 500). The page is unchanged.")
    expect(signed_in.field("Display Name")).to_have_value("Still here")
    signed_in.press("Dismiss")
    expect(signed_in.page.locator(".toast")).to_have_count(0)


def test_the_second_of_two_tabs_is_told_and_keeps_what_was_typed(signed_in: Visitor) -> None:
    path = wizard.begin(signed_in)
    other = signed_in.context.new_page()
    other.goto(signed_in.url + path + "/server")
    other.get_by_label("Display Name", exact=True).fill("From the other tab")
    other.get_by_role("button", name="Next", exact=True).click()
    expect(other.get_by_text("Press Verify first")).to_be_visible()
    other.close()
    signed_in.field("Display Name").fill("From this tab")
    signed_in.press("Next")
    signed_in.see("saved in another tab")
    expect(signed_in.field("Display Name")).to_have_value("From this tab")
    signed_in.press("Next")
    signed_in.see("Press Verify first")
    expect(signed_in.field("Display Name")).to_have_value("From this tab")


def test_the_whole_wizard_can_be_done_with_the_keyboard_alone(new_product: Product, arrive: Arrive) -> None:
    visitor = arrive(new_product.url)
    wizard_begun(visitor, new_product)
    keyboard, page = visitor.page.keyboard, visitor.page
    page.reload()
    keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    keyboard.press("Enter")
    tab_to(visitor, "display_name")
    keyboard.press("ControlOrMeta+a")
    keyboard.type("By keyboard")
    keyboard.press("Enter")
    expect(page.locator("button.secondary", has_text="Verify")).to_be_visible()
    expect(visitor.field("Display Name")).to_have_value("By keyboard")
    press_by_keyboard(visitor, "Next")
    expect(page.get_by_role("heading", level=1, name="Synchronization")).to_be_focused()
    tab_to_value(visitor, "organization:571")
    keyboard.press("Space")
    press_by_keyboard(visitor, "Verify")
    expect(page.locator("button.secondary", has_text="Verify")).to_be_visible()
    press_by_keyboard(visitor, "Next")
    expect(page.get_by_role("heading", level=1, name="Tagging")).to_be_focused()
    press_by_keyboard(visitor, "Verify and Next")
    visitor.see("Verify passed with a warning.")
    press_by_keyboard(visitor, "Verify and Next")
    expect(page.get_by_role("heading", level=1, name="Deployment")).to_be_focused()
    press_by_keyboard(visitor, "Finish")
    visitor.at(wizard.FINISHED)
    visitor.heading("By keyboard")


def wizard_begun(visitor: Visitor, product: Product) -> None:
    """Create the administrator, and open a draft."""
    visitor.go("/")
    visitor.field("Set-up code").fill(product.setup_code)
    visitor.field("User name").fill(ADMINISTRATOR)
    visitor.field("Password").fill(PASSWORD)
    visitor.press("Create the administrator")
    visitor.see("No UEM is connected yet")
    wizard.begin(visitor)


FOCUSED_IS_SEEN = """() => {
  const box = document.activeElement.getBoundingClientRect();
  const bar = document.querySelector(".in-sight");
  const below = bar && box.bottom > bar.getBoundingClientRect().top + 1;
  const covered = below && !bar.contains(document.activeElement);
  return box.top >= 0 && box.bottom <= innerHeight && !covered;
}"""


def tab_until(visitor: Visitor, told: str, wanted: str) -> None:
    """Press Tab until `told` says so of the focused element, which nothing may cover (WCAG 2.4.11)."""
    for _ in range(120):
        visitor.page.keyboard.press("Tab")
        if visitor.page.evaluate(f"() => {told}") == wanted:
            assert visitor.page.evaluate(FOCUSED_IS_SEEN), f"{wanted} is covered"
            return
    raise AssertionError(f"Tab never reaches {wanted}")


def press_by_keyboard(visitor: Visitor, name: str) -> None:
    """Press the button of this name once it has the focus; one that nobody sees is not meant."""
    told = "document.activeElement.ariaHidden ? '' : document.activeElement.textContent.trim()"
    tab_until(visitor, told, name)
    visitor.page.keyboard.press("Enter")


def tab_to_value(visitor: Visitor, value: str) -> None:
    tab_until(visitor, "document.activeElement.value", value)


def tab_to(visitor: Visitor, id_: str) -> None:
    tab_until(visitor, "document.activeElement.id", id_)
