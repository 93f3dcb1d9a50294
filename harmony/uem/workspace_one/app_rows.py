"""From an answer about the apps of a device to a page of them: installed, not installed, or unreadable."""

from __future__ import annotations

import json

from harmony.uem.errors import TooLarge
from harmony.uem.http.response import Answer
from harmony.uem.records import AppOnDevice, AppPage
from harmony.uem.workspace_one.device_page import MAX_ROWS
from harmony.uem.workspace_one.rows import LONGEST_TEXT, clean, count, plain_id
from harmony.uem.workspace_one.wire import JsonObject, loose_object, rows_of

# The UEM also lists what is only assigned, with other statuses (facts/ws1-api.md §14.15).
_INSTALLED = frozenset({"2", "installed"})


def read_device_apps(answer: Answer, number: int, external_id: str) -> AppPage:
    """Read page `number` of the apps of that device. 204 and an answer without the list are an empty page.

    Raises MalformedAnswer when the first page has no list although it announces apps.
    """
    if answer.status == 204:
        return AppPage()
    envelope = loose_object(answer.body)
    total = count(envelope.get("Total"))
    if envelope.get("DeviceApps") is None and (number or not total):
        return AppPage(total=total)
    rows = rows_of(envelope, "DeviceApps")
    if len(rows) > MAX_ROWS:
        raise TooLarge(f"A page has {len(rows)} apps, although at most 500 were asked for.")
    if not _is_about(envelope, external_id):
        return AppPage(unreadable=len(rows), total=total)
    return _page(rows, total, external_id)


def _page(rows: list[object], total: int | None, external_id: str) -> AppPage:
    """Sort the rows; what is not installed is no app, and what cannot be read may be any."""
    apps: list[AppOnDevice] = []
    keys: list[str] = []
    for members in rows:
        row = JsonObject(members) if isinstance(members, dict) else None
        installed = _is_installed(row) if row else None
        app = _app(row) if row else None
        if row is None or installed is None or app is None or not _is_about(row, external_id):
            continue
        keys.append(json.dumps(members, sort_keys=True))
        apps += [app] if installed else []
    return AppPage(tuple(apps), tuple(keys), len(rows) - len(keys), total)


def _is_about(row: JsonObject, external_id: str) -> bool:
    """Return False if a row names another device; most name none, or the one that was asked for."""
    return plain_id(row.ref("DeviceId")) in {None, external_id}


def _is_installed(row: JsonObject) -> bool | None:
    """Read the status of an app; None for one that cannot be read. An app without a status is installed."""
    value = row.get("Status")
    if value is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    word = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return word.strip().lower() in _INSTALLED or not word.strip()


def _app(row: JsonObject) -> AppOnDevice | None:
    """Return the app; None if its identifier is not a text, or so long that it would have to be cut."""
    text = row.get("ApplicationIdentifier")
    if not isinstance(text, str) or len(text.strip()) > LONGEST_TEXT:
        return None
    identifier = clean(text.strip())
    if not identifier:
        return None
    name, version = clean(row.text("ApplicationName")), clean(row.text("Version"))
    return AppOnDevice(identifier, version, name or identifier)
