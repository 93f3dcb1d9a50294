"""`make screenshots`: drives the demo in a real Chromium and writes the pictures of the README and docs."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright

from harmony.clock import now
from harmony.ops.demo import free_port
from tests.browser import wizard
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.browser.visitor import Visitor
from tests.waiting import wait_for

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
LARGEST_BYTES = 150_000
COLOURS = 128
WIDE, SMALL = {"width": 1280, "height": 800}, {"width": 320, "height": 640}
_DEVICES = ("--devices", "1500", "--protected", "200")
_DOOR = re.compile(r"sign in as (\S+) with the password (\S+)")
_REGISTERED = "200 devices registered."


def main() -> int:
    """Write every picture; exit with 1 if one would be too large."""
    if CHROMIUM is None:
        sys.stderr.write("There is no Chromium: apt-get install chromium-headless-shell\n")
        return 1
    with _demo() as (url, output), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        written = dict(_pictures(_signed_in(browser, url, output), output))
        browser.close()
    too_large = [name for name, size in written.items() if size > LARGEST_BYTES]
    sys.stdout.write("".join(f"{name}: {size // 1000} kB\n" for name, size in written.items()))
    return 1 if too_large else 0


@contextmanager
def _demo() -> Iterator[tuple[str, Callable[[], str]]]:
    """Run the demo; its address, and what it has said so far."""
    address = f"127.0.0.1:{free_port()}"
    with tempfile.NamedTemporaryFile("w+", prefix="harmony-screenshots-") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "harmony.ops.demo", *_DEVICES],
            cwd=ROOT,
            env=os.environ | {"HARMONY_BIND": address},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield f"http://{address}", lambda: Path(output.name).read_text(encoding="utf-8")
        finally:
            process.terminate()
            process.wait()


def _signed_in(browser: Browser, url: str, output: Callable[[], str]) -> Visitor:
    wait_for(lambda: "Listening at" in output(), "the dashboard", 60)
    (found,) = _DOOR.findall(output())
    context = browser.new_context(viewport=WIDE, color_scheme="light", reduced_motion="reduce")  # type: ignore[arg-type]
    context.set_default_timeout(20_000)
    visitor = Visitor(context, url)
    visitor.go("/sign-in")
    visitor.field("User name").fill(found[0])
    visitor.field("Password").fill(found[1])
    visitor.press("Sign in")
    visitor.see("No UEM is connected yet")
    return visitor


def _pictures(visitor: Visitor, output: Callable[[], str]) -> Iterator[tuple[str, int]]:
    """Walk through the product as a new administrator does, and keep what is seen on the way."""
    wizard.begin(visitor, "Acme Logistics")
    wizard.server_details(visitor)
    visitor.heading("Synchronization")
    visitor.page.get_by_role("button", name="All or none").first.click()
    wizard.verify(visitor)
    visitor.page.locator("#verification").scroll_into_view_if_needed()
    yield _keep(visitor, "verify")
    visitor.press("Next")
    wizard.tagging(visitor)
    wizard.deployment(visitor)
    wizard.settled(visitor)
    wait_for(lambda: _REGISTERED in output(), "the Protect apps", 120)
    integration = wizard.path_of(visitor.page)
    _exceptions(visitor, integration)
    wait_for(lambda: _tags_are_written(visitor, integration), "the tags", 120)
    visitor.go(integration)
    yield _keep(visitor, "integration")
    visitor.go("/")
    yield _keep(visitor, "overview")
    visitor.go("/devices?status=active")
    yield _keep(visitor, "devices")
    visitor.go("/devices?risk=high")
    visitor.page.locator("tbody th a").first.click()
    visitor.see("Organization group")
    yield _keep(visitor, "device")
    visitor.go(wizard.path_of(visitor.page) + "/why")
    yield _keep(visitor, "why")
    visitor.go("/settings/exceptions")
    yield _keep(visitor, "exceptions")
    visitor.page.set_viewport_size(SMALL)  # type: ignore[arg-type]
    visitor.go("/devices?status=active")
    yield _keep(visitor, "small-screen")


def _exceptions(visitor: Visitor, integration: str) -> None:
    """Block an app and override a risk, so that the page of exceptions has something to show."""
    visitor.go(integration + "/jobs/apps")
    expect(visitor.page.locator("tbody .badge[data-state=ok]").first).to_be_visible(timeout=90_000)
    visitor.go("/apps?q=flashlight")
    visitor.page.locator("tbody th a").first.click()
    visitor.field("Block").check()
    visitor.field("Reason").fill("Sends contacts to an unknown server")
    visitor.field("Last day").fill(f"{now() + timedelta(days=5):%Y-%m-%d}")
    visitor.press("Save")
    expect(visitor.page.locator("#decisions[hx-get]")).to_have_count(0, timeout=30_000)
    visitor.go("/settings/policy")
    visitor.field("Backup Tool").select_option("0")
    visitor.field("Reason for changed risks").fill("Allowed until the move to the new backup")
    visitor.press("Preview")
    visitor.see("What you change")
    visitor.press("Save")
    expect(visitor.page.locator("#rating[hx-get]")).to_have_count(0, timeout=30_000)


def _tags_are_written(visitor: Visitor, integration: str) -> bool:
    visitor.go(integration + "/tags")
    return visitor.page.get_by_role("link", name="CHKP_Risk_High").count() > 0


def _keep(visitor: Visitor, name: str) -> tuple[str, int]:
    """Write a picture with few colours, which a page like ours does not miss; its name and size."""
    visitor.settled()
    with visitor.deaf():
        taken = Image.open(io.BytesIO(visitor.page.screenshot()))
    path = IMAGES / f"{name}.png"
    taken.convert("RGB").quantize(COLOURS).save(path, optimize=True)
    return path.name, path.stat().st_size


if __name__ == "__main__":
    sys.exit(main())
