"""What may only be out of sight is never deleted (rung R: a UEM in memory, both databases)."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db, release, write
from harmony.models import Device, Integration, SyncRun, SyncRunState
from harmony.sync import highwater, run, schedule
from harmony.uem.errors import ServerFailed
from tests.builders import FakeUem, a_choice, an_integration, devices

pytestmark = pytest.mark.usefixtures("context")

BOLD = {"deletion_after": 1, "deletion_threshold": 100}


def sync(integration_id: int, uem: FakeUem) -> SyncRun:
    """Sync now, and give back the run's row."""
    schedule.request_sync(integration_id, "test", now())
    run.sync(integration_id, opener=lambda *_: uem)
    release()
    return db.session.scalars(select(SyncRun).order_by(SyncRun.id.desc()).limit(1)).one()


def known(integration_id: int) -> dict[str | None, str]:
    """The devices by the UEM's id, and what became of them."""
    columns = (Device.external_id, Device.missing_since, Device.deleted_at)
    rows = db.session.execute(select(*columns).where(Device.integration_id == integration_id)).all()
    release()
    return {id_: "deleted" if deleted else "missing" if missing else "here" for id_, missing, deleted in rows}


def test_a_smart_group_whose_managing_group_is_out_of_sight_is_never_read_as_empty() -> None:
    id_ = an_integration(a_choice("smart:9@600", **BOLD))
    there = FakeUem({"600": devices(1, 2, group_id="600")}, members={"9": frozenset({"1", "2"})})
    sync(id_, there)
    done = sync(id_, FakeUem({}, members=there.members, gone=frozenset({"600"})))
    assert done.state == SyncRunState.INCOMPLETE
    assert done.reason == "The account no longer sees the group that manages Group 9. Nothing was marked missing."
    assert known(id_) == {"1": "here", "2": "here"}


@pytest.mark.parametrize("refused", [1, 2])
def test_a_database_put_back_by_a_plain_copy_is_doubted_until_a_snapshot_completes(refused: int) -> None:
    id_ = an_integration(a_choice(**BOLD))
    sync(id_, FakeUem({"570": devices(1, 2, 3)}))
    with write() as session:
        mine = session.get_one(Integration, id_)
        newest = (mine.fence + 1, mine.snapshots + 1)
    highwater.note(id_, *newest)
    for _ in range(refused):
        assert sync(id_, FakeUem({}, error=ServerFailed("The server answered 500."))).state == SyncRunState.FAILED
    done = sync(id_, FakeUem({"570": devices(1, 2)}))
    assert (done.state, done.deleted, known(id_)["3"]) == (SyncRunState.HELD, 0, "missing")
    assert db.session.get_one(Integration, id_).suspect is None
