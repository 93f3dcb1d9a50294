"""The first hour with Harmony, from the set-up code to a restored backup, as one story (rung B)."""

from __future__ import annotations

import os
import re
import signal
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import expect

from harmony.db import sqlite_module
from tests import preloaded
from tests.browser import wizard
from tests.browser.conftest import Arrive
from tests.browser.product import Product, dashboard, environment, simulated_uem
from tests.browser.test_tagging import carriers
from tests.browser.test_walk import set_up
from tests.browser.visitor import Visitor
from tests.conftest import ADMINISTRATOR, PASSWORD
from tests.preloaded import MARK
from tests.processes.product import WORKER_NAME, marked, name_of
from tests.waiting import wait_for

pytestmark = pytest.mark.browser

DEVICES = 400
# Two of the chosen size, and one that is not chosen.
CHOSEN, MOVED, ELSEWHERE = 574, 576, 578
# More than the worker may be silent before a page says so.
PROMISED_SECONDS = 60
KEY = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n"


@pytest.mark.timeout(900)
def test_the_first_hour(tmp_path: Path, arrive: Arrive) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup.db"
    with simulated_uem(data, DEVICES) as uem:
        with dashboard(data, uem) as product:
            visitor = arrive(product.url)
            set_up(visitor, product)
            integration = connect(visitor, product)
            a_silent_worker_is_told_and_recovers(visitor, data)
            a_threat_becomes_a_tag(visitor, product)
            an_emptied_group_is_held(visitor, product, integration)
            devices_go_and_come_back(visitor, product, integration)
            names = names_of_devices(visitor)
            flask(data, "db", "backup", str(backup))
        (data / "harmony.db").write_bytes(b"not a database any more")
        flask(data, "db", "restore", str(backup))
        with dashboard(data, uem) as product:
            visitor = arrive(product.url)
            sign_in(visitor)
            assert names_of_devices(visitor) == names
            visitor.go(integration)
            product.control("devices/remove", ids=ids(product)[:1])
            wizard.sync_now(visitor)
            visitor.see("Held")


def connect(visitor: Visitor, product: Product) -> str:
    """The wizard, with the mistakes that people make in it; the path of the integration."""
    visitor.press("New integration")
    visitor.press("Workspace ONE UEM")
    the_certificate(visitor, product)
    visitor.press("Next")
    visitor.heading("Synchronization")
    for group in (CHOSEN, MOVED):
        visitor.page.locator(f'input[name="groups"][value="organization:{group}"]').check()
    visitor.page.locator("summary", has_text="Advanced").click()
    visitor.field("Device deletion after").fill("1")
    visitor.field("Device deletion threshold").fill("50")
    wizard.verify(visitor)
    visitor.see("would be added")
    visitor.press("Next")
    wizard.tagging(visitor)
    visitor.field("Allow auto device addition prior to device sync").check()
    wizard.deployment(visitor)
    wizard.settled(visitor)
    tag = "CHKP_Status_Provisioned"
    wait_for(lambda: carriers(product, tag), "tags in the UEM", PROMISED_SECONDS)
    return wizard.path_of(visitor.page)


def the_certificate(visitor: Visitor, product: Product) -> None:
    """Verify fails on the self-signed certificate; a private key is refused; the certificate is believed."""
    uem = product.uem
    visitor.heading("Server Details")
    visitor.field("Display Name").fill("Head office")
    visitor.field("Server Address").fill(uem.url)
    visitor.field("Token Address").select_option("other")
    visitor.field("Other Token Address").fill(uem.token_url)
    visitor.field("Client ID").fill(uem.credentials.client_id)
    visitor.field("Client Secret").fill(uem.credentials.client_secret)
    visitor.press("Verify")
    expect(visitor.page.locator("#verification .failed")).to_have_count(1, timeout=20_000)
    visitor.see("SHA-256")
    visitor.field("Server uses self-signed certificate").check()
    visitor.field("Certificate").fill(uem.ca_pem + KEY)
    visitor.press("Verify")
    visitor.see("This file contains a PRIVATE KEY. Nothing was stored.")
    visitor.field("Certificate").fill(uem.ca_pem)
    wizard.verify(visitor)


def a_silent_worker_is_told_and_recovers(visitor: Visitor, data: Path) -> None:
    """A worker that stands still for two minutes is told on every page; it goes on without anybody."""
    mark = f"{MARK}={data}"
    (worker,) = [pid for pid in marked(mark) if name_of(pid) == WORKER_NAME]
    os.kill(worker, signal.SIGSTOP)
    try:
        with closing(sqlite_module().connect(data / "harmony.db", timeout=30)) as rows:
            rows.execute("UPDATE worker SET seen_at = datetime(seen_at, '-2 minutes')")
            rows.commit()
        for page in ("/", "/devices"):
            visitor.go(page)
            visitor.see("The worker has not been seen since")
    finally:
        os.kill(worker, signal.SIGCONT)
    banner = visitor.page.get_by_text("The worker has not been seen since")
    wait_for(lambda: visitor.go("/devices") and not banner.count(), "the worker to go on", PROMISED_SECONDS)


def a_threat_becomes_a_tag(visitor: Visitor, product: Product) -> None:
    """A device registers, reports a threat, and carries the tag in the UEM."""
    visitor.go("/demo/device")
    visitor.press("Register")
    visitor.see("Registered.")
    visitor.field("Rooted").check() if visitor.field("Rooted").count() else visitor.field(
        "Jailbroken"
    ).check()
    visitor.press("Check in now")
    visitor.see("Checked in: active, High.")
    wait_for(lambda: carriers(product, "CHKP_Risk_High"), "the tag in the UEM", PROMISED_SECONDS)


def an_emptied_group_is_held(visitor: Visitor, product: Product, integration: str) -> None:
    """A group that is suddenly empty deletes nobody: a person decides; then its devices are there again."""
    moved = product.uem.tenant.world.direct(MOVED)
    product.control("devices/move", ids=moved, to=ELSEWHERE)
    visitor.go(integration)
    wizard.sync_now(visitor)
    visitor.go("/")
    visitor.page.get_by_role("link", name=re.compile("^(Review|Show|Look|Decide)")).first.click()
    visitor.see("Why it waits")
    visitor.press("Dismiss")
    visitor.see("What happened")
    product.control("devices/move", ids=moved, to=MOVED)
    visitor.go(integration)
    wizard.sync_now(visitor)


def devices_go_and_come_back(visitor: Visitor, product: Product, integration: str) -> None:
    """Three devices leave the UEM for real; they are deleted, and one of them is restored."""
    visitor.go("/devices?state=deleted")
    before = visitor.page.locator("tbody tr").count()
    product.control("devices/remove", ids=ids(product)[:3])
    for _ in range(2):
        visitor.go(integration)
        wizard.sync_now(visitor)
    visitor.go("/devices?state=deleted")
    expect(visitor.page.locator("tbody tr")).to_have_count(before + 3)
    visitor.page.locator("tbody").get_by_role("button", name=re.compile("^Restore")).first.click()
    visitor.go("/devices?state=deleted")
    expect(visitor.page.locator("tbody tr")).to_have_count(before + 2)


def ids(product: Product) -> list[int]:
    """The devices of the first chosen group, in the simulated UEM."""
    world = product.uem.tenant.world
    with world.lock:
        return world.direct(CHOSEN)


def names_of_devices(visitor: Visitor) -> list[str]:
    visitor.go("/devices")
    return visitor.page.locator("tbody th").all_inner_texts()


def sign_in(visitor: Visitor) -> None:
    visitor.go("/sign-in")
    visitor.field("User name").fill(ADMINISTRATOR)
    visitor.field("Password").fill(PASSWORD)
    visitor.press("Sign in")
    visitor.heading("Overview")


def flask(data: Path, *command: str) -> None:
    """Run a command of the product on a data folder."""
    assert preloaded.run("-m", "flask", "--app", "app", *command, **environment(data)) == 0
