"""UEM events: from a change in the simulated UEM to the database that pages read, with the real product."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from harmony.clock import monotonic, now
from harmony.db import db, sqlite_module
from harmony.event_notifications import listeners
from harmony.models import EventListener
from tests.bench import dashboard
from tests.bench.results import Result, middle, percentile
from tests.bench.simulated import FIRST_DEVICE_ID, TOP_ID, Simulated
from tests.processes.product import running
from tests.waiting import wait_for

# On the page within 15 s, without a scheduled sync.
MOST_P95_SECONDS = 15.0
ROUNDS = 8
# A group that is not chosen: a device that moves there is shown as missing.
OUTSIDE = 571

# The count of rows that shows it, its values, and what makes it happen.
_Change = tuple[str, tuple[object, ...], Callable[[], object]]


def measure(uem: Simulated, folder: Path, repeats: int) -> list[Result]:
    """The latency of enrolments, renames, moves and un-enrolments, one after the other."""
    uem.gather()
    place = dashboard.make(folder / "uem-events", uem)
    dashboard.sync(place)
    with dashboard.opened(place):
        secret = listeners.create(dashboard.INTEGRATION, "bench", now())
        path = f"/hooks/ws1/{db.session.get_one(EventListener, dashboard.INTEGRATION).address}"
    assert secret is not None
    with running(place) as product:
        product.until_ready()
        rule = {"url": product.url() + path, "user": secret.user_name, "password": secret.password}
        uem.do("events/rule", active=True, spelling="mixed", doubled=True, **rule)
        seconds = [_seconds(place, *change) for change in islice(_changes(uem), ROUNDS * repeats)]
    with closing(_opened(place)) as rows:
        kinds = [
            kind
            for (kind,) in rows.execute(
                "SELECT DISTINCT sync_kind FROM job_run WHERE id > 1 AND kind = 'devices'"
            )
        ]
    if kinds != ["events"]:
        raise RuntimeError(f"other runs than those for events took part: {kinds}")
    detail = {"unit": "s", "changes": len(seconds), "longest": max(seconds), "devices": uem.devices}
    return [
        Result("events.uem_p50_seconds", middle(seconds), detail=detail),
        Result("events.uem_p95_seconds", round(percentile(seconds, 95), 3), MOST_P95_SECONDS, detail=detail),
    ]


def _changes(uem: Simulated) -> Iterator[_Change]:
    """Yield changes for ever, each of another device."""
    by_id = "SELECT count(*) FROM device WHERE external_id = ? AND "
    for number, kind in enumerate(cycle(("enrolled", "renamed", "moved", "left"))):
        device = FIRST_DEVICE_ID + number
        if kind == "enrolled":
            yield "SELECT count(*) FROM device", (), _press(uem, "devices/add", group=TOP_ID)
        elif kind == "renamed":
            name = f"Renamed {number}"
            fields = {"DeviceFriendlyName": name}
            act = _press(uem, "devices/edit", ids=[device], set=fields)
            yield by_id + "name = ?", (str(device), name), act
        else:
            action = ("devices/move", {"to": OUTSIDE}) if kind == "moved" else ("devices/remove", {})
            act = _press(uem, action[0], ids=[device], **action[1])
            yield by_id + "absent_why = ?", (str(device), "event"), act


def _press(uem: Simulated, action: str, **arguments: object) -> Callable[[], object]:
    return lambda: uem.do(action, **arguments)


def _seconds(place: Path, sql: str, values: tuple[object, ...], act: Callable[[], object]) -> float:
    """Act, and wait until one row more answers the question than before."""
    with closing(_opened(place)) as rows:
        before = rows.execute(sql, values).fetchone()[0]
        began = monotonic()
        act()
        wait_for(lambda: rows.execute(sql, values).fetchone()[0] > before, f"{sql} {values}", 120)
        return round(monotonic() - began, 3)


def _opened(place: Path) -> Any:
    return sqlite_module().connect(place / "harmony.db", timeout=30, isolation_level=None)
