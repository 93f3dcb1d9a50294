"""One person in front of one browser window; it remembers everything the console complained about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, expect

# The browser's own line for an answer that the page meant to give; anything else in the console is a fault.
EXPECTED = re.compile(r"Failed to load resource: the server responded with a status of (404|409|422|429) ")
AXE = (Path(__file__).parent / "vendor/axe-core-4.14.1/axe.min.js").read_text(encoding="utf-8")
AXE_OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"],
    "preload": False,
    "resultTypes": ["violations"],
}
AXE_RUN = """async (options) => (await axe.run(document, options)).violations.map((one) =>
  `${one.id}: ${one.nodes.map((node) => `${node.target.join(" ")} ${node.failureSummary}`).join(" | ")}`)"""
TOO_WIDE = """() => {
  const edge = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= edge) return [];
  const wide = (one) => one.getBoundingClientRect().right > edge + 1;
  return [...document.querySelectorAll("body *")].filter(wide).map((one) => one.outerHTML.slice(0, 160));
}"""


class Visitor:
    """A window, and the few gestures that every test needs."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context, self.url = context, url
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._allowed: list[str] = []
        self._deaf = False
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _said(self, message: ConsoleMessage) -> None:
        if self._deaf or message.type not in {"error", "warning"} or EXPECTED.match(message.text):
            return
        if not any(part in message.text for part in self._allowed):
            self.complaints.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def may_complain(self, part: str) -> None:
        """This test makes the browser say something that contains `part`."""
        self._allowed.append(part)

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """While our own tools put scripts and styles into the page, its policy rightly objects."""
        self._deaf = True
        yield
        self._deaf = False

    def go(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def at(self, path: str | re.Pattern[str]) -> None:
        """The address is `path` now, or soon."""
        wanted = self.url + path if isinstance(path, str) else path
        expect(self.page).to_have_url(wanted, timeout=15_000)
        self.settled()

    def settled(self) -> None:
        """htmx changes the address first and the page a moment later; nobody types in between."""
        expect(self.page.locator(".htmx-request, .htmx-swapping, .htmx-settling")).to_have_count(0)

    def see(self, text: str) -> None:
        """`text` stands on the page, or soon will."""
        expect(self.page.get_by_text(text).first).to_be_visible(timeout=15_000)

    def press(self, name: str) -> None:
        """The button or the link that looks like a button, by its whole name."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def choose(self, name: str) -> None:
        """The entry of the three-dots menu of the page, or of the only row."""
        menu = self.page.locator("main details.menu", has=self.page.get_by_text("Actions of"))
        menu.locator("summary").click()
        menu.locator("a, button").get_by_text(name, exact=True).click()

    def field(self, label: str) -> Locator:
        return self.page.get_by_label(label, exact=True)

    def heading(self, text: str) -> None:
        expect(self.page.get_by_role("heading", level=1, name=text, exact=True)).to_be_visible(timeout=15_000)
        self.settled()

    def audit(self) -> list[str]:
        """What axe finds against WCAG 2.2 AA and good practice."""
        with self.deaf():
            if not self.page.evaluate("() => Boolean(window.axe)"):
                self.page.evaluate(AXE)
            found: list[str] = self.page.evaluate(AXE_RUN, AXE_OPTIONS)
        return found

    def too_wide(self) -> list[str]:
        """The elements that make the page scroll sideways."""
        found: list[str] = self.page.evaluate(TOO_WIDE)
        return found

    def screenshot(self, path: Path, **options: Any) -> None:
        with self.deaf():
            self.page.screenshot(path=path, **options)
