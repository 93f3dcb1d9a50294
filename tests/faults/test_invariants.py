"""The shared check of the invariants bites: each one, broken by hand, is told. Rung S: a real file."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from harmony.clock import now
from harmony.db import write
from tests.faults.scene import CANARIES, PASSWORD, Scene
from tests.invariants import check_invariants, what_is_known

BREAKS = [
    ("I1", "UPDATE device SET missing_since = '2001-01-01 00:00:00.000000' WHERE external_id = '3'"),
    ("I1", "DELETE FROM device WHERE external_id = '3'"),
    ("I5", "UPDATE sync_run SET state = 'running'"),
    ("I9", "UPDATE sync_run SET finished_at = NULL"),
    ("I9", "UPDATE integration SET lease_owner = 'somebody'"),
    ("I7", "UPDATE sync_run SET reason = :secret"),
]


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


def test_a_secret_in_the_log_is_told(scene: Scene) -> None:
    with pytest.raises(AssertionError, match="I7:"):
        check_invariants(canaries=CANARIES, logs=f"sent {PASSWORD}")


@pytest.mark.parametrize("count", ["missing_count", "device_count"])
def test_a_page_that_counts_otherwise_is_told(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, count: str
) -> None:
    scene.learn()
    monkeypatch.setattr(f"harmony.web.overview.{count}", lambda _: 1)
    with pytest.raises(AssertionError, match="I11:"):
        check_invariants()


def test_a_repetition_that_changes_something_is_told(scene: Scene) -> None:
    def touch() -> None:
        with write() as session:
            session.execute(text("UPDATE device SET updated_at = :now"), {"now": now().isoformat(" ")[:26]})

    scene.learn()
    with pytest.raises(AssertionError, match="I6:"):
        check_invariants(again=touch)
