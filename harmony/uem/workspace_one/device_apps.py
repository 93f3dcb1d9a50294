"""The apps of one device from their pages: in a single call where the UEM's count allows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from harmony.uem.errors import TooLarge
from harmony.uem.records import AppList, AppOnDevice, AppPage, Completeness

# No device has ten thousand apps; a list that goes on has no end.
MAX_PAGES = 20


def all_apps(fetch: Callable[[int], AppPage], page_size: int) -> AppList:
    """Read pages 0, 1, 2 … of the apps; a call for each device is dear, so none only proves the end.

    A page that is not full ends the list once as many rows came as were announced; a full one never does.
    Raises TooLarge when the pages have no end.
    """
    reading = _Reading()
    for number in range(MAX_PAGES):
        page = fetch(number)
        is_new = reading.take(page)
        if not is_new or (reading.has_all() and page.rows < page_size):
            return AppList(tuple(reading.apps.values()), reading.completeness())
    raise TooLarge(f"The UEM sent {MAX_PAGES} pages of apps of a device and no end.")


@dataclass(slots=True)
class _Reading:
    """The pages so far. `titles` are the names of each app; `repeated`: a page came a second time."""

    apps: dict[tuple[str, str], AppOnDevice] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    titles: dict[str, set[str]] = field(default_factory=dict)
    rows: int = 0
    unreadable: int = 0
    total: int | None = None
    repeated: bool = False

    def take(self, page: AppPage) -> bool:
        """Add a page; return False if nothing in it is new, which ends the list."""
        if page.total is not None:
            self.total = max(page.total, self.total or 0)
        if self.rows and self.keys.issuperset(page.keys):
            self.repeated = self.repeated or page.rows > 0
            return False
        self.rows += page.rows
        self.unreadable += page.unreadable
        self.keys.update(page.keys)
        for app in page.apps:
            self.apps[app.identifier, app.version] = app
            self.titles.setdefault(app.identifier, set()).add(app.name)
        return page.rows > 0

    def has_all(self) -> bool:
        """Tell whether as many rows came as were announced."""
        return self.total is not None and self.rows >= self.total

    def completeness(self) -> Completeness:
        """Judge the list. An identifier with two names stands for an app that is not listed by its own."""
        ambiguous = any(len(names - {app}) > 1 for app, names in self.titles.items())
        if self.unreadable or ambiguous or (self.total is not None and self.rows < self.total):
            return Completeness.PARTIAL
        if self.total is None:
            return Completeness.PARTIAL if self.repeated else Completeness.UNCOUNTED
        return Completeness.COUNTED if len(self.keys) == self.total else Completeness.UNEVEN
