"""No page of a list reads much more than it shows, on either database, however rare its rows (rung: shell).

SQLite is asked for its plan; PostgreSQL, which plans by what it knows of the rows, also for what it read.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from harmony.db import db, is_sqlite, write
from harmony.sync import indexing
from harmony.web.devices import queries as device_queries
from harmony.web.events import queries as event_queries
from harmony.web.shared.filters import Filters
from harmony.web.shared.paging import BEGINNING, PAGE_SIZE, Cursor, Place
from harmony.web.tags import queries as tag_queries
from tests.builders import an_integration
from tests.database import on_both
from tests.stored import plan_of, store

database = on_both

MANY, RARE = 6_000, 4
READ_AT_MOST = 6 * PAGE_SIZE
ACTIVE, HIGH = "status:active", "risk:high"

DEVICES_CHANGED = """
UPDATE device SET name_key = 'n' || ((id * 7919) % 100003),
    status = CASE WHEN id % :one_in = 0 THEN 'inactive' ELSE 'active' END,
    risk = CASE WHEN id % :one_in = 0 THEN 3 ELSE 0 END,
    status_rank = CASE WHEN id % :one_in = 0 THEN 1 ELSE 0 END,
    risk_rank = CASE WHEN id % :one_in = 0 THEN 4 ELSE 1 END,
    group_name = CASE WHEN id % :one_in = 0 THEN 'few' ELSE 'many' END
"""
# As many critical events as inactive devices, and as many blocked apps.
EVENTS = """
INSERT INTO event (at, severity, vector, factor, verb, device_id, integration_id, detail)
SELECT created_at, CASE WHEN id % :one_in = 0 THEN 'critical' ELSE 'information' END,
       CASE WHEN id % :one_in = 1 THEN 'Network Security' ELSE 'Device' END, '',
       CASE WHEN id % :one_in = 2 THEN 'blocked' ELSE 'installed' END, id, integration_id, ''
FROM device
"""
LINKS = """
INSERT INTO tag_link
    (device_id, key, integration_id, external_id, wanted, present, state, attempts, changed_at, reason)
SELECT id, :key, integration_id, external_id, :yes, :yes, 'done', 0, created_at, ''
FROM device WHERE id % :one_in = 0
"""
WAITING = "UPDATE tag_link SET state = :state, present = :no WHERE key = :key AND device_id % :one_in = :rest"

DEVICES: list[dict[str, str]] = [
    {},
    *({"status": status} for status in ("active", "inactive", "provisioned")),
    *({"risk": risk} for risk in ("none", "low", "high", "not_assessed")),
    {"status": "inactive", "risk": "none"},
    {"status": "active", "risk": "high"},
    {"integration": "1"},
    {"integration": "2"},
    {"integration": "2", "status": "inactive"},
    {"factor": "ROOTED"},
    {"q": "phone 000777"},
    {"q": "nobody"},
    {"q": "phone"},
    *({"state": state} for state in ("missing", "deleted", "unlisted")),
    *({"sort": sort} for sort in ("status", "-status", "risk", "-risk", "group", "-group")),
    {"sort": "risk", "status": "active"},
    *({"platform": platform} for platform in ("ios", "android")),
    *({"group": group} for group in ("few", "many", "none")),
    *({kind: key} for kind in ("tag", "wanted") for key in (ACTIVE, HIGH)),
    *({"profile": profile} for profile in ("work", "device")),
    {"group": "many", "sort": "risk"},
    {"app": "1"},
    {"sort": "-risk", "status": "inactive"},
    {"sort": "status", "risk": "high"},
    {"sort": "group", "integration": "2"},
]
EVENTS_ASKED: list[dict[str, str]] = [
    {},
    *({"severity": severity} for severity in ("information", "warning", "critical")),
    *({"event": verb} for verb in ("installed", "blocked", "removed")),
    *({"vector": vector} for vector in ("Device", "Network Security", "Text message")),
    {"integration": "1"},
    {"integration": "2"},
    {"device": "1"},
    {"device": "1", "event": "blocked"},
    {"severity": "critical", "integration": "1"},
]
PLACES = (BEGINNING, Place(after=Cursor(5, "n5")), Place(before=Cursor(5, "n5")))
NUMBERED = (BEGINNING, Place(after=Cursor(MANY // 2, "1")), Place(before=Cursor(MANY // 2, "1")))
TIMES = (BEGINNING, Place(after=Cursor(MANY // 2)), Place(before=Cursor(MANY // 2)))


def execute(statement: str, **values: object) -> None:
    with write() as session:
        session.execute(text(statement), values)


@pytest.fixture
def fleet(context: Flask) -> int:
    """One integration with many devices, one with few; of some kinds there are many, of others few."""
    id_, other = an_integration(), an_integration()
    store(id_, MANY, groups=())
    store(other, RARE, groups=())
    one_in = MANY // RARE
    execute(DEVICES_CHANGED, one_in=one_in)
    execute(EVENTS, one_in=one_in)
    for key, each in ((ACTIVE, 1), (HIGH, one_in)):
        execute(LINKS, key=key, one_in=each, yes=True)
    for rest, state in enumerate(("pending", "failed")):
        execute(WAITING, state=state, key=ACTIVE, one_in=one_in, rest=rest, no=False)
    indexing.catch_up(lambda: False)
    if not is_sqlite():
        execute("ANALYZE")
    return id_


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every step of a plan of PostgreSQL."""
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def rows_read(node: dict[str, Any]) -> int:
    """Count the rows that a step took from its table, those among them that it then left out."""
    return int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])


def problem(query: Any, table: str) -> str | None:
    """Return the plan when it reads the whole table, or much of it."""
    sql = str(query.compile(db.engine, compile_kwargs={"literal_binds": True}))
    if is_sqlite():
        first = plan_of(query)[0]
        is_led = first.startswith(f"SEARCH {table} ") or "USING INDEX" in first
        return None if is_led or "WHERE" not in sql else first
    explain = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}".replace("%", "%%")
    [[found]] = db.session.connection().exec_driver_sql(explain).all()
    scans = [node for node in nodes(found[0]["Plan"]) if is_of(table, node.get("Relation Name", ""))]
    return None if scans and all(map(is_bounded, scans)) else str(found)


def is_of(table: str, relation: str) -> bool:
    """Tell whether it is the table or, for events, one of its months."""
    return relation == table or (table == "event" and relation.startswith("event_"))


def is_bounded(scan: dict[str, Any]) -> bool:
    """Tell whether a scan reads few rows; all of a table only where it has next to none."""
    is_whole = scan["Node Type"] == "Seq Scan"
    return rows_read(scan) <= (0 if is_whole else READ_AT_MOST)


def pages(fleet: int) -> Iterator[tuple[str, object, Any]]:
    """Yield every page that is looked at: its table, what it asks for, its statement."""
    for asked in DEVICES:
        devices, order = device_queries.devices(device_queries.filters_of(asked))
        places = NUMBERED if order.is_number else PLACES
        yield from (("device", asked, order.statement(devices, place)) for place in places)
    for asked in EVENTS_ASKED:
        events = event_queries.events(Filters.from_query(event_queries.FILTERS, asked))
        yield from (("event", asked, event_queries.NEWEST_FIRST.statement(events, place)) for place in TIMES)
    for key, state in product((ACTIVE, HIGH, "factor:ROOTED"), tag_queries.LinkSelection):
        filters = Filters.from_query(tag_queries.FILTERS, {"state": state.value})
        links = tag_queries.devices(fleet, key, filters)
        for place in TIMES:
            yield "tag_link", (key, state), tag_queries.NEWEST_FIRST.statement(links, place)


def test_no_page_of_devices_events_or_tags_reads_many(fleet: int) -> None:
    problems = {
        f"{table} {asked}": found for table, asked, query in pages(fleet) if (found := problem(query, table))
    }
    assert problems == {}


RARE_BY_INDEX = {
    "ix_device_status": ({"status": "inactive"}, {"status": "provisioned"}, {"risk": "not_assessed"}),
    "ix_device_risk": (
        {"risk": "high"},
        {"risk": "medium", "sort": "name"},
        {"status": "active", "risk": "high"},
    ),
    "ix_device_by_name": ({"status": "active"}, {"risk": "none"}),
}


def test_devices_of_a_rare_status_or_risk_are_found_by_its_own_index(
    fleet: int,
) -> None:
    for index, lists in RARE_BY_INDEX.items():
        for asked in lists:
            devices, order = device_queries.devices(device_queries.filters_of(asked))
            query = order.statement(devices, BEGINNING)
            # PostgreSQL has statistics and chooses for itself.
            assert not is_sqlite() or index in plan_of(query)[0], asked
            assert problem(query, "device") is None
