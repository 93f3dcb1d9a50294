"""Every page in every look: nothing for axe to find, no sideways scroll, a silent console (rung B)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from zlib import crc32

import pytest
from playwright.sync_api import Browser, StorageState, expect

from harmony.clock import now
from tests.browser import wizard
from tests.browser.conftest import WINDOW, Arrive, confirm_session, visiting
from tests.browser.product import Product
from tests.browser.test_demo_device import take_an_android_device
from tests.browser.visitor import Visitor
from tests.sampling import sample
from tests.waiting import wait_for

# Half of the time of all browser tests, and so a group with a product of its own.
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("every page")]

# Colours change with the theme and layout with the width: the audited two cover both. Of a page `make test`
# audits one of them, as its name falls, and `make soak` both.
AUDITED = [("light", 1280), ("dark", 320)]
LOOKS = sample(AUDITED, [("light", 1280), ("light", 320), ("dark", 320)])
BAD_PAGE = """<html><body><img src="x.png"><button></button><input type="text">
<p style="color: #ccc; background: #fff">Pale</p><a href="/"></a></body></html>"""

Bring = Callable[[Visitor, Product, str], None]


def plain(path: str) -> Bring:
    """A page that is there by its address alone."""

    def bring(visitor: Visitor, _product: Product, _integration: str) -> None:
        visitor.go(path)

    return bring


def part(suffix: str) -> Bring:
    """A page of the integration that is there by its address alone."""

    def bring(visitor: Visitor, _product: Product, integration: str) -> None:
        visitor.go(integration + suffix)

    return bring


def server_errors(visitor: Visitor, _product: Product, _integration: str) -> None:
    visitor.go("/integrations/new")
    visitor.press("Workspace ONE UEM")
    visitor.heading("Server Details")
    visitor.field("Server uses self-signed certificate").check()
    visitor.field("Display Name").fill("")
    visitor.press("Verify")
    visitor.see("need your attention")


def server_failed(visitor: Visitor, product: Product, _integration: str) -> None:
    wizard.begin(visitor)
    product.control("faults", kind="unauthorized")
    visitor.press("Verify")
    expect(visitor.page.locator("#verification .failed")).to_have_count(1)


def synchronization_errors(visitor: Visitor, _product: Product, _integration: str) -> None:
    wizard.begin(visitor)
    wizard.server_details(visitor)
    visitor.heading("Synchronization")
    visitor.page.get_by_text("Advanced").click()
    visitor.field("Device sync interval").fill("15")
    visitor.press("Verify")
    visitor.see("2 things need your attention")


def synchronization_verified(visitor: Visitor, _product: Product, integration: str) -> None:
    visitor.go(integration + "/setup/synchronization")
    expect(visitor.page.locator("#verification .results, #verification .passed").first).to_be_visible()


def synchronization_overlap(visitor: Visitor, _product: Product, _integration: str) -> None:
    wizard.begin(visitor)
    wizard.server_details(visitor)
    visitor.heading("Synchronization")
    visitor.page.locator('input[name="groups"][value="organization:571"]').check()
    visitor.press("Verify")
    visitor.see("(in Head office)")


def tagging_verified(visitor: Visitor, _product: Product, integration: str) -> None:
    visitor.go(integration + "/setup/tagging")
    expect(visitor.page.locator("#verification .results, #verification .passed").first).to_be_visible()


def tagging_errors(visitor: Visitor, product: Product, _integration: str) -> None:
    """Two errors of the form; below them what Verify found before."""
    wizard.begin(visitor)
    wizard.elsewhere(visitor, product)
    wizard.server_details(visitor)
    wizard.synchronization(visitor, ("organization:572",))
    visitor.heading("Tagging")
    visitor.press("Verify")
    visitor.see("Tags that are needed")
    visitor.page.locator("summary", has_text="Advanced").click()
    visitor.field("High").fill("")
    visitor.field("Low").fill("CHKP_TF_ROOTED")
    visitor.press("Verify and Next")
    visitor.see("2 things need your attention")


def tags(visitor: Visitor, _product: Product, integration: str) -> None:
    provisioned = visitor.page.get_by_role("link", name="CHKP_Status_Provisioned")
    wait_for(lambda: visitor.go(integration + "/tags") and provisioned.count(), "the first push of tags", 60)


def tag_devices(visitor: Visitor, product: Product, integration: str) -> None:
    tags(visitor, product, integration)
    visitor.page.get_by_role("link", name="CHKP_Status_Provisioned").click()
    # The same words are a choice of the filter, which a closed list hides.
    expect(visitor.page.get_by_role("cell", name="On the device").first).to_be_visible()


def tagging_leaving(visitor: Visitor, product: Product, integration: str) -> None:
    tags(visitor, product, integration)
    visitor.go(integration + "/jobs/tagging")
    # Only tags that were written can remain.
    expect(visitor.page.locator("tbody .badge[data-state=ok]").first).to_be_visible(timeout=90_000)
    visitor.go(integration + "/setup/tagging")
    visitor.field("Tag device status").uncheck()
    visitor.press("Verify and Save")
    remain = visitor.page.get_by_role("heading", name="Tags that remain on devices")
    warned = visitor.page.get_by_text("press Verify and Save again")
    expect(remain.or_(warned).first).to_be_visible(timeout=15_000)
    if warned.count():  # such as of tags that are just being written
        visitor.press("Verify and Save")
    visitor.heading("Tags that remain on devices")


def running(visitor: Visitor, product: Product, integration: str) -> None:
    product.control("latency", ms=2000)
    visitor.go(integration)
    visitor.press("Sync Now")
    expect(visitor.page.locator("#status progress")).to_be_visible(timeout=15_000)


def paused(visitor: Visitor, _product: Product, integration: str) -> None:
    visitor.go(integration)
    visitor.choose("Pause")
    visitor.see("Paused: no sync starts")


def failed(visitor: Visitor, product: Product, integration: str) -> None:
    product.control("faults", kind="unauthorized")
    visitor.go(integration)
    wizard.sync_now(visitor)
    visitor.see("Sign-in refused")


def one_device(visitor: Visitor, _product: Product, _integration: str) -> None:
    visitor.go("/devices?q=script")
    visitor.page.locator("tbody th a").first.click()
    visitor.see("Organization group")


def apps_read(visitor: Visitor, integration: str) -> None:
    """Wait until the worker has read the apps of the devices."""
    visitor.go(integration + "/jobs/apps")
    expect(visitor.page.locator("tbody .badge[data-state=ok]").first).to_be_visible(timeout=90_000)


def apps(visitor: Visitor, _product: Product, integration: str) -> None:
    apps_read(visitor, integration)
    visitor.go("/apps")
    visitor.see("com.example.photos")


def one_app(visitor: Visitor, product: Product, integration: str) -> None:
    apps(visitor, product, integration)
    visitor.page.get_by_role("link", name="Calendar").first.click()
    visitor.see("Edit app exception")


def app_errors(visitor: Visitor, product: Product, integration: str) -> None:
    one_app(visitor, product, integration)
    visitor.field("Block").check()
    visitor.press("Save")
    visitor.see("needs your attention")


def app_blocked(visitor: Visitor, product: Product, integration: str) -> None:
    app_errors(visitor, product, integration)
    visitor.field("Reason").fill("Leaks contacts")
    visitor.press("Save")
    visitor.see("Leaks contacts")
    expect(visitor.page.locator("#decisions .badge[data-state=running]")).to_have_count(0, timeout=20_000)
    expect(visitor.page.locator("#decisions")).to_contain_text("changed")


def one_app_sync(visitor: Visitor, _product: Product, integration: str) -> None:
    apps_read(visitor, integration)
    visitor.page.locator("tbody th a").first.click()
    visitor.see("How it went")


def app_sync_parked(visitor: Visitor, product: Product, integration: str) -> None:
    apps_read(visitor, integration)
    product.control("devices/touch")
    visitor.go(integration)
    wizard.sync_now(visitor)
    product.control("access", denied="apps")
    visitor.go(integration + "/jobs/apps")
    visitor.press("Sync apps now")
    visitor.see("It waits for you")


def runs_open(visitor: Visitor, integration: str, which: int) -> None:
    """A device sync from the list: 0 is the newest, -1 the oldest of the page."""
    visitor.go(integration + "/runs?job=devices")
    visitor.page.locator("tbody th a").nth(which).click()
    visitor.see("How it went")


def one_run(visitor: Visitor, _product: Product, integration: str) -> None:
    runs_open(visitor, integration, 0)


def run_running(visitor: Visitor, product: Product, integration: str) -> None:
    running(visitor, product, integration)
    runs_open(visitor, integration, 0)
    expect(visitor.page.locator("#run[hx-get] progress")).to_be_visible()


def run_failed(visitor: Visitor, product: Product, integration: str) -> None:
    failed(visitor, product, integration)
    runs_open(visitor, integration, 0)
    visitor.see("Sign-in refused")


def run_devices(visitor: Visitor, _product: Product, integration: str) -> None:
    runs_open(visitor, integration, -1)
    visitor.page.get_by_role("link", name="Added").click()
    visitor.see("What happened")


def device_history(visitor: Visitor, product: Product, integration: str) -> None:
    one_device(visitor, product, integration)
    visitor.go(f"{wizard.path_of(visitor.page)}/history")
    visitor.see("Added by device sync")


def device_why(visitor: Visitor, product: Product, integration: str) -> None:
    one_device(visitor, product, integration)
    visitor.page.get_by_role("link", name="Why?").first.click()
    visitor.see("6. Tags in the UEM")


def policy_preview(visitor: Visitor, _product: Product, _integration: str) -> None:
    visitor.go("/settings/policy")
    days = visitor.field("Days until Inactive")
    days.fill(str(int(days.input_value()) + 1))
    visitor.press("Preview")
    visitor.see("What you change")


def policy_saved(visitor: Visitor, _product: Product, _integration: str) -> None:
    policy_preview(visitor, _product, _integration)
    visitor.press("Save")
    visitor.see("Version 1")
    expect(visitor.page.locator("#rating[hx-get]")).to_have_count(0, timeout=15_000)


def policy_errors(visitor: Visitor, _product: Product, _integration: str) -> None:
    visitor.go("/settings/policy")
    visitor.field("Days until silent").fill("50")
    visitor.field("Minimum OS version, iOS").fill("new")
    visitor.press("Preview")
    visitor.see("2 things need your attention")


def risk_changed(visitor: Visitor, _product: Product, _integration: str) -> None:
    """Change the risk of a threat factor that no other test of this product looks at."""
    visitor.go("/settings/policy")
    if visitor.field("Global Proxy").input_value() == "2":
        return
    visitor.field("Global Proxy").select_option("2")
    visitor.field("Reason for changed risks").fill("A drill")
    visitor.field("Last day").fill(f"{now() + timedelta(days=5):%Y-%m-%d}")
    visitor.press("Preview")
    visitor.see("What you change")
    visitor.press("Save")
    expect(visitor.page.locator(".banner[role=status]")).to_be_visible()


def exceptions(visitor: Visitor, product: Product, integration: str) -> None:
    one_app(visitor, product, integration)
    visitor.field("Block").check()
    visitor.field("Reason").fill("Leaks contacts")
    visitor.press("Save")
    expect(visitor.page.locator(".banner[role=status]")).to_be_visible()
    risk_changed(visitor, product, integration)
    visitor.go("/settings/exceptions")
    visitor.see("A drill")
    visitor.see("Leaks contacts")


def exception_errors(visitor: Visitor, product: Product, integration: str) -> None:
    risk_changed(visitor, product, integration)
    visitor.go("/settings/exceptions/risks/GLOBAL_PROXY")
    visitor.field("Reason").fill("")
    visitor.press("Save")
    visitor.see("needs your attention")


def policy_version(visitor: Visitor, product: Product, integration: str) -> None:
    if visitor.go("/settings/policy/versions/1").get_by_role("heading", name="Not found").count():
        policy_saved(visitor, product, integration)
        visitor.go("/settings/policy/versions/1")
    visitor.see("What it changed")


def policy_versions(visitor: Visitor, product: Product, integration: str) -> None:
    policy_version(visitor, product, integration)
    visitor.go("/settings/policy/versions")


def message_channel(visitor: Visitor, _product: Product, _integration: str) -> None:
    visitor.go("/settings/messages/settings")
    visitor.field("Kind").select_option("sms")
    visitor.field("Name").fill("Gateway")
    visitor.field("Address").fill("https://gateway.example/messages")
    visitor.press("Add channel")
    visitor.page.get_by_role("link", name="Gateway").first.click()
    visitor.see("Removing the channel")


def connector(visitor: Visitor, _product: Product, _integration: str) -> None:
    visitor.go("/settings/connectors")
    visitor.field("Name").fill("Head office")
    visitor.press("Add Connector")
    visitor.see("Start its agent")


def connector_errors(visitor: Visitor, _product: Product, _integration: str) -> None:
    visitor.go("/settings/connectors")
    visitor.press("Add Connector")
    visitor.see("One thing needs your attention")


def destination(visitor: Visitor, _product: Product, _integration: str) -> None:
    """A file that takes events: it sends nothing anywhere."""
    visitor.go("/settings/destinations/new/file")
    visitor.field("Name").fill("Archive")
    visitor.press("Add destination")
    visitor.heading("Destination Archive")


def destination_errors(visitor: Visitor, _product: Product, _integration: str) -> None:
    visitor.go("/settings/destinations/new/syslog")
    visitor.press("Add destination")
    visitor.see("2 things need your attention")


def destinations(visitor: Visitor, product: Product, integration: str) -> None:
    destination(visitor, product, integration)
    visitor.go("/settings/destinations")
    visitor.see("Archive")


def authenticator_errors(visitor: Visitor, _product: Product, _integration: str) -> None:
    visitor.go("/account/factors")
    visitor.press("Set up an app")
    visitor.field("Code").fill("12345x")
    visitor.press("Confirm")
    visitor.see("This code is wrong, too old, or was used already.")


def api_key(visitor: Visitor, _product: Product, _integration: str) -> None:
    visitor.go("/settings/api-keys/new")
    visitor.field("Name").fill("VPN gateway")
    visitor.press("Create")
    visitor.see("It is shown only now")


def api_key_errors(visitor: Visitor, _product: Product, _integration: str) -> None:
    visitor.go("/settings/api-keys/new")
    visitor.press("Create")
    visitor.see("One thing needs your attention")


def api_keys(visitor: Visitor, product: Product, integration: str) -> None:
    api_key(visitor, product, integration)
    visitor.go("/settings/api-keys")
    visitor.see("VPN gateway")


def all_events(visitor: Visitor, product: Product, integration: str) -> None:
    policy_saved(visitor, product, integration)
    visitor.go("/events")
    visitor.see("Version 1: Days until Inactive")


def registration_code(visitor: Visitor, product: Product, integration: str) -> None:
    one_device(visitor, product, integration)
    visitor.press("New registration code")
    visitor.see("It is shown only now")


def register_steps(visitor: Visitor, product: Product, integration: str) -> None:
    registration_code(visitor, product, integration)
    code = visitor.page.locator("#code").input_value()
    visitor.go(f"/register#{code}")
    visitor.press("Show the steps")
    visitor.see("Valid until")


def devices_filters(visitor: Visitor, _product: Product, _integration: str) -> None:
    """The choices unfolded, and chips for those in use."""
    visitor.go("/devices?status=provisioned&platform=ios&sort=-name")
    visitor.page.get_by_text("Filters", exact=True).click()
    expect(visitor.page.get_by_role("combobox", name="Platform")).to_be_visible()
    expect(visitor.page.get_by_role("link", name="Take off Platform: Apple")).to_be_visible()


def devices_selected(visitor: Visitor, _product: Product, _integration: str) -> None:
    """Show the actions, which appear once a device is selected."""
    visitor.go("/devices")
    action = visitor.page.get_by_role("button", name="Reset registration")
    expect(action).to_be_hidden()
    visitor.page.get_by_role("checkbox", name="Select ").first.check()
    expect(action).to_be_visible()


def devices_reset(visitor: Visitor, product: Product, integration: str) -> None:
    devices_selected(visitor, product, integration)
    visitor.press("Reset registration")
    visitor.heading("Reset the registration of 1 device")


def device_findings(visitor: Visitor, product: Product, integration: str) -> None:
    one_device(visitor, product, integration)
    visitor.go(f"{wizard.path_of(visitor.page)}/findings")
    visitor.see("Nothing was found")


def remove_errors(visitor: Visitor, _product: Product, integration: str) -> None:
    visitor.go(integration + "/remove")
    visitor.press("Remove")
    visitor.see("One thing needs your attention")


def sign_in_errors(visitor: Visitor, _product: Product, _integration: str) -> None:
    visitor.context.clear_cookies()
    visitor.go("/sign-in")
    visitor.field("User name").fill("nobody")
    visitor.field("Password").fill("wrong")
    visitor.press("Sign in")
    visitor.see("do not match")


def demo_register_errors(visitor: Visitor, _product: Product, _integration: str) -> None:
    visitor.context.clear_cookies(name="demo_device")
    visitor.go("/demo/device")
    visitor.field("Or its UDID").fill("nobody-has-this-one")
    visitor.press("Register")
    visitor.see("This device is not known yet")


def demo_device(visitor: Visitor, _product: Product, _integration: str) -> None:
    visitor.context.clear_cookies(name="demo_device")
    take_an_android_device(visitor)


def event_notifications(visitor: Visitor, _product: Product, integration: str) -> None:
    """Set up: the values for the rule in the UEM, and nothing received yet."""
    visitor.go(integration + "/event-notifications")
    if visitor.page.get_by_role("button", name="Set up event notifications").count():
        visitor.press("Set up event notifications")
        expect(visitor.page.get_by_role("button", name="Set up event notifications")).to_have_count(0)


PAGES: dict[str, Bring] = {
    "overview": plain("/"),
    "users": plain("/settings/users"),
    "users-new": plain("/settings/users/new"),
    "user": plain("/settings/users/1"),
    "roles": plain("/settings/users/roles"),
    "account": plain("/account"),
    "confirm": plain("/account/confirm"),
    "integrations": plain("/integrations"),
    "new": plain("/integrations/new"),
    "server-errors": server_errors,
    "server-failed": server_failed,
    "synchronization-errors": synchronization_errors,
    "synchronization-overlap": synchronization_overlap,
    "synchronization-verified": synchronization_verified,
    "tagging": tagging_verified,
    "tagging-errors": tagging_errors,
    "tagging-leaving": tagging_leaving,
    "tags": tags,
    "tag-devices": tag_devices,
    "tagging-runs": part("/jobs/tagging"),
    "deployment": part("/setup/deployment"),
    "app-configuration": part("/app-configuration?uem=maas360&profile=work"),
    "registration-messages": part("/registration-messages/email"),
    "information": part("/information"),
    "guide": part("/guide"),
    "guide-tags": part("/guide/tags"),
    "guide-app": part("/guide/app"),
    "event-notifications": event_notifications,
    "integration": part(""),
    "integration-running": running,
    "integration-paused": paused,
    "integration-failed": failed,
    "runs": part("/runs"),
    "runs-device-syncs": part("/runs?job=devices"),
    "runs-none-found": part("/runs?state=held"),
    "run": one_run,
    "run-running": run_running,
    "run-failed": run_failed,
    "run-devices": run_devices,
    "devices": plain("/devices"),
    "devices-none-found": plain("/devices?q=no+such+device"),
    "devices-filters": devices_filters,
    "devices-selected": devices_selected,
    "devices-reset": devices_reset,
    "device": one_device,
    "device-history": device_history,
    "device-why": device_why,
    "device-registration-code": registration_code,
    "register": plain("/register"),
    "message-texts": plain("/settings/messages/texts/de"),
    "register-steps": register_steps,
    "device-findings": device_findings,
    "devices-of-a-status": plain("/devices?status=provisioned&risk=not_assessed"),
    "devices-unlisted": plain("/devices?state=unlisted"),
    "events": all_events,
    "events-none-found": plain("/events?event=blocked"),
    "policy": policy_saved,
    "policy-errors": policy_errors,
    "policy-preview": policy_preview,
    "policy-version": policy_version,
    "policy-versions": policy_versions,
    "notices": plain("/settings/notices"),
    "messages": plain("/settings/messages"),
    "messages-none-found": plain("/settings/messages?state=failed"),
    "message-settings": plain("/settings/messages/settings"),
    "message-channel": message_channel,
    "proxy": plain("/settings/proxy"),
    "sign-in-methods": plain("/account/factors"),
    "sign-in-rules": plain("/settings/sign-in-rules"),
    "caution": plain("/caution"),
    "single-sign-on": plain("/settings/single-sign-on"),
    "connectors": plain("/settings/connectors"),
    "nodes": plain("/settings/nodes"),
    "connectors-errors": connector_errors,
    "connector": connector,
    "destinations-none": plain("/settings/destinations"),
    "destination": destination,
    "destination-errors": destination_errors,
    "destinations": destinations,
    "authenticator-errors": authenticator_errors,
    "api-keys-none": plain("/settings/api-keys"),
    "api-key": api_key,
    "api-key-errors": api_key_errors,
    "api-keys": api_keys,
    "apps": apps,
    "apps-none-found": plain("/apps?q=no+such+app"),
    "app": one_app,
    "app-errors": app_errors,
    "app-blocked": app_blocked,
    "app-sync": part("/jobs/apps"),
    "app-sync-run": one_app_sync,
    "app-sync-parked": app_sync_parked,
    "exceptions": exceptions,
    "exception-errors": exception_errors,
    "shortcuts": plain("/shortcuts"),
    "audit": plain("/audit"),
    "audit-none-found": plain("/audit?who=nobody"),
    "demo-register": demo_register_errors,
    "demo-device": demo_device,
    "remove": remove_errors,
    "removed-integrations": plain("/integrations/removed"),
    "timeline": part("/timeline"),
    "error": plain("/nowhere"),
    "sign-in": sign_in_errors,
}


def looks_right(visitor: Visitor, name: str) -> None:
    """In every look: nothing to find for axe, nothing that scrolls sideways."""
    half = crc32(name.encode()) % 2
    audited = sample(AUDITED[half : half + 1], AUDITED)
    for scheme, width in LOOKS:
        visitor.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        visitor.page.set_viewport_size({"width": width, "height": 900})
        assert visitor.too_wide() == [], f"{name} scrolls sideways at {width} px"
        keep(visitor, f"{name}-{scheme}-{width}")
        if (scheme, width) in audited:
            assert visitor.audit() == [], f"{name}, {scheme}, {width} px"


def keep(visitor: Visitor, name: str) -> None:
    """With SCREENSHOTS=folder in the environment, keep what a person would see."""
    if folder := os.environ.get("SCREENSHOTS"):
        visitor.screenshot(Path(folder) / f"{name}.png", full_page=True)


@pytest.fixture(scope="module")
def window(browser: Browser, shared: Product) -> Iterator[Visitor]:
    """One window for all pages: a new one takes as long as a page in it."""
    with visiting(browser, shared.url) as visitor:
        yield visitor


@pytest.fixture
def administrator(window: Visitor, product: Product, session_cookies: StorageState) -> Iterator[Visitor]:
    """The administrator in that window, with no cookies but those of the session; it may not complain."""
    confirm_session(product)
    window.context.clear_cookies()
    window.context.add_cookies(session_cookies["cookies"])  # type: ignore[arg-type]
    window.complaints.clear()
    window.page.set_viewport_size(WINDOW)
    window.page.emulate_media(color_scheme="light")
    yield window
    assert window.complaints == []


@pytest.mark.soak
@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_by_everybody_on_every_screen(
    administrator: Visitor, product: Product, integration: str, name: str
) -> None:
    try:
        PAGES[name](administrator, product, integration)
        looks_right(administrator, name)
    finally:
        restore(administrator, product, integration, name)


def restore(visitor: Visitor, product: Product, integration: str, name: str) -> None:
    """Leave the integration active and its last sync good."""
    product.calm()
    if name == "tagging-leaving":
        visitor.go(integration + "/setup/tagging")
        visitor.field("Tag device status").check()
        visitor.press("Verify and Save")
        visitor.at(integration)
    if name == "app-sync-parked":
        product.control("access", denied="none")
        visitor.go(integration + "/jobs/apps")
        visitor.press("Sync apps now")
        expect(visitor.page.locator("#job .banner")).to_have_count(0, timeout=60_000)
    if name in {
        "integration-running",
        "integration-paused",
        "integration-failed",
        "run-running",
        "run-failed",
    }:
        visitor.go(integration)
        if name == "integration-paused":
            visitor.press("Resume")
            expect(visitor.page.get_by_role("button", name="Sync Now", exact=True)).to_be_visible()
        wizard.sync_now(visitor)


@pytest.mark.soak
def test_the_first_pages_of_a_new_dashboard_can_be_read_by_everybody(
    new_product: Product, arrive: Arrive
) -> None:
    visitor = arrive(new_product.url)
    visitor.go("/setup")
    visitor.field("Set-up code").fill("HRMN-0000")
    visitor.field("User name").fill("admin")
    visitor.field("Password").fill("short")
    visitor.press("Create the administrator")
    visitor.see("attention")
    looks_right(visitor, "setup")
    visitor.field("Set-up code").fill(new_product.setup_code)
    visitor.field("Password").fill("eleven quiet lanterns over Oslo")
    visitor.press("Create the administrator")
    visitor.at("/integrations")
    looks_right(visitor, "integrations-empty")
    visitor.go("/devices")
    looks_right(visitor, "devices-empty")


def test_an_axe_that_finds_nothing_on_a_bad_page_would_be_noticed(visitor: Visitor) -> None:
    visitor.page.set_content(BAD_PAGE)
    found = {line.partition(":")[0] for line in visitor.audit()}
    assert {"image-alt", "button-name", "label", "color-contrast", "link-name", "html-has-lang"} <= found


def test_a_page_that_scrolls_sideways_would_be_noticed(visitor: Visitor) -> None:
    visitor.page.set_content('<p style="width: 2000px">Wide</p>')
    assert any("Wide" in line for line in visitor.too_wide())


def test_a_script_in_a_page_is_stopped_and_noticed(visitor: Visitor) -> None:
    visitor.go("/sign-in")
    visitor.page.evaluate(
        "() => document.body.append(document.createRange().createContextualFragment("
        "'<img src=x onerror=alert(1)>'))"
    )
    expect(visitor.page.locator("img")).to_have_count(1)
    visitor.page.wait_for_function("() => document.querySelector('img').complete")
    assert any(re.search("Content Security Policy", complaint) for complaint in visitor.complaints)
    visitor.complaints.clear()
