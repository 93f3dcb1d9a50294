"""Second factors and passkeys in Chromium, with its virtual authenticator (rung B)."""

from __future__ import annotations

import re
from zlib import crc32

import pyotp
import pytest
from playwright.sync_api import CDPSession, expect

from harmony.clock import now
from tests.browser.conftest import Arrive
from tests.browser.product import Product
from tests.browser.visitor import Visitor
from tests.conftest import PASSWORD

# The product has its first administrator.
pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("session_cookies")]

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


class VirtualAuthenticators:
    """The authenticators that are built into one window."""

    def __init__(self, visitor: Visitor) -> None:
        self._cdp: CDPSession = visitor.context.new_cdp_session(visitor.page)
        self._cdp.send("WebAuthn.enable")
        self._ids: list[str] = []

    def add(self) -> None:
        """Plug another one in, and take the former ones out of reach."""
        for former in self._ids:
            self._cdp.send(
                "WebAuthn.setAutomaticPresenceSimulation", {"authenticatorId": former, "enabled": False}
            )
        # A machine has one authenticator built in; any further is plugged in.
        options = AUTHENTICATOR | ({"transport": "usb"} if self._ids else {})
        made = self._cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self._ids.append(made["authenticatorId"])

    def verify_user(self, verified: bool) -> None:
        """Let the owner unlock the newest one, or fail to."""
        what = {"authenticatorId": self._ids[-1], "isUserVerified": verified}
        self._cdp.send("WebAuthn.setUserVerified", what)


def local(product: Product) -> str:
    """The same dashboard by its name: a passkey needs one."""
    return product.url.replace("127.0.0.1", "localhost")


def sign_out(visitor: Visitor) -> None:
    visitor.page.locator("summary", has_text="Account:").click()
    visitor.press("Sign out")
    visitor.heading("Sign in to Harmony")


def with_password(visitor: Visitor, name: str) -> None:
    visitor.field("User name").fill(name)
    visitor.field("Password").fill(PASSWORD)
    visitor.press("Sign in")


def is_signed_in(visitor: Visitor, name: str) -> None:
    expect(visitor.page.locator("summary", has_text="Account:")).to_have_text(re.compile(name))
    visitor.settled()


def register(visitor: Visitor, name: str) -> None:
    visitor.go("/account/factors")
    visitor.field("Name").fill(name)
    visitor.press("Register a passkey")


@pytest.fixture
def name(request: pytest.FixtureRequest, product: Product) -> str:
    """The user name of an administrator of this test."""
    name = f"user-{crc32(request.node.name.encode())}"
    product.add_user(name, PASSWORD)
    return name


@pytest.fixture
def administrator(arrive: Arrive, product: Product, name: str) -> Visitor:
    """An administrator without any second factor, at an address with a name."""
    visitor = arrive(local(product))
    visitor.go("/sign-in")
    with_password(visitor, name)
    is_signed_in(visitor, name)
    return visitor


def test_a_passkey_is_registered_signs_in_and_replaces_the_password(
    administrator: Visitor, name: str
) -> None:
    visitor, devices = administrator, VirtualAuthenticators(administrator)
    devices.add()
    register(visitor, "Laptop")
    visitor.heading("Recovery codes")
    codes = visitor.page.locator("#recovery-codes").inner_text().split()
    assert len(codes) == 10
    register(visitor, "Again")
    visitor.see("This device has a passkey for your account already.")
    sign_out(visitor)
    visitor.press("Sign in with a passkey")
    is_signed_in(visitor, name)
    sign_out(visitor)

    with_password(visitor, name)
    visitor.heading("One more step")
    devices.verify_user(False)
    visitor.press("Use a passkey")
    visitor.see("The passkey was not used")
    devices.verify_user(True)
    visitor.press("Use a passkey")
    is_signed_in(visitor, name)
    sign_out(visitor)

    with_password(visitor, name)
    visitor.page.get_by_text("Use a recovery code").click()
    visitor.field("Recovery code").fill(codes[0].lower())
    visitor.press("Sign in with a recovery code")
    visitor.see("9 are left")

    devices.add()
    register(visitor, "Security key")
    visitor.see("The passkey is registered.")
    visitor.press("Switch password sign-in off")
    visitor.see("Password sign-in is off.")
    sign_out(visitor)
    with_password(visitor, name)
    visitor.see("User name and password do not match.")
    visitor.press("Sign in with a passkey")
    is_signed_in(visitor, name)


def test_a_passkey_that_was_taken_away_signs_nobody_in(administrator: Visitor) -> None:
    devices = VirtualAuthenticators(administrator)
    devices.add()
    register(administrator, "Laptop")
    administrator.heading("Recovery codes")
    administrator.go("/account/factors")
    administrator.page.locator("summary", has_text="Change").click()
    administrator.press("Remove")
    administrator.see("The passkey was removed.")
    sign_out(administrator)
    administrator.press("Sign in with a passkey")
    administrator.see("The passkey was not accepted.")


def test_an_authenticator_app_is_set_up_and_asked_for(administrator: Visitor, name: str) -> None:
    visitor = administrator
    visitor.go("/account/factors")
    visitor.press("Set up an app")
    visitor.heading("Set up an authenticator app")
    secret = visitor.page.locator("#secret").input_value()
    visitor.field("Code").fill("000000")
    visitor.press("Confirm")
    visitor.see("This code is wrong, too old, or was used already.")
    visitor.field("Code").fill(pyotp.TOTP(secret).at(int(now().timestamp()) - 30))
    visitor.press("Confirm")
    visitor.heading("Recovery codes")
    sign_out(visitor)
    with_password(visitor, name)
    visitor.heading("One more step")
    visitor.field("Code").fill(pyotp.TOTP(secret).now())
    visitor.press("Sign in")
    is_signed_in(visitor, name)


def test_without_javascript_the_pages_say_that_passkeys_need_it(
    arrive: Arrive, product: Product, name: str
) -> None:
    visitor = arrive(local(product), java_script_enabled=False)
    visitor.go("/sign-in")
    with_password(visitor, name)
    visitor.go("/account/factors")
    visitor.see("Passkeys need JavaScript.")
    expect(visitor.page.get_by_role("button", name="Register a passkey")).to_have_count(0)
    expect(visitor.page.get_by_role("button", name="Set up an app")).to_be_visible()
    by_address = arrive(product.url)
    by_address.go("/sign-in")
    with_password(by_address, name)
    by_address.go("/account/factors")
    by_address.see("Passkeys need a host name, and 127.0.0.1 is an IP address.")
    expect(by_address.page.get_by_text(re.compile("Register a passkey"))).to_have_count(0)


def test_a_page_that_was_come_to_through_the_menu_loads_what_passkeys_need(administrator: Visitor) -> None:
    page = administrator.go("/devices")
    assert not page.locator("script[src*=passkeys]").count()
    page.locator("summary", has_text="Account:").click()
    page.get_by_role("link", name="Sign-in methods").click()
    administrator.heading("Sign-in methods")
    expect(page.get_by_role("button", name="Register a passkey")).to_be_visible()
