"""Rung B: the real product in a real Chromium. One browser a session, one context a visitor."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, StorageState, ViewportSize, sync_playwright

from harmony.db import sqlite_module
from tests.browser import wizard
from tests.browser.caddy import CADDY
from tests.browser.nginx import NGINX
from tests.browser.oidc_provider import NODE
from tests.browser.product import Product, running_product
from tests.browser.visitor import Visitor
from tests.conftest import ADMINISTRATOR, PASSWORD
from tests.summary_lines import summary_lines

# The one without windows takes a third of the CPU time of the other; where both are, it is taken.
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WINDOW: ViewportSize = {"width": 1280, "height": 900}
Arrive = Callable[..., Visitor]
# What some files need besides: its name, its package and what more to do, the file, whether it is there.
_BESIDE = (
    ("nginx", "nginx-light", "", "test_behind_nginx.py", NGINX),
    ("Caddy", "caddy", "", "test_behind_caddy.py", CADDY),
    ("the OpenID provider", "nodejs npm", "and `make test`", "test_single_sign_on.py", NODE),
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave them out without Chromium, unless they are required."""
    mine = [item for item in items if item.get_closest_marker("browser")]
    left_out: list[pytest.Item] = []
    if not CHROMIUM:
        left_out = mine
        _leave_out(config, mine, "Chromium", "chromium-headless-shell")
    for name, package, also, file, is_there in _BESIDE:
        if CHROMIUM and not is_there:
            needing = [item for item in mine if item.path.name == file]
            _leave_out(config, needing, name, package, also)
            left_out += needing
    items[:] = [item for item in items if item not in left_out]


def _leave_out(
    config: pytest.Config, mine: list[pytest.Item], name: str, package: str, also: str = ""
) -> None:
    if not mine:
        return
    install = f"apt-get install {package} {also}".strip()
    if os.environ.get("REQUIRE_BROWSER") == "1":
        raise pytest.UsageError(f"REQUIRE_BROWSER=1, but there is no {name}: {install}")
    config.hook.pytest_deselected(items=mine)
    files = ", ".join(sorted({item.nodeid.partition("::")[0] for item in mine}))
    how = f"for lack of {name} ({install} brings them in)"
    summary_lines(config).append(f"Left out {len(mine)} browser tests {how}: {files}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[Product]:
    """A product for all tests that do not need a new one."""
    folder = tmp_path_factory.mktemp("product")
    with running_product(folder, devices=300, migrated_file=migrated_file) as product:
        yield product


@pytest.fixture
def product(shared: Product) -> Iterator[Product]:
    """The shared product; whatever a test did to its UEM is taken back."""
    yield shared
    shared.calm()


@pytest.fixture
def new_product(tmp_path: Path, migrated_file: Path) -> Iterator[Product]:
    """A product that was never set up."""
    with running_product(tmp_path, devices=200, migrated_file=migrated_file) as product:
        yield product


@pytest.fixture(scope="session")
def session_cookies(browser: Browser, shared: Product) -> StorageState:
    """What a browser keeps after the administrator has been created in it."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(shared.url + "/")
    page.get_by_label("Set-up code", exact=True).fill(shared.setup_code)
    page.get_by_label("User name", exact=True).fill(ADMINISTRATOR)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create the administrator").click()
    page.wait_for_url(shared.url + "/integrations")
    kept = context.storage_state()
    context.close()
    return kept


@contextmanager
def visiting(browser: Browser, url: str, **options: Any) -> Iterator[Visitor]:
    """A visitor of the dashboard at `url`, in a window of their own until the end of the block."""
    context = browser.new_context(**{"viewport": WINDOW, "reduced_motion": "reduce"} | options)
    context.set_default_timeout(15_000)
    try:
        yield Visitor(context, url)
    finally:
        context.close()


@pytest.fixture
def arrive(browser: Browser) -> Iterator[Arrive]:
    """Make visitors; at the end none of them may have seen a complaint in the console."""
    visitors: list[Visitor] = []
    with ExitStack() as windows:

        def open_window(url: str, **options: Any) -> Visitor:
            visitors.append(windows.enter_context(visiting(browser, url, **options)))
            return visitors[-1]

        yield open_window
        complaints = [complaint for visitor in visitors for complaint in visitor.complaints]
    assert complaints == []


@pytest.fixture
def visitor(arrive: Arrive, product: Product) -> Visitor:
    """Somebody who is not signed in."""
    return arrive(product.url)


@pytest.fixture
def signed_in(arrive: Arrive, product: Product, session_cookies: StorageState) -> Visitor:
    """The administrator, in a new window."""
    confirm_session(product)
    return arrive(product.url, storage_state=session_cookies)


def confirm_session(product: Product) -> None:
    """Let everybody have proved a moment ago who they are: the tests take longer than 15 minutes."""
    with closing(sqlite_module().connect(product.output.parent / "data" / "harmony.db", timeout=30)) as rows:
        rows.execute("UPDATE sign_in_session SET reauthenticated_at = seen_at")
        rows.commit()


@pytest.fixture(scope="session")
def integration(browser: Browser, shared: Product, session_cookies: StorageState) -> str:
    """The page of an integration whose first sync has ended; tests that change it put it back."""
    context = browser.new_context(storage_state=session_cookies)
    visitor = Visitor(context, shared.url)
    path = wizard.connect(visitor, "Head office", groups=())
    wizard.settled(visitor)
    context.close()
    return path
