"""The pages of a job, and what the integration's page says of it (rung: shell on a file SQLite)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db, write
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.jobs.presence import identity
from harmony.models import AuditEntry, IntegrationState, Job, JobRun, SyncRunState
from harmony.web.shared.paging import PAGE_SIZE
from tests.builders import NOON, an_integration, due_jobs
from tests.web.reading import look

APPS = JobKind.APPS


@pytest.fixture
def integration(app: Flask) -> int:
    with app.app_context():
        id_ = an_integration()
        with write() as session:
            lease.make_due(session, id_, APPS, now() + timedelta(hours=3))
        return id_


def a_run(id_: int, **changes: Any) -> int:
    values = {
        "kind": APPS, "state": SyncRunState.OK, "started_by": "schedule", "started_at": now(),
        "heartbeat_at": now(), "finished_at": now(), "owner": "w", "fence": 1, "calls": 7,
        "counts": {"read": 7, "changed": 2, "skipped": 0, "waiting": 0},
    } | changes  # fmt: skip
    with write() as session:
        row = JobRun(integration_id=id_, **values)
        session.add(row)
        session.flush()
        return row.id


def flat(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))


def test_the_integration_says_when_apps_were_fetched_and_what_it_cost(
    app: Flask, signed_in: FlaskClient, integration: int
) -> None:
    page = flat(look(signed_in, f"/integrations/{integration}"))
    assert "Apps of iOS devices were last fetched never" in page
    assert "Reading apps has used 0 of its 10,000 calls a day." in page
    with app.app_context():
        a_run(
            integration, state=SyncRunState.WARNING, reason="40 devices wait.", quota_left=9, quota_limit=1000
        )
    page = flat(look(signed_in, f"/integrations/{integration}"))
    assert "7 of its 200 calls a day" in page
    assert "40 devices wait." in page


def test_sync_apps_now_makes_it_due_and_says_when_it_cannot(
    app: Flask, signed_in: FlaskClient, integration: int
) -> None:
    href = f"/integrations/{integration}/jobs/apps"
    answer = signed_in.post(href + "/run")
    assert (answer.status_code, answer.location) == (303, href)
    assert 'hx-get="' in look(signed_in, href)
    with app.app_context():
        assert due_jobs(now()) == [(integration, APPS)]
        assert db.session.scalars(select(AuditEntry.what)).all()[-1] == "Asked for an app sync"
        with write() as session:
            session.get_one(lease.Integration, integration).state = IntegrationState.PAUSED
    page = signed_in.post(href + "/run", follow_redirects=True).get_data(as_text=True)
    assert "the integration is paused" in page


def test_its_page_lists_every_run_newest_first_and_each_has_a_page(
    app: Flask, signed_in: FlaskClient, integration: int
) -> None:
    with app.app_context():
        ids = [a_run(integration) for _ in range(PAGE_SIZE + 2)]
    href = f"/integrations/{integration}/jobs/apps"
    first = re.findall(r"/integrations/1/runs/(\d+)", look(signed_in, href))
    assert [int(one) for one in first] == ids[:1:-1]
    older = re.findall(r"/integrations/1/runs/(\d+)", look(signed_in, f"{href}?after={first[-1]}"))
    assert [int(one) for one in older] == [ids[1], ids[0]]
    page = flat(look(signed_in, f"/integrations/{integration}/runs/{ids[0]}"))
    assert f"App sync {ids[0]}" in page
    assert "Calls made7" in page
    assert signed_in.get(f"/integrations/{integration}/jobs/nothing").status_code == 404


def test_the_former_address_of_a_run_leads_on_by_its_former_id(
    app: Flask, signed_in: FlaskClient, integration: int
) -> None:
    with app.app_context():
        first, second = a_run(integration, former_id=2), a_run(integration, former_id=1)
    href = f"/integrations/{integration}/jobs"
    for former, id_ in ((2, first), (1, second)):
        answer = signed_in.get(f"{href}/apps/runs/{former}")
        assert (answer.status_code, answer.location) == (301, f"/integrations/{integration}/runs/{id_}")
    for wrong in ("apps/runs/3", "tagging/runs/1", "nothing/runs/1"):
        assert signed_in.get(f"{href}/{wrong}").status_code == 404


def test_a_run_under_way_can_be_cancelled(app: Flask, signed_in: FlaskClient, integration: int) -> None:
    href = f"/integrations/{integration}/jobs/apps"
    with app.app_context():
        lease.request(integration, APPS, "kim", now())
        held = lease.claim(integration, APPS, identity(), now())
        assert held is not None
    assert "Under way" in look(signed_in, href)
    answer = signed_in.post(href + "/cancel", follow_redirects=True).get_data(as_text=True)
    assert "Cancelled. What was done before was kept." in answer
    with app.app_context():
        assert db.session.get_one(JobRun, held.run_id).state == SyncRunState.CANCELLED
        following = db.session.get_one(Job, (integration, APPS)).next_at
        assert following is not None
        assert following > now()
    again = signed_in.post(href + "/cancel", follow_redirects=True).get_data(as_text=True)
    assert "nothing to cancel any more" in again


def test_a_parked_job_is_one_banner_on_the_integration(
    app: Flask, signed_in: FlaskClient, integration: int
) -> None:
    with app.app_context(), write() as session:
        session.get_one(Job, (integration, APPS)).parked_why = "The account may not do this."
    page = look(signed_in, f"/integrations/{integration}")
    assert page.count("App sync waits for you: The account may not do this. Then choose Sync apps now.") == 1
    assert "It waits for you" in look(signed_in, f"/integrations/{integration}/jobs/apps")


def test_tagging_has_the_same_pages(signed_in: FlaskClient, integration: int) -> None:
    assert "Tagging of" in look(signed_in, f"/integrations/{integration}/jobs/tagging")


def test_a_removed_integration_has_its_history_and_no_buttons(
    app: Flask, signed_in: FlaskClient, integration: int
) -> None:
    with app.app_context():
        a_run(integration, started_at=NOON)
        with write() as session:
            session.get_one(lease.Integration, integration).state = IntegrationState.REMOVED
    assert "Sync apps now" not in look(signed_in, f"/integrations/{integration}/jobs/apps")
    assert signed_in.post(f"/integrations/{integration}/jobs/apps/run").status_code == 404
