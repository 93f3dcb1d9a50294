"""Events by month on PostgreSQL: the upgrade of a plain table, months ahead, retention (rung: shell)."""

from __future__ import annotations

import doctest
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import func, select, text

from harmony import create_app
from harmony.config import Settings
from harmony.db import db, write
from harmony.models import Event, event_partitions
from harmony.ops import migrate
from harmony.worker import event_retention, retention
from tests.builders import NOON
from tests.database import INITDB, Server
from tests.ops.test_migrate import a_database_at, a_device_row, insert_rows

pytestmark = pytest.mark.skipif(not INITDB, reason="SQLite has one plain table of events")

DAY = timedelta(days=1)


def test_the_examples_in_the_documentation_are_true() -> None:
    failed, tried = doctest.testmod(event_partitions)
    assert (failed, tried > 0) == (0, True)


@pytest.fixture
def former(tmp_path: Path, server: Server) -> Iterator[Flask]:
    """A database of the version before, with an integration and two devices."""
    with server.database() as url:
        app = create_app(Settings(data_dir=tmp_path / "data", database_url=url, backup_hours=0))
        with app.app_context():
            a_database_at("0001")
            upgrade(directory=str(migrate.SCRIPTS), revision="0040")
            days = dict.fromkeys(("last_seen_at", "created_at", "updated_at"), NOON)
            names = {"name": "n", "user_name": "", "email": ""}
            insert_rows("device", [a_device_row(id_, **names, **days) for id_ in (1, 2)])
            yield app
            db.session.remove()
            db.engine.dispose()


def note(at: datetime, device: int = 1) -> None:
    row = {
        "at": at.replace(tzinfo=None),
        "severity": "warning",
        "vector": "",
        "factor": "",
        "verb": "detected",
    }
    insert_rows("event", [{**row, "device_id": device, "integration_id": 1, "detail": ""}])


def months() -> list[str]:
    names = event_partitions.partitions(db.session.connection())
    db.session.rollback()
    return sorted(names)


def kept() -> list[int]:
    ids = list(db.session.scalars(select(Event.id).order_by(Event.id)))
    db.session.rollback()
    return ids


def rows_in(table: str) -> int:
    count = db.session.scalar(select(func.count()).select_from(text(table))) or 0
    db.session.rollback()
    return count


def test_an_upgrade_takes_the_table_over_as_it_is_and_new_events_go_to_their_month(former: Flask) -> None:
    for days in (400, 30, 0):
        note(NOON - days * DAY, device=1 + days % 2)
    migrate.migrate(NOON)
    assert kept() == [1, 2, 3]
    assert rows_in("event_former") == 3
    today = db.session.scalar(text("SELECT now() AT TIME ZONE 'UTC'")) or NOON
    month = event_partitions.following(today.date().replace(day=1))
    note(datetime(month.year, month.month, 2, tzinfo=NOON.tzinfo))
    assert rows_in(event_partitions.name_of(month)) == 1
    assert kept() == [1, 2, 3, 4], "ids go on"
    assert rows_in("event_rest") == 0


def test_what_is_deleted_with_a_device_is_deleted_in_every_month(former: Flask) -> None:
    note(NOON, device=2)
    migrate.migrate(NOON)
    for days in (0, 40, 4000):
        note(NOON + days * DAY, device=2)
    note(NOON, device=1)
    with write() as session:
        session.execute(text("DELETE FROM device WHERE id = 2"))
    assert kept() == [5]


def test_a_downgrade_brings_the_plain_table_back_with_its_rows(former: Flask) -> None:
    note(NOON)
    upgrade(directory=str(migrate.SCRIPTS), revision="0041")
    note(NOON + 40 * DAY)
    db.session.rollback()
    downgrade(directory=str(migrate.SCRIPTS), revision="0040")
    assert (kept(), months()) == ([1, 2], [])
    note(NOON)
    assert kept() == [1, 2, 3]


def test_a_new_database_has_this_month_and_three_ahead(former: Flask) -> None:
    migrate.migrate(NOON)
    assert len(months()) == 5
    assert "event_former" not in months()


def test_events_of_a_month_that_nobody_made_are_taken_into_it_when_it_is_made(former: Flask) -> None:
    migrate.migrate(NOON)
    later = NOON.replace(year=2031)
    note(later)
    note(later + 200 * DAY)
    assert rows_in("event_rest") == 2
    event_retention.make_months(later)
    assert (rows_in("event_2031_01"), rows_in("event_rest")) == (1, 1)
    event_retention.make_months(later)
    assert kept() == [1, 2]


def test_retention_drops_a_month_once_all_of_it_is_over_its_time(former: Flask) -> None:
    migrate.migrate(NOON)
    begin = NOON.replace(year=2031, month=1)
    for month in (1, 2, 3):
        event_retention.make_months(begin.replace(month=month))
        note(begin.replace(month=month))
    event_retention.drop_months(begin.replace(month=2, day=28))
    assert kept() == [2, 3]
    assert "event_2031_01" not in months()
    event_retention.drop_months(begin.replace(month=3, day=1))
    assert kept() == [3]


def test_retention_empties_the_former_table_row_by_row_and_then_drops_it(former: Flask) -> None:
    for days in (400, 300, 2):
        note(NOON - days * DAY)
    migrate.migrate(NOON)
    settings = Settings(data_dir=Path("unused"), events_kept_days=365)
    retention.sweep(NOON, settings)
    assert kept() == [2, 3]
    assert "event_former" in months()
    retention.sweep(NOON + 500 * DAY, settings)
    assert kept() == []
    retention.sweep(NOON + 900 * DAY, settings)
    assert "event_former" not in months()


def test_a_month_that_somebody_reads_is_dropped_by_a_later_sweep(
    former: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    migrate.migrate(NOON)
    old = NOON.replace(year=2031)
    event_retention.make_months(old)
    note(old)
    url = former.extensions["harmony.settings"].database_url
    with psycopg.connect(url) as reader:
        reader.execute("SELECT count(*) FROM event")
        event_retention.drop_months(old + 60 * DAY)
        assert "the next sweep tries again" in caplog.text
        assert kept() == [1]
    event_retention.drop_months(old + 60 * DAY)
    assert kept() == []
