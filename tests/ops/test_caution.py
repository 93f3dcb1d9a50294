"""Nothing leaves or is deleted after a restore until it is confirmed (rung: shell on each database)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db, write
from harmony.jobs import caution, lease
from harmony.jobs.kinds import JobKind
from harmony.messages import claims
from harmony.models import (
    AuditEntry,
    ChannelKind,
    Device,
    Hold,
    HoldState,
    Job,
    Message,
    MessageState,
)
from harmony.ops.restore import mark_restored
from harmony.setup import tag_creation
from harmony.sync import job as sync_job
from harmony.worker import tasks
from tests.builders import NOON, FakeUem, a_choice, an_integration, devices
from tests.database import on_both
from tests.web.reading import look

database = on_both

RESTING = (JobKind.TAGGING, JobKind.MESSAGES)


def restored() -> int:
    """An integration in a restored database, whose jobs are all due."""
    id_ = an_integration()
    with write() as session:
        for kind in JobKind:
            lease.make_due(session, id_, kind, now() - timedelta(minutes=1), whole=True)
    mark_restored(now())
    return id_


def due_kinds() -> set[JobKind]:
    return {kind for _id, kind in lease.due(now())}


def test_tagging_and_messages_wait_and_syncs_go_on(context: Flask) -> None:
    id_ = restored()
    assert due_kinds() == set(JobKind) - set(RESTING)
    for kind in RESTING:
        assert lease.claim(id_, kind, "w", now()) is None
    assert caution.end("kim", now())
    assert due_kinds() == set(JobKind)
    assert lease.claim(id_, JobKind.TAGGING, "w", now()) is not None


def test_a_run_under_way_loses_its_lease(context: Flask) -> None:
    id_ = an_integration()
    with write() as session:
        lease.make_due(session, id_, JobKind.TAGGING, NOON, whole=True)
    claimed = lease.claim(id_, JobKind.TAGGING, "w", now())
    assert claimed is not None
    mark_restored(now())
    with pytest.raises(lease.LeaseLost), write() as session:
        lease.renew(session, claimed, now())


def test_no_message_leaves(context: Flask) -> None:
    restored()
    with write() as session:
        session.add(
            Message(
                kind="notice", channel=ChannelKind.EMAIL, state=MessageState.QUEUED, created_at=NOON,
                next_at=NOON, attempts=0, key="one", created_by="kim",
            )
        )  # fmt: skip
    assert claims.ways_due(None, now()) == []
    caution.end("kim", now())
    assert len(claims.ways_due(None, now())) == 1


def test_every_sync_holds_its_deletions_until_it_is_confirmed(context: Flask) -> None:
    id_ = an_integration(a_choice(deletion_after=1, deletion_threshold=100))
    everything, fewer = FakeUem({"570": devices(1, 2, 3)}), FakeUem({"570": devices(1, 2)})
    run(id_, everything)
    mark_restored(now())
    for uem in (everything, fewer, fewer):
        run(id_, uem)
    assert gone() == 0
    with write() as session:
        hold = session.scalars(select(Hold)).one()
        hold.state, hold.decided_by, hold.decided_at = HoldState.APPROVED, "kim", now()
    run(id_, fewer)
    assert gone() == 0
    caution.end("kim", now())
    run(id_, fewer)
    assert gone() == 1


def run(id_: int, uem: FakeUem) -> None:
    with write() as session:
        session.get_one(Job, (id_, JobKind.DEVICES)).next_at = now()
    sync_job.sync(id_, opener=lambda *_: uem)


def gone() -> int:
    return len(db.session.scalars(select(Device.id).where(Device.deleted_at.is_not(None))).all())


def test_nothing_is_purged(context: Flask) -> None:
    id_ = an_integration()
    run(id_, FakeUem({"570": devices(1)}))
    with write() as session:
        device = session.scalars(select(Device)).one()
        device.deleted_at, device.deleted_by = now() - timedelta(days=4000), "sync"
    mark_restored(now())
    tasks.sweep()
    assert gone() == 1
    caution.end("kim", now())
    tasks.sweep()
    assert gone() == 0


def test_no_tag_is_created_from_the_wizard(context: Flask) -> None:
    created = tag_creation.make_missing(restored(), "kim", now())
    assert created.problems == (caution.SENTENCE,)


def test_an_administrator_confirms_on_the_page(app: Flask, signed_in: FlaskClient) -> None:
    assert "Nothing to confirm" in look(signed_in, "/caution")
    with app.app_context():
        restored()
    assert "Look and confirm" in look(signed_in, "/")
    page = look(signed_in, "/caution")
    assert "no tag is written into a UEM" in page
    assert "Confirm the restored state" in page
    assert "The restore is confirmed." in signed_in.post("/caution/end", follow_redirects=True).text
    assert "Look and confirm" not in look(signed_in, "/")
    assert signed_in.post("/caution/end").status_code == 303


def test_an_administrator_confirms_on_the_command_line(app: Flask) -> None:
    with app.app_context():
        restored()
    runner = app.test_cli_runner()
    assert "The caution mode has ended." in runner.invoke(args=["db", "end-caution"]).output
    assert "There was no caution mode." in runner.invoke(args=["db", "end-caution"]).output
    with app.app_context():
        whats = db.session.scalars(select(AuditEntry.what).order_by(AuditEntry.id)).all()
        assert whats[-2:] == ["Database restored", "Ended the caution mode"]


def test_a_second_restore_keeps_the_time_of_the_first(context: Flask) -> None:
    mark_restored(NOON)
    mark_restored(NOON + timedelta(days=1))
    assert caution.since() == NOON
