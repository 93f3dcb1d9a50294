"""What holds for every kind of job, whichever is added next (rung: shell)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from harmony.db import db, write
from harmony.jobs import control, lease, recovery
from harmony.jobs.kinds import KINDS, JobKind
from harmony.jobs.outcome import Outcome
from harmony.jobs.presence import identity
from harmony.jobs.schedule import LONGEST_WAIT
from harmony.models import AuditEntry, Integration, IntegrationState, Job, JobRun, SyncRunState
from harmony.models.configuration import Synchronization
from harmony.worker import tasks
from tests.builders import NOON, a_choice, an_integration

every_kind = pytest.mark.parametrize("kind", list(JobKind))
WEEK = timedelta(days=7)
# Of the fields of the wizard (web/wizard/forms.py), in minutes.
SHORTEST_INTERVAL, LONGEST_INTERVAL = 10, 1440


def the_job(id_: int, kind: JobKind) -> Job | None:
    return db.session.get(Job, (id_, kind))


def audited() -> list[str]:
    return list(db.session.scalars(select(AuditEntry.what).order_by(AuditEntry.id)))


def test_every_kind_is_described_and_has_its_work() -> None:
    assert set(KINDS) == set(JobKind) == set(tasks.RUNNERS)


@every_kind
def test_no_interval_that_the_wizard_takes_looks_like_a_clock_that_was_set_back(kind: JobKind) -> None:
    spec = KINDS[kind]
    for devices, apps in product((SHORTEST_INTERVAL, LONGEST_INTERVAL), repeat=2):
        longest = spec.interval(Synchronization(device_interval=devices, app_interval=apps)) * 3 / 2
        assert max(longest, LONGEST_WAIT) <= spec.longest_ahead


@every_kind
def test_a_job_at_its_usual_time_is_left_there(kind: JobKind, context: object) -> None:
    longest = a_choice(device_interval=LONGEST_INTERVAL, app_interval=LONGEST_INTERVAL)
    ids = [an_integration(longest, due=None) for _ in range(5)]
    with write() as session:
        for id_ in ids:
            control.schedule(session, session.get_one(Integration, id_), kind, NOON)
    assert recovery.mend(NOON) == 0
    db.session.rollback()
    assert not [id_ for id_, due in lease.due(NOON) if due is kind]


@every_kind
def test_a_person_can_start_and_cancel_it_and_both_are_written_down(kind: JobKind, context: object) -> None:
    id_, words = an_integration(), KINDS[kind].words
    assert lease.request(id_, kind, "kim", NOON)
    held = lease.claim(id_, kind, identity(), NOON)
    assert held is not None
    assert control.cancel(id_, kind, "kim", NOON)
    assert audited()[-2:] == [words.asked, words.cancelled]
    job = the_job(id_, kind)
    assert job is not None
    assert job.next_at is not None
    assert job.next_at > NOON


@every_kind
def test_a_kind_that_came_with_an_upgrade_is_planned_for_integrations_that_run(
    kind: JobKind, context: object
) -> None:
    running, paused = an_integration(), an_integration(state=IntegrationState.PAUSED)
    control.schedule_missing(NOON)
    assert control.schedule_missing(NOON) == 0
    there_anyway = kind is JobKind.DEVICES
    assert (the_job(running, kind) is not None) == (there_anyway or KINDS[kind].first_due_at_finish)
    assert (the_job(paused, kind) is not None) == there_anyway


@pytest.mark.parametrize("kind", [kind for kind in JobKind if kind is not JobKind.DEVICES])
def test_its_pages_show_it_its_runs_and_the_way_there(kind: JobKind, signed_in: FlaskClient) -> None:
    with signed_in.application.app_context():
        id_ = an_integration()
        lease.request(id_, kind, "kim", NOON)
        held = lease.claim(id_, kind, identity(), NOON)
        assert held is not None
        with write() as session:
            counts = dict.fromkeys(KINDS[kind].words.counts, 1234)
            session.get_one(JobRun, held.run_id).counts = counts
            lease.settle(session, held, Outcome(SyncRunState.OK), NOON + WEEK, NOON)
    href, title = f"/integrations/{id_}/jobs/{kind}", KINDS[kind].words.title
    assert title in signed_in.get(f"/integrations/{id_}").text
    for page in (href, f"/integrations/{id_}/runs/{held.run_id}", f"/integrations/{id_}/runs?job={kind}"):
        text = signed_in.get(page).text
        assert title in text
        assert text.count("1,234") >= len(KINDS[kind].words.counts)


def test_the_device_sync_has_a_history_of_its_own(signed_in: FlaskClient) -> None:
    with signed_in.application.app_context():
        id_ = an_integration()
    answer = signed_in.get(f"/integrations/{id_}/jobs/devices")
    assert (answer.status_code, answer.location) == (302, f"/integrations/{id_}/runs?job=devices")


def test_only_kinds_that_ask_the_uem_wait_for_it(monkeypatch: pytest.MonkeyPatch, context: object) -> None:
    apart = replace(KINDS[JobKind.APPS], asks_uem=False)
    monkeypatch.setitem(KINDS, JobKind.APPS, apart)
    id_ = an_integration(stopped_why="sign_in", stopped_reason="The UEM refused the password.")
    with write() as session:
        for kind in JobKind:
            lease.make_due(session, id_, kind, NOON)
    apart_from_the_uem = {kind for kind, spec in KINDS.items() if not spec.asks_uem}
    assert {kind for _id, kind in lease.due(NOON)} == apart_from_the_uem
    assert lease.request(id_, JobKind.APPS, "kim", NOON)
    assert not lease.request(id_, JobKind.TAGGING, "kim", NOON)
