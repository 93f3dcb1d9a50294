"""The shared check of the invariants bites: each one, broken by hand, is told. Rung S: a real file."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from sqlalchemy import text

from harmony.audit import audit, record_history
from harmony.clock import now
from harmony.db import write
from harmony.models import Happening, Hold, Integration, SetupPage
from harmony.models.configuration import SYNCHRONIZATION, to_row
from harmony.web.integrations import overview
from tests.builders import NOON, a_choice
from tests.faults.scene import CANARIES, PASSWORD, Scene
from tests.invariants import check_invariants, quick_invariants, what_is_known

BREAKS = [
    ("I1", "UPDATE device SET missing_since = '2001-01-01 00:00:00.000000' WHERE external_id = '3'"),
    ("I1", "DELETE FROM device WHERE external_id = '3'"),
    ("I1", "UPDATE device SET deleted_at = '2001-01-01 00:00:00.000000', deleted_by = 'sync'"),
    ("I4", "UPDATE device SET absent_from = 1"),
    ("I4", "UPDATE device SET absent_why = 'plain'"),
    ("I5", "UPDATE job_run SET state = 'running'"),
    ("I9", "UPDATE job_run SET finished_at = NULL"),
    ("I9", "UPDATE job SET lease_owner = 'somebody'"),
    ("I7", "UPDATE job_run SET reason = :secret"),
    ("I12", "UPDATE integration SET state = 'paused'"),
]
# As the second of two syncs leaves the one missing device of three, deleted after one try; then one is off.
DELETED = """
UPDATE device SET deleted_by = 'sync', deleted_at = (SELECT max(started_at) FROM job_run),
 missing_since = (SELECT max(started_at) FROM job_run), absent_from = 2, absent_why = 'plain' WHERE id = :id;
INSERT INTO device_event (device_id, run_id, at, kind, detail)
 SELECT :id, max(id), max(started_at), 'deleted', '' FROM job_run
"""


@pytest.mark.parametrize(("name", "statement"), BREAKS)
def test_a_broken_invariant_is_told(scene: Scene, name: str, statement: str) -> None:
    scene.learn()
    scene.learn()
    before = what_is_known()
    check_invariants(before, canaries=CANARIES, logs=scene.logs())
    with write() as session:
        session.execute(text(statement), {"secret": PASSWORD} if ":secret" in statement else {})
    with pytest.raises(AssertionError, match=f"^{name}"):
        check_invariants(before, canaries=CANARIES)


def deleted_by_the_last_sync(id_: int) -> None:
    with write() as session:
        for statement in DELETED.split(";"):
            session.execute(text(statement), {"id": id_})


def threshold(scene: Scene, percent: int, after: int) -> None:
    row = to_row(a_choice(deletion_threshold=percent, deletion_after=after))
    with write() as session:
        page = session.get_one(SetupPage, (scene.integration_id, SYNCHRONIZATION))
        page.draft = page.applied = row


@pytest.mark.parametrize(("percent", "after", "broken"), [(100, 1, ""), (10, 1, "I2"), (100, 2, "I3")])
def test_a_deletion_is_told_that_is_over_the_threshold_or_too_early(
    scene: Scene, percent: int, after: int, broken: str
) -> None:
    threshold(scene, percent, after)
    scene.learn()
    scene.learn()
    before = what_is_known()
    deleted_by_the_last_sync(min(before.devices))
    with pytest.raises(AssertionError, match=f"^{broken}:") if broken else nullcontext():
        quick_invariants(before)


def test_a_device_that_came_back_and_is_still_missing_is_told(scene: Scene) -> None:
    scene.learn()
    before = what_is_known()
    deleted_by_the_last_sync(min(before.devices))
    with write() as session:
        session.execute(text("UPDATE device SET deleted_by = NULL, deleted_at = NULL"))
        record_history(session, [(min(before.devices), "")], Happening.MISSING, NOON)
    quick_invariants(before)
    with write() as session:
        record_history(session, [(min(before.devices), "")], Happening.REAPPEARED, NOON)
    with pytest.raises(AssertionError, match=r"^I4:"):
        quick_invariants(before)


@pytest.mark.parametrize("state", ["approved", "dismissed"])
def test_a_decision_that_nobody_wrote_down_is_told(scene: Scene, state: str) -> None:
    scene.learn()
    with write() as session:
        hold = Hold(integration_id=scene.integration_id, created_at=NOON, up_to=1, devices=1, live=2)
        hold.digest, hold.reasons = "", []
        session.add(hold)
    before = what_is_known()
    with write() as session:
        session.execute(text("UPDATE hold SET state = :state"), {"state": state})
    with pytest.raises(AssertionError, match=r"^I12:"):
        quick_invariants(before)
    with write() as session:
        integration = session.get_one(Integration, scene.integration_id)
        audit(session, "kim", f"{state.title()} deletions", NOON, integration)
    quick_invariants(before)


def test_a_secret_in_the_log_is_told(scene: Scene) -> None:
    with pytest.raises(AssertionError, match="I7:"):
        check_invariants(canaries=CANARIES, logs=f"sent {PASSWORD}")


@pytest.mark.parametrize("count", ["devices", "missing"])
def test_a_page_that_counts_otherwise_is_told(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, count: str
) -> None:
    scene.learn()
    right = overview.counts
    monkeypatch.setattr(overview, "counts", lambda id_: right(id_) | {count: 1})
    with pytest.raises(AssertionError, match="I11:"):
        check_invariants()


def test_a_repetition_that_changes_something_is_told(scene: Scene) -> None:
    def touch() -> None:
        with write() as session:
            session.execute(text("UPDATE device SET updated_at = :now"), {"now": now().isoformat(" ")[:26]})

    scene.learn()
    with pytest.raises(AssertionError, match="I6:"):
        check_invariants(again=touch)
