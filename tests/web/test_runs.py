"""The sync history, one run, the devices behind its numbers (rung: shell on a file SQLite)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, insert

from harmony.audit import record_history
from harmony.db import db, table_of, write
from harmony.jobs.kinds import JobKind
from harmony.models import (
    Device,
    Happening,
    Hold,
    HoldState,
    JobRun,
    SkippedDevice,
    SyncKind,
    SyncRunState,
)
from harmony.sync import job as engine
from harmony.web.runs import queries as run_queries
from harmony.web.runs.queries import FILTERS, RUNS_NEWEST_FIRST, SKIPPED_NEWEST_FIRST
from harmony.web.shared.csv_export import cell
from harmony.web.shared.filters import Filters
from harmony.web.shared.ids import number
from harmony.web.shared.paging import BEGINNING, PAGE_SIZE, Cursor, Place
from tests.builders import NOON, FakeUem, an_integration, devices
from tests.files import records_of
from tests.stored import a_sync, plan_of
from tests.web.reading import link_on, look, pages_from

MINUTE = timedelta(minutes=1)


def a_run(integration_id: int, count: int = 1, **changes: Any) -> int:
    """Runs that ended well; the id of the last."""
    values = {"finished_at": NOON + MINUTE} | changes
    with write() as session:
        rows = [a_sync(integration_id, **values) for _ in range(count)]
        session.add_all(rows)
        session.flush()
        return rows[-1].id


def an_active(app: Flask, *numbers: int) -> int:
    """An integration; with devices of these ids if any are given."""
    with app.app_context():
        id_ = an_integration()
        if numbers:
            engine.sync(id_, opener=lambda *_: FakeUem({"570": devices(*numbers)}, page_size=500))
        return id_


def runs_on(page: str) -> list[int]:
    return [
        int(found) for found in re.findall(r'<th scope="row"><a href="/integrations/\d+/runs/(\d+)">', page)
    ]


def devices_on(page: str) -> list[int]:
    return [int(found) for found in re.findall(r'<th scope="row"><a href="/devices/(\d+)">', page)]


def leaf(
    client: FlaskClient, href: str | None, rows: Callable[[str], list[int]], rel: str
) -> list[list[int]]:
    """The rows of every page from there on."""
    return [rows(page) for page in pages_from(client, href, rel)] if href else []


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """The SELECTs that were sent meanwhile."""
    sent: list[str] = []

    def note(_conn: Any, _cursor: Any, sql: str, *_rest: Any) -> None:
        sent.append(sql)

    with app.app_context():
        target = db.engine
    event.listen(target, "before_cursor_execute", note)
    yield sent
    event.remove(target, "before_cursor_execute", note)


def test_every_run_is_on_exactly_one_page_newest_first_forwards_and_backwards(
    app: Flask, signed_in: FlaskClient
) -> None:
    id_, other = an_active(app), an_active(app)
    with app.app_context():
        newest = a_run(id_, PAGE_SIZE * 2 + 7)
        a_run(other, 3)
    pages = leaf(signed_in, f"/integrations/{id_}/runs", runs_on, "next")
    assert [run for page in pages for run in page] == list(range(newest, newest - PAGE_SIZE * 2 - 7, -1))
    assert [len(page) for page in pages] == [PAGE_SIZE, PAGE_SIZE, 7]
    back = leaf(signed_in, f"/integrations/{id_}/runs?before={pages[2][0]}", runs_on, "prev")
    assert back == [pages[1], pages[0]]


def test_new_runs_do_not_shift_an_older_page(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app)
    with app.app_context():
        a_run(id_, PAGE_SIZE + 5)
    href = link_on(look(signed_in, f"/integrations/{id_}/runs"), 'rel="next"') or ""
    before = runs_on(look(signed_in, href))
    with app.app_context():
        a_run(id_, 9)
    assert runs_on(look(signed_in, href)) == before


def test_the_history_can_be_narrowed_to_a_state_and_a_kind(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app)
    with app.app_context():
        a_run(id_)
        failed = a_run(id_, state=SyncRunState.FAILED)
        refresh = a_run(id_, sync_kind=SyncKind.DELTA)
        both = a_run(id_, sync_kind=SyncKind.DELTA, state=SyncRunState.FAILED)
    href = f"/integrations/{id_}/runs"
    assert runs_on(look(signed_in, f"{href}?state=failed")) == [both, failed]
    assert runs_on(look(signed_in, f"{href}?kind=delta")) == [both, refresh]
    assert runs_on(look(signed_in, f"{href}?kind=delta&state=failed")) == [both]
    assert (
        len(runs_on(look(signed_in, f"{href}?kind=nonsense&state=&after=x&before=99999999999999999999"))) == 4
    )
    none = look(signed_in, f"{href}?state=held")
    assert "No run matches" in none
    assert "Show all runs" in none
    assert "Full sync" in none
    assert "Refresh" in none


def test_an_integration_without_a_run_says_why(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app)
    assert "Nothing has run yet" in look(signed_in, f"/integrations/{id_}/runs")
    assert "This is the end of the list" in look(signed_in, f"/integrations/{id_}/runs?after=1")
    assert signed_in.get("/integrations/99/runs").status_code == 404
    assert signed_in.post("/integrations/99/runs.csv").status_code == 404


def test_the_file_has_every_page_of_the_filter_and_no_formula(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app)
    with app.app_context():
        a_run(id_, PAGE_SIZE * 3, added=7)
        newest = a_run(id_, state=SyncRunState.FAILED, reason='=HYPERLINK("x")', started_by="@kim", added=-1)
    answer = signed_in.post(f"/integrations/{id_}/runs.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="harmony-runs-{id_}.csv"'
    rows = records_of(answer)
    assert len(rows) == PAGE_SIZE * 3 + 1
    assert rows[0]["id"] == str(newest)
    assert (rows[0]["reason"], rows[0]["started_by"], rows[0]["added"]) == (
        '\'=HYPERLINK("x")',
        "'@kim",
        "-1",
    )
    assert rows[1]["started_at"] == "2026-01-15T12:00:00Z"
    narrowed = signed_in.post(f"/integrations/{id_}/runs.csv?state=failed").get_data(as_text=True)
    assert len(narrowed.splitlines()) == 2


@given(st.text())
def test_no_cell_of_a_file_is_a_formula(typed: str) -> None:
    assert not cell(typed).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cell(typed).endswith(typed)


@given(st.text())
def test_what_is_no_id_is_no_place(typed: str) -> None:
    found = number(typed)
    assert found is None or (str(found) == (typed.lstrip("0") or "0") and found < 2**63)


def test_a_run_page_tells_everything_in_words(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app)
    with app.app_context():
        run = a_run(
            id_, state=SyncRunState.INCOMPLETE, started_by="kim", reason="The list ended early.",
            advice="Try again.", pages_read=7, devices_read=3400, expected=5000, calls=12,
            quota_limit=60000, quota_left=58800, version=1, added=11, unchanged=3000,
        )  # fmt: skip
    page = look(signed_in, f"/integrations/{id_}/runs/{run}")
    for words in (
        f"Full sync {run}", "The list ended early. Try again.", 'data-state="incomplete"', "by kim",
        "after 1 min 00 s", "7 pages with 3,400 devices of 5,000 announced", "every chosen group",
        "1,200 of the UEM's 60,000 calls a day were used, 58,800 left", "Version 1",
    ):  # fmt: skip
        assert words in page.replace("&#39;", "'"), words
    assert '<span class="stat-value">3,000</span> <span class="stat-label">Unchanged</span>' in page
    assert f'href="/integrations/{id_}/runs/{run}/devices?kind=added"' in page
    assert "kind=missing" not in page


def test_a_refresh_is_called_so_and_a_silent_quota_is_not_invented(
    app: Flask, signed_in: FlaskClient
) -> None:
    id_ = an_active(app)
    with app.app_context():
        run = a_run(id_, sync_kind=SyncKind.DELTA)
    page = look(signed_in, f"/integrations/{id_}/runs/{run}")
    assert f"Refresh {run}" in page
    assert "counts nothing as missing" in page
    assert "The UEM did not say." in page


@pytest.mark.parametrize("part", ["", "/status", "/devices"])
def test_a_run_is_found_under_its_own_integration_only(app: Flask, signed_in: FlaskClient, part: str) -> None:
    one, other = an_active(app), an_active(app)
    with app.app_context():
        run = a_run(one)
    assert signed_in.get(f"/integrations/{one}/runs/{run}{part}").status_code == 200
    assert signed_in.get(f"/integrations/{other}/runs/{run}{part}").status_code == 404
    assert signed_in.get(f"/integrations/{one}/runs/{run + 1}{part}").status_code == 404


def test_only_a_run_under_way_asks_for_itself_again(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app)
    with app.app_context():
        ended = a_run(id_)
        running = a_run(
            id_, state=SyncRunState.RUNNING, finished_at=None, step="Group 2 of 5", pages_read=7,
            devices_read=3400, expected=5000,
        )  # fmt: skip
    assert "hx-trigger" not in look(signed_in, f"/integrations/{id_}/runs/{ended}")
    page = look(signed_in, f"/integrations/{id_}/runs/{running}")
    assert 'hx-trigger="every 2s"' in page
    assert "page 7 · 3,400 devices read of 5,000 announced so far" in page
    part = look(signed_in, f"/integrations/{id_}/runs/{running}/status")
    assert "<html" not in part
    assert part.strip() in page


def test_skipped_devices_stand_with_their_reason_and_lead_to_the_device_that_is_known(
    app: Flask, signed_in: FlaskClient
) -> None:
    id_ = an_active(app, 7)
    with app.app_context():
        run = a_run(id_, skipped=PAGE_SIZE + 3, state=SyncRunState.WARNING)
        rows = [
            {"run_id": run, "external_id": str(100 + n), "reason": "<b>Bad</b>"} for n in range(PAGE_SIZE)
        ]
        rows += [{"run_id": run, "external_id": id_of, "reason": "No name"} for id_of in ("7", None, "8")]
        with write() as session:
            session.execute(insert(table_of(SkippedDevice)), rows)
        device = db.session.scalars(db.select(Device.id)).one()
    page = look(signed_in, f"/integrations/{id_}/runs/{run}")
    assert page.count('<td data-label="Reason">') == PAGE_SIZE
    assert f'<a href="/devices/{device}">' in page
    assert page.count('<a href="/devices/') == 1
    assert "unreadable" in page
    assert "<b>Bad" not in page
    assert 'href="#skipped"' in page
    following = look(signed_in, (link_on(page, 'rel="next"') or "").partition("#")[0])
    assert following.count('<td data-label="Reason">') == 3


def test_a_run_that_skipped_more_than_is_kept_says_so(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app)
    with app.app_context():
        run = a_run(id_, skipped=1001, state=SyncRunState.WARNING)
        with write() as session:
            session.add(SkippedDevice(run_id=run, external_id="1", reason="r"))
    assert "The first 1,000 of them." in look(signed_in, f"/integrations/{id_}/runs/{run}")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (HoldState.OPEN, "Waits for you"),
        (HoldState.DISMISSED, "decided by kim"),
        (HoldState.EXPIRED, "Approval ran out"),
    ],
)
def test_a_run_that_held_deletions_back_says_what_became_of_them(
    app: Flask, signed_in: FlaskClient, state: HoldState, words: str
) -> None:
    id_ = an_active(app)
    by = {"decided_by": "kim", "decided_at": NOON} if state is HoldState.DISMISSED else {}
    with app.app_context():
        run = a_run(id_, state=SyncRunState.HELD)
        hold = Hold(
            integration_id=id_, run_id=run, state=state, created_at=NOON, up_to=1, devices=1200, live=5000,
            digest="d", reasons=["threshold"], **by,
        )  # fmt: skip
        with write() as session:
            session.add(hold)
            session.flush()
            href = f'href="/integrations/{id_}/holds/{hold.id}"'
    page = look(signed_in, f"/integrations/{id_}/runs/{run}")
    assert "1,200 deletions of 5,000 devices" in page
    assert words in page
    assert href in page


def test_each_number_leads_to_exactly_the_devices_it_counts(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app, 1, 2, 3)
    with app.app_context():
        first = db.session.scalars(db.select(JobRun.id)).one()
        one, two, three = db.session.scalars(db.select(Device.id).order_by(Device.id)).all()
        run = a_run(id_, updated=2, missing=1, deleted=1)
        with write() as session:
            record_history(session, [(one, "OS version: 17.1 → 17.2")], Happening.CHANGED, NOON, run)
            record_history(session, [(two, "Under another id")], Happening.ENROLLED_AGAIN, NOON, run)
            record_history(session, [(three, "")], Happening.MISSING, NOON, run)
            record_history(session, [(three, "")], Happening.CHANGED, NOON, run - 1)
            session.get_one(Device, two).deleted_at = NOON
            record_history(session, [(two, "")], Happening.DELETED, NOON, run)
    href = f"/integrations/{id_}/runs/{run}/devices"
    updated = look(signed_in, f"{href}?kind=updated")
    assert devices_on(updated) == [two, one]
    assert "OS version: 17.1 → 17.2" in updated
    assert 'data-state="enrolled_again"' in updated
    assert devices_on(look(signed_in, f"{href}?kind=missing")) == [three]
    deleted = look(signed_in, f"{href}?kind=deleted")
    assert devices_on(deleted) == [two]
    assert deleted.count('data-state="deleted"') == 2
    assert devices_on(look(signed_in, f"{href}?kind=added")) == []
    assert devices_on(look(signed_in, href)) == [two, one], "without a number the first that counts anything"
    assert devices_on(look(signed_in, f"{href}?kind=nonsense")) == [two, one]
    assert devices_on(look(signed_in, f"/integrations/{id_}/runs/{first}/devices?kind=added")) == [
        three,
        two,
        one,
    ]


def test_rows_that_are_no_longer_kept_are_not_called_none(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app)
    with app.app_context():
        run = a_run(id_, missing=4)
    assert "No longer known" in look(signed_in, f"/integrations/{id_}/runs/{run}/devices?kind=missing")
    assert "This run counted no device here" in look(
        signed_in, f"/integrations/{id_}/runs/{run}/devices?kind=deleted"
    )


@pytest.mark.parametrize("kind", ["added", "updated"])
def test_every_device_of_a_run_is_on_exactly_one_page(app: Flask, signed_in: FlaskClient, kind: str) -> None:
    count = PAGE_SIZE * 2 + 3
    id_ = an_active(app, *range(count))
    with app.app_context():
        run = db.session.scalars(db.select(JobRun.id)).one()
        ids = db.session.scalars(db.select(Device.id)).all()
        with write() as session:
            record_history(session, [(one, "") for one in ids], Happening.CHANGED, NOON, run)
    href = f"/integrations/{id_}/runs/{run}/devices?kind={kind}"
    pages = leaf(signed_in, href, devices_on, "next")
    assert [one for page in pages for one in page] == sorted(ids, reverse=True)
    assert leaf(signed_in, f"{href}&before={pages[2][0]}", devices_on, "prev") == [pages[1], pages[0]]


def test_no_page_sends_more_statements_for_more_rows(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app, *range(PAGE_SIZE))
    few, many = an_active(app), id_
    with app.app_context():
        runs = {few: a_run(few), many: a_run(many, 60, skipped=40)}
        rows = [{"run_id": runs[many], "external_id": str(n), "reason": "r"} for n in range(40)]
        ids = db.session.scalars(db.select(Device.id)).all()
        with write() as session:
            session.execute(insert(table_of(SkippedDevice)), rows)
            record_history(session, [(one, "") for one in ids], Happening.MISSING, NOON, runs[many])
    for part in ("runs", "runs/{}", "runs/{}/devices?kind=missing"):
        sent = {}
        for one, run in runs.items():
            with statements(app) as said:
                look(signed_in, f"/integrations/{one}/{part.format(run)}")
            sent[one] = len(said)
        assert sent[few] == sent[many], part


def test_no_page_reads_a_whole_table_or_sorts_one(app: Flask) -> None:
    run = JobRun(id=5, integration_id=1, started_at=NOON, finished_at=NOON + MINUTE)
    with app.app_context():
        every_run = run_queries.runs(1, Filters(FILTERS)), RUNS_NEWEST_FIRST
        failed = (
            run_queries.runs(1, Filters(FILTERS, {"state": "failed", "kind": "delta"})),
            RUNS_NEWEST_FIRST,
        )
        of_one_job = run_queries.of_job(1, JobKind.APPS), RUNS_NEWEST_FIRST
        skipped = run_queries.skipped(run), SKIPPED_NEWEST_FIRST
        changed = run_queries.devices(run, "updated")
        for query, order in (every_run, failed, of_one_job, skipped, changed):
            for place in (BEGINNING, Place(after=Cursor(500)), Place(before=Cursor(5))):
                plan = plan_of(order.statement(query, place))
                assert all(line.startswith("SEARCH") for line in plan), plan
        # The devices a run added are sorted by id, but only those: found by when they were made.
        query, order = run_queries.devices(run, "added")
        plan = plan_of(order.statement(query, BEGINNING))
        assert any("ix_device_integration_id_created_at" in line for line in plan), plan
