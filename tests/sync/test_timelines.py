"""A restore on several machines, each with its own file: noticed once, confirmed once (rung R)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from harmony.clock import now
from harmony.db import db, release, write
from harmony.jobs import caution, lease
from harmony.jobs.kinds import JobKind
from harmony.models import Absence, Integration
from harmony.ops import migrate, restore
from harmony.sync import job as sync_job
from harmony.sync import rollback_detection
from harmony.sync.rollback_detection import HighWaterMark
from tests.builders import FakeUem, a_choice, an_integration, devices
from tests.database import on_both

database = on_both

Machine = Callable[[str], None]


@pytest.fixture
def on(context: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Be a machine with a data folder of its own, on the one database."""
    monkeypatch.setattr(rollback_detection, "is_sqlite", lambda: False)
    with write() as session:
        migrate.installation(session)

    def become(name: str) -> None:
        monkeypatch.setattr(rollback_detection, "_path", lambda: tmp_path / f"{name}-newest.json")

    become("a")
    return become


def put(fence: int, snapshots: int, timeline: int | None = None) -> None:
    """Bring the database to a state, as a sync does, or with `timeline` somebody who restores a dump."""
    with write() as session:
        session.execute(text("UPDATE job SET fence = :fence WHERE kind = 'devices'"), {"fence": fence})
        session.execute(text("UPDATE integration SET snapshots = :snapshots"), {"snapshots": snapshots})
        if timeline is not None:
            session.execute(text("UPDATE installation SET timeline = :timeline"), {"timeline": timeline})


def suspects() -> list[str | None]:
    found = [integration.suspect for integration in db.session.query(Integration)]
    release()
    return found


def test_a_restore_confirmed_on_one_machine_does_not_begin_again_on_another(on: Machine) -> None:
    id_ = an_integration()
    for name in "ab":
        on(name)
        rollback_detection.note(id_, HighWaterMark(10, 5))
    on("a")
    put(3, 2)
    assert restore.notice_copy(now())
    assert caution.end("kim", now())
    put(5, 4)
    on("b")
    assert not restore.notice_copy(now())
    assert caution.since() is None


def test_nor_at_the_next_sync_of_a_worker_that_ran_meanwhile(on: Machine) -> None:
    id_ = an_integration(a_choice())
    on("b")
    rollback_detection.note(id_, HighWaterMark(10, 5))
    put(3, 2)
    restore.mark_restored(now())
    assert caution.end("kim", now())
    lease.request(id_, JobKind.DEVICES, "test", now())
    sync_job.sync(id_, opener=lambda *_: FakeUem({"570": devices(1)}))
    assert caution.since() is None


def test_a_worker_that_runs_remembers_lower_marks_once_the_restore_is_confirmed(on: Machine) -> None:
    id_ = an_integration()
    rollback_detection.note(id_, HighWaterMark(10, 5))
    put(3, 2)
    restore.mark_restored(now())
    rollback_detection.catch_up()
    assert rollback_detection.remembered() == {str(id_): HighWaterMark(10, 5)}, "nobody has confirmed it"
    caution.end("kim", now())
    rollback_detection.catch_up()
    known = rollback_detection.remembered() or {}
    assert known[str(id_)][:2] == (3, 2)
    assert known[str(id_)].timeline > 0


def test_a_dump_from_before_a_confirmed_restore_is_an_old_database_however_far_it_is(on: Machine) -> None:
    id_ = an_integration()
    rollback_detection.note(id_, HighWaterMark(10, 5))
    put(3, 2)
    assert restore.notice_copy(now())
    caution.end("kim", now())
    put(11, 6, timeline=0)
    assert restore.notice_copy(now())
    assert caution.since() is not None
    (known,) = (rollback_detection.remembered() or {}).values()
    caution.end("kim", now())
    put(11, 6, timeline=known.timeline - 1)
    assert restore.notice_copy(now()), "the timeline of the first restore"


def test_a_dump_of_the_same_timeline_is_an_old_database_by_its_marks(on: Machine) -> None:
    id_ = an_integration()
    rollback_detection.note(id_, HighWaterMark(10, 5, 7))
    put(9, 5, timeline=7)
    assert restore.notice_copy(now())


def test_an_old_database_is_distrusted_for_every_integration_also_those_nobody_looked_at(on: Machine) -> None:
    first, second = an_integration(name="first"), an_integration(name="second")
    for id_, mark in ((first, HighWaterMark(10, 5)), (second, HighWaterMark(3, 2))):
        rollback_detection.note(id_, mark)
    put(3, 2)
    assert restore.notice_copy(now())
    assert suspects() == [Absence.RESTORED] * 2


def test_a_worker_that_starts_while_another_finishes_a_sync_is_not_cautious(
    on: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = an_integration()
    put(11, 5)
    rollback_detection.note(id_, HighWaterMark(11, 5))
    interrupted(monkeypatch, id_, HighWaterMark(11, 6))
    assert not restore.notice_copy(now())
    assert not rollback_detection.has_old_database(id_)


def test_a_look_at_other_machines_does_not_undo_what_a_sync_here_notes_meanwhile(
    on: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = an_integration()
    rollback_detection.note(id_, HighWaterMark(11, 5))
    put(12, 6)
    interrupted(monkeypatch, id_, HighWaterMark(13, 7))
    rollback_detection.catch_up()
    assert rollback_detection.remembered() == {str(id_): HighWaterMark(13, 7)}


def interrupted(monkeypatch: pytest.MonkeyPatch, integration_id: int, mark: HighWaterMark) -> None:
    """Let a sync commit and note its progress right after each reading of the database."""
    read = rollback_detection.progress

    def meanwhile(session: Session) -> dict[int, HighWaterMark]:
        found = read(session)
        release()
        put(mark.fence, mark.snapshots)
        rollback_detection.note(integration_id, mark)
        return found

    monkeypatch.setattr(rollback_detection, "progress", meanwhile)


def test_a_look_between_a_claim_and_its_first_read_does_not_make_the_run_cautious(
    on: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = an_integration(a_choice())
    sync_job.sync(id_, opener=lambda *_: FakeUem({"570": devices(1)}))
    claim = lease.claim

    def claimed(*arguments: object) -> object:
        found = claim(*arguments)  # type: ignore[arg-type]
        rollback_detection.catch_up()
        return found

    monkeypatch.setattr(lease, "claim", claimed)
    lease.request(id_, JobKind.DEVICES, "test", now())
    sync_job.sync(id_, opener=lambda *_: FakeUem({"570": devices(1)}))
    assert caution.since() is None


def test_a_sync_that_ended_leaves_what_the_database_says(on: Machine) -> None:
    id_ = an_integration(a_choice())
    put(3, 0, timeline=7)
    sync_job.sync(id_, opener=lambda *_: FakeUem({"570": devices(1)}))
    assert rollback_detection.remembered() == {str(id_): HighWaterMark(4, 1, 7)}
    assert rollback_detection.progress(db.session()) == {id_: HighWaterMark(4, 1, 7)}


def test_versions_that_know_no_timeline_can_read_and_write_the_file(on: Machine, tmp_path: Path) -> None:
    file = tmp_path / "a-newest.json"
    file.write_text('{"1": [7, 5]}')
    assert rollback_detection.remembered() == {"1": HighWaterMark(7, 5)}
    rollback_detection.note(1, HighWaterMark(8, 6, 99))
    stored = json.loads(file.read_text())
    assert stored["1"] == [8, 6]
    assert all(len(pair) == 2 for pair in stored.values())
    file.write_text(json.dumps(stored | {"1": [9, 7]}))
    assert rollback_detection.remembered() == {"1": HighWaterMark(9, 7, 99)}
