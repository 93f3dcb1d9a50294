"""The months of the events on PostgreSQL: a partition each, made ahead and dropped when it is over its time.

Where `event` was a plain table, that is the partition `event_former`, up to the month of the upgrade. What
belongs to no month, as when a clock is wrong, is in `event_rest`. SQLite has one plain table
(docs/decisions/0039-events-by-month.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime

from sqlalchemy import Connection

FORMER, REST = "event_former", "event_rest"
# A worker that stands still for a season still finds a month to write to.
_MONTHS_AHEAD = 3
# Whoever reads events for long is let finish: the next hour tries again.
_WAIT = "SET LOCAL lock_timeout = '2s'"
_OURS = re.compile(r"event_(\d{4}_\d{2}|former|rest)")
_UPPER = re.compile(r"TO \('(\d{4})-(\d{2})-01")
_PARTITIONS = (
    "SELECT child.relname, pg_get_expr(child.relpartbound, child.oid) FROM pg_inherits "
    "JOIN pg_class child ON child.oid = inhrelid JOIN pg_class parent ON parent.oid = inhparent "
    "JOIN pg_namespace n ON n.oid = parent.relnamespace "
    "WHERE parent.relname = 'event' AND n.nspname = current_schema() AND child.relkind = 'r'"
)
# `LIKE` and `ATTACH` instead of `PARTITION OF`: events of the month may lie in the rest already.
_ADD = (
    "CREATE TABLE {name} (LIKE event INCLUDING DEFAULTS INCLUDING INDEXES)",
    "WITH moved AS (DELETE FROM {rest} WHERE at >= '{start}' AND at < '{end}' RETURNING *) "
    "INSERT INTO {name} SELECT * FROM moved",
    "ALTER TABLE event ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')",
)


def partitions(connection: Connection) -> dict[str, date | None]:
    """Return the partitions with the day on which each ends; None for the rest. None at all on SQLite."""
    if connection.dialect.name == "sqlite":
        return {}
    rows = connection.exec_driver_sql(_PARTITIONS)
    return {name: date(int(end[1]), int(end[2]), 1) if (end := _UPPER.search(bound)) else None
            for name, bound in rows}  # fmt: skip


def add_months(connection: Connection, now: datetime) -> list[str]:
    """Make the partitions of this month and of those ahead that are missing. Return their names."""
    there = partitions(connection)
    if not there:
        return []
    connection.exec_driver_sql(_WAIT)
    missing = list(_missing_months(there, now.date()))
    for start in missing:
        words = {"name": name_of(start), "rest": REST, "start": start, "end": following(start)}
        for statement in _ADD:
            connection.exec_driver_sql(statement.format(**words))
    return [name_of(start) for start in missing]


def drop_before(connection: Connection, before: datetime) -> list[str]:
    """Drop the months that ended before then, and the former table once it is empty. Return their names."""
    doomed = _over(partitions(connection), before.date())
    connection.exec_driver_sql(_WAIT)
    if FORMER in doomed and connection.exec_driver_sql(f"SELECT 1 FROM {FORMER} LIMIT 1").first():  # noqa: S608
        doomed.remove(FORMER)
    for name in doomed:
        connection.exec_driver_sql(f"DROP TABLE {name}")
    return doomed


def _missing_months(there: Mapping[str, date | None], today: date) -> Iterator[date]:
    """Yield the months, from this one to those ahead, that neither a partition nor the former table has.

    >>> there = {"event_former": date(2026, 12, 1), "event_2027_01": date(2027, 2, 1), "event_rest": None}
    >>> [str(month) for month in _missing_months(there, date(2026, 11, 30))]
    ['2026-12-01', '2027-02-01']
    """
    month, former = today.replace(day=1), there.get(FORMER)
    for _ in range(_MONTHS_AHEAD + 1):
        if name_of(month) not in there and (former is None or month >= former):
            yield month
        month = following(month)


def _over(there: Mapping[str, date | None], before: date) -> list[str]:
    """Return the partitions of which every event is older than `before`, oldest first.

    >>> _over({"event_2026_01": date(2026, 2, 1), "event_2026_02": date(2026, 3, 1)}, date(2026, 2, 28))
    ['event_2026_01']
    """
    return sorted(name for name, end in there.items() if end is not None and end <= before)


def name_of(month: date) -> str:
    """Return the name of a month's partition."""
    return f"event_{month:%Y_%m}"


def following(month: date) -> date:
    """Return the first day of the month after.

    >>> str(following(date(2026, 12, 1)))
    '2027-01-01'
    """
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)


def is_partition(name: str | None) -> bool:
    """Tell whether a table that no model has is one of these.

    >>> [is_partition(name) for name in ("event_2026_01", "event_rest", "event_listener", None)]
    [True, True, False, False]
    """
    return name is not None and _OURS.fullmatch(name) is not None
