"""The overview: its numbers lead to their rows, and it says what needs a person (rung: shell)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select

from harmony.backup import record
from harmony.clock import now
from harmony.config import Settings
from harmony.db import db, write
from harmony.models import (
    Device,
    DeviceStatus,
    Event,
    Finding,
    Integration,
    IntegrationState,
    Protection,
    Risk,
    Severity,
    Verb,
    Worker,
)
from harmony.web.overview.event_days import events_by_day
from tests.builders import NOON, an_integration
from tests.database import on_both
from tests.stored import devices, store
from tests.web.test_devices import look, names_on

database = on_both
BAR = re.compile(
    r'<a href="(/devices\?[^"]+)">([^<]+)</a></th>\s*<td class="num" data-label="Devices">([\d,]+)'
)


@pytest.fixture
def full(app: Flask, signed_in: FlaskClient) -> FlaskClient:
    """Two integrations with six devices each: of every status and risk, one rooted, one deleted."""
    with app.app_context():
        for name in ("Head office", "Branch"):
            id_ = an_integration(name=name)
            store(id_, 6)
            standings = [
                (DeviceStatus.ACTIVE, Risk.HIGH),
                (DeviceStatus.ACTIVE, Risk.NONE),
                (DeviceStatus.INACTIVE, Risk.NONE),
                (DeviceStatus.PROVISIONED, Risk.LOW),
            ]
            for device, standing in zip(devices(id_), standings, strict=False):
                protect_one(device.id, id_, *standing)
            first = devices(id_)[0].id
            with write() as session:
                session.get_one(Device, first).platform = "iOS"
                session.add(Finding(device_id=first, code="ROOTED", risk=Risk.HIGH, opened_at=NOON))
        db.session.remove()
    return signed_in


def protect_one(device_id: int, integration_id: int, status: DeviceStatus, risk: Risk) -> None:
    with write() as session:
        session.add(
            Protection(
                device_id=device_id, integration_id=integration_id, status=status, risk=risk, changed_at=NOON
            )
        )


def happened(*at: datetime) -> None:
    with write() as session:
        for moment in at:
            session.add(Event(at=moment, severity=Severity.INFORMATION, verb=Verb.INSTALLED))


def test_before_there_is_an_integration_it_leads_to_where_one_is_made(signed_in: FlaskClient) -> None:
    answer = signed_in.get("/")
    assert (answer.status_code, answer.location) == (303, "/integrations")


def test_each_number_of_devices_leads_to_as_many_rows(full: FlaskClient) -> None:
    found = [
        (href.replace("&amp;", "&"), label, int(count)) for href, label, count in BAR.findall(look(full, "/"))
    ]
    assert {label: count for _, label, count in found} == {
        "Protected": 4, "Not heard": 2, "No Protect app": 6,
        "High": 2, "Medium": 0, "Low": 2, "No Risk": 4, "Apple": 2, "Android": 10, "Rooted": 2,
    }  # fmt: skip
    for href, label, count in found:
        assert len(names_on(look(full, href))) == count, label


def test_a_deleted_device_counts_for_no_platform(app: Flask, full: FlaskClient) -> None:
    with app.app_context(), write() as session:
        session.scalars(select(Device).where(Device.platform == "iOS").limit(1)).one().deleted_at = NOON
    assert {label: count for _, label, count in BAR.findall(look(full, "/"))}["Apple"] == "1"


def test_a_platform_that_is_neither_apple_nor_android_is_counted_as_other_and_leads_to_its_devices(
    app: Flask, full: FlaskClient
) -> None:
    assert "Other" not in {label for _, label, _ in BAR.findall(look(full, "/"))}
    with app.app_context(), write() as session:
        for platform in ("WinRT", "WinRT", ""):
            session.scalars(
                select(Device).where(Device.platform == "Android").limit(1)
            ).one().platform = platform
            session.flush()
    found = {label: (href, count) for href, label, count in BAR.findall(look(full, "/"))}
    assert (found["Other"][1], found["Android"][1]) == ("3", "7")
    assert len(names_on(look(full, found["Other"][0]))) == 3


def test_a_deleted_device_counts_for_no_threat_factor(app: Flask, full: FlaskClient) -> None:
    with app.app_context(), write() as session:
        rooted = session.scalars(select(Finding.device_id)).first()
        session.get_one(Device, rooted).deleted_at = NOON
    found = {label: int(count) for _, label, count in BAR.findall(look(full, "/"))}
    assert found["Rooted"] == 1


def test_a_removed_integration_that_can_be_brought_back_counts_for_nothing(
    app: Flask, full: FlaskClient
) -> None:
    before = {label: int(count) for _, label, count in BAR.findall(look(full, "/"))}
    with app.app_context(), write() as session:
        session.query(Integration).filter_by(name="Branch").one().state = IntegrationState.HIDDEN
    after = {label: int(count) for _, label, count in BAR.findall(look(full, "/"))}
    assert after["Rooted"] == before["Rooted"] - 1
    rows = {label: len(names_on(look(full, href))) for href, label, _ in BAR.findall(look(full, "/"))}
    assert after == rows


def test_what_needs_a_person_stands_on_top_with_its_integration(app: Flask, full: FlaskClient) -> None:
    assert "Nothing needs you now." not in look(full, "/"), "no worker has run yet"
    with app.app_context(), write() as session:
        session.add(Worker(identity="w", started_at=now(), seen_at=now()))
    assert "Nothing needs you now." in look(full, "/")
    with app.app_context(), write() as session:
        row = session.query(Integration).filter_by(name="Branch").one()
        row.stopped_why, row.stopped_reason = "sign_in", "The UEM refused the user name."
    page = look(full, "/")
    assert "Nothing needs you now." not in page
    assert "Branch: Stopped: The UEM refused the user name." in page
    assert page.count('data-state="stopped"') == 1
    assert page.count('data-state="active"') == 1


def test_a_missing_backup_stands_on_top(app: Flask, settings: Settings, full: FlaskClient) -> None:
    app.extensions["harmony.settings"] = replace(settings, backup_hours=24)
    with app.app_context():
        record.note(settings.data_dir, None, "pg_dump is not installed on this machine.")
    said = "Backups: No backup was made yet. The last try failed: pg_dump is not installed on this machine."
    assert said in look(full, "/")
    with app.app_context():
        record.note(settings.data_dir, now())
    assert "Backups:" not in look(full, "/")


def test_events_are_counted_by_the_day_in_utc(context: Flask) -> None:
    noon = datetime(2026, 11, 28, 12, tzinfo=UTC)
    midnight = datetime(2026, 11, 28, tzinfo=UTC)
    happened(midnight - timedelta(days=5), midnight - timedelta(seconds=1), midnight, noon, noon)
    lines, _counted = events_by_day(3, noon)
    assert [(line.day, line.events) for line in lines] == [
        (date(2026, 11, 26), 0), (date(2026, 11, 27), 1), (date(2026, 11, 28), 3),
    ]  # fmt: skip
    assert [line.last_id for line in lines] == [0, 2, 5]


def test_what_was_counted_is_kept_for_an_hour_and_newer_events_are_added(context: Flask) -> None:
    noon = datetime(2026, 11, 28, 12, tzinfo=UTC)
    happened(*(noon - timedelta(days=days) for days in (2, 1, 0)))
    first, counted = events_by_day(3, noon)
    assert [line.events for line in first] == [1, 1, 1]
    happened(noon, noon - timedelta(days=1))
    with write() as session:
        session.execute(delete(Event).where(Event.at < noon - timedelta(days=1, hours=1)))
    again, counted = events_by_day(3, noon + timedelta(minutes=30), counted)
    assert [line.events for line in again] == [1, 2, 2], "with what came since, also for a day that has ended"
    assert events_by_day(3, noon + timedelta(minutes=31), counted)[0] == again
    later, counted = events_by_day(3, noon + timedelta(hours=1), counted)
    assert [line.events for line in later] == [0, 2, 2], "with what was deleted since"


def test_over_midnight_a_day_is_added_and_the_oldest_forgotten(context: Flask) -> None:
    midnight = datetime(2026, 11, 28, tzinfo=UTC)
    happened(midnight - timedelta(days=1), midnight - timedelta(seconds=2))
    _lines, counted = events_by_day(2, midnight - timedelta(seconds=1))
    happened(midnight - timedelta(seconds=1), midnight + timedelta(minutes=1))
    lines, counted = events_by_day(2, midnight + timedelta(minutes=2), counted)
    assert [(line.day.day, line.events) for line in lines] == [(27, 3), (28, 1)]
    assert sorted(counted.days) == [date(2026, 11, 27), date(2026, 11, 28)]


def test_more_days_than_were_counted_are_counted_anew(context: Flask) -> None:
    noon = datetime(2026, 11, 28, 12, tzinfo=UTC)
    happened(noon - timedelta(days=2), noon)
    _lines, counted = events_by_day(1, noon)
    assert [line.events for line in events_by_day(3, noon, counted)[0]] == [1, 0, 1]


def test_a_column_leads_to_the_events_of_its_day(app: Flask, full: FlaskClient) -> None:
    with app.app_context():
        happened(now() - timedelta(days=2), now())
    found = re.findall(r'<a href="(/events\?after=\d+)">\s*<title>', look(full, "/"))
    assert len(found) == 2
    rows = [look(full, href).count('data-label="Event"') for href in found]
    assert rows == [1, 2]
