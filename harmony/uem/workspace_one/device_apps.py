"""The apps of one device from their pages: in a single call where the UEM's count allows it."""

from __future__ import annotations

from collections.abc import Callable

from harmony.uem.errors import Incomplete
from harmony.uem.records import AppOnDevice, AppPage
from harmony.uem.workspace_one.ahead import MAX_PAGES


def all_apps(fetch: Callable[[int], AppPage], page_size: int) -> list[AppOnDevice]:
    """Every app of pages 0, 1, 2 …; a call for each device is dear, so none only proves the end.

    A page that is not full ends the list once as many rows came as were announced; a full one never does.
    Raises Incomplete when the pages end with fewer: what is not listed was not removed.
    """
    found: dict[tuple[str, str], AppOnDevice] = {}
    rows, total = 0, None
    for number in range(MAX_PAGES):
        page = fetch(number)
        total = page.total if page.total is not None else total
        listed = {(app.identifier, app.version): app for app in page.apps}
        fresh = {key: app for key, app in listed.items() if found.get(key) != app}
        # The same page again means that this call knows no pages, which is not documented.
        rows += page.rows if fresh or number == 0 else 0
        found.update(fresh)
        announced = total is not None and rows >= total
        if not fresh or (announced and page.rows < page_size):
            return _whole(list(found.values()), rows, total)
    raise Incomplete(f"The UEM sent {MAX_PAGES} pages of apps and no end.")


def _whole(apps: list[AppOnDevice], rows: int, total: int | None) -> list[AppOnDevice]:
    if total is not None and rows < total:
        raise Incomplete(f"The UEM announced {total} apps of a device and listed {rows}.")
    return apps
