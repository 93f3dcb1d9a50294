"""The history of a device, on its page and whole (rung: shell on a file SQLite)."""

from __future__ import annotations

import re
from datetime import timedelta

from flask import Flask
from flask.testing import FlaskClient

from harmony.audit import record_history
from harmony.db import db, write
from harmony.models import Device, Happening, JobRun
from harmony.sync import job as sync_job
from harmony.web.devices.history import LINES_ON_THE_DEVICE_PAGE
from harmony.web.shared.paging import PAGE_SIZE
from tests.builders import NOON, FakeUem, an_integration, devices
from tests.stored import a_sync
from tests.web.reading import link_on, look


def a_device(app: Flask) -> int:
    with app.app_context():
        id_ = an_integration()
        sync_job.sync(id_, opener=lambda *_: FakeUem({"570": devices(1)}))
        found: int = db.session.scalars(db.select(Device.id)).one()
        return found


def note(app: Flask, device: int, *details: str, run_id: int | None = None, kind: Happening) -> None:
    with app.app_context():
        at = db.session.get_one(Device, device).created_at + timedelta(hours=1)
        with write() as session:
            for detail in details:
                record_history(session, [(device, detail)], kind, at, run_id)


def lines(page: str) -> list[str]:
    return re.findall(r"<li><span class=\"badge.*?<div>(?:<p>(.*?)</p>)", page, re.S)


def test_a_device_that_nothing_happened_to_was_added_by_a_sync(app: Flask, signed_in: FlaskClient) -> None:
    page = look(signed_in, f"/devices/{a_device(app)}")
    assert lines(page) == ["Added by device sync"]
    assert "Older changes" not in page


def test_what_happened_stands_newest_first_above_the_arrival(app: Flask, signed_in: FlaskClient) -> None:
    device = a_device(app)
    note(app, device, "OS version: 17.1 → 17.2", "Device name changed", kind=Happening.CHANGED)
    note(app, device, "<i>Not listed</i>", kind=Happening.MISSING)
    page = look(signed_in, f"/devices/{device}")
    assert lines(page) == [
        "&lt;i&gt;Not listed&lt;/i&gt;",
        "Device name changed",
        "OS version: 17.1 → 17.2",
        "Added by device sync",
    ]
    assert 'data-state="missing"' in page


def test_the_older_lines_are_one_link_away_and_the_arrival_stands_on_the_last_page_only(
    app: Flask, signed_in: FlaskClient
) -> None:
    device = a_device(app)
    numbers = [f"line {number}" for number in range(PAGE_SIZE + LINES_ON_THE_DEVICE_PAGE + 5)]
    note(app, device, *numbers, kind=Happening.CHANGED)
    page = look(signed_in, f"/devices/{device}")
    assert lines(page) == numbers[::-1][:LINES_ON_THE_DEVICE_PAGE]
    found = link_on(page, "Older changes")
    assert found
    second = look(signed_in, found)
    assert lines(second) == numbers[::-1][LINES_ON_THE_DEVICE_PAGE : LINES_ON_THE_DEVICE_PAGE + PAGE_SIZE]
    older = link_on(second, 'rel="next"')
    assert older
    assert lines(look(signed_in, older)) == [*numbers[4::-1], "Added by device sync"]
    assert signed_in.get("/devices/999/history").status_code == 404


def test_a_line_leads_to_its_run_as_long_as_that_is_kept(app: Flask, signed_in: FlaskClient) -> None:
    device = a_device(app)
    with app.app_context():
        first = db.session.scalars(db.select(JobRun)).one()
        integration, id_ = first.integration_id, first.id
    note(app, device, "Kept", run_id=id_, kind=Happening.CHANGED)
    note(app, device, "Gone", run_id=id_ + 1, kind=Happening.CHANGED)
    href = f'href="/integrations/{integration}/runs/{id_}"'
    page = look(signed_in, f"/devices/{device}")
    assert page.count(href) == 1
    assert f"/runs/{id_ + 1}" not in page


def test_a_line_of_tagging_leads_to_its_run(app: Flask, signed_in: FlaskClient) -> None:
    device = a_device(app)
    with app.app_context():
        sync = db.session.scalars(db.select(JobRun)).one()
        integration, id_ = sync.integration_id, sync.id + 1
        with write() as session:
            session.add(a_sync(integration, sync.started_at, kind="tagging", sync_kind=""))
    note(app, device, "Tag removed", run_id=id_, kind=Happening.UNTAGGED)
    page = look(signed_in, f"/devices/{device}")
    assert "Tag removed" in page
    assert f'href="/integrations/{integration}/runs/{id_}"' in page
    assert "Tagging 2" in look(signed_in, f"/integrations/{integration}/runs/{id_}")


def test_a_later_run_that_was_given_the_number_of_a_removed_one_is_not_meant(
    app: Flask, signed_in: FlaskClient
) -> None:
    device = a_device(app)
    with app.app_context():
        run_id = db.session.scalars(db.select(JobRun.id)).one()
        with write() as session:
            record_history(
                session, [(device, "Long ago")], Happening.CHANGED, NOON - timedelta(days=900), run_id
            )
    assert f"/runs/{run_id}" not in look(signed_in, f"/devices/{device}")
