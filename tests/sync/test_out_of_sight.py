"""What may only be out of sight is never deleted (rung R: a UEM in memory, both databases)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db, release, write
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import Device, Integration, JobRun, SyncRunState
from harmony.sync import job as sync_job
from harmony.sync import preview, rollback_detection
from harmony.uem.errors import ServerFailed
from harmony.uem.records import Group, GroupKind, SkippedRow
from tests.builders import FakeUem, a_choice, an_integration, devices
from tests.stored import last_sync

pytestmark = pytest.mark.usefixtures("context")

BOLD = {"deletion_after": 1, "deletion_threshold": 100}


def sync(integration_id: int, uem: FakeUem) -> JobRun:
    """Sync now, and give back the run's row."""
    lease.request(integration_id, JobKind.DEVICES, "test", now())
    sync_job.sync(integration_id, opener=lambda *_: uem)
    release()
    return last_sync()


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
    assert "The account no longer sees the group that manages Group 9." in done.reason
    assert known(id_) == {"1": "here", "2": "here"}


def test_a_device_that_a_parent_lists_is_taken_though_its_own_group_is_out_of_sight() -> None:
    id_ = an_integration(a_choice("570", "571"))
    listed = [*devices(1), *devices(2, group_id="571")]
    done = sync(id_, FakeUem({"570": listed}, gone=frozenset({"571"})))
    assert (done.state, done.count("added")) == (SyncRunState.INCOMPLETE, 2)


@pytest.mark.parametrize("refused", [1, 2])
def test_a_database_put_back_by_a_plain_copy_is_doubted_until_a_snapshot_completes(refused: int) -> None:
    id_ = an_integration(a_choice(**BOLD))
    sync(id_, FakeUem({"570": devices(1, 2, 3)}))
    with write() as session:
        mine = session.get_one(Integration, id_)
        newest = rollback_detection.HighWaterMark(mine.sync_job.fence + 1, mine.snapshots + 1)
    rollback_detection.note(id_, newest)
    looked = preview.look(id_, a_choice(**BOLD), FakeUem({"570": devices(1, 2)}))
    assert looked.held == ("The database was restored from a backup before the sync that missed them.",)
    for _ in range(refused):
        broken = FakeUem({}, error=ServerFailed("The server answered 500."))
        assert sync(id_, broken).state == SyncRunState.FAILED
    done = sync(id_, FakeUem({"570": devices(1, 2)}))
    assert (done.state, done.count("deleted"), known(id_)["3"]) == (SyncRunState.HELD, 0, "missing")
    assert db.session.get_one(Integration, id_).suspect is None


@pytest.mark.parametrize("row", [SkippedRow("2", "No UDID."), SkippedRow(None, "No id.", "udid2")])
@pytest.mark.parametrize("whole", [True, False])
def test_a_missing_device_is_there_again_though_its_row_cannot_be_read(row: SkippedRow, whole: bool) -> None:
    id_ = an_integration(a_choice(deletion_after=2, deletion_threshold=100))
    sync(id_, FakeUem({"570": devices(1, 2)}))
    sync(id_, FakeUem({"570": devices(1)}))
    assert known(id_)["2"] == "missing"
    done = sync(id_, FakeUem({"570": devices(1)}, skipped=[row], totals={} if whole else {"570": 9}))
    assert done.state == (SyncRunState.WARNING if whole else SyncRunState.INCOMPLETE)
    assert (done.count("reappeared"), done.count("deleted"), known(id_)["2"]) == (1, 0, "here")
    assert sync(id_, FakeUem({"570": devices(1)})).count("deleted") == 0, (
        "its misses are counted from nothing again"
    )


def test_a_deleted_device_waits_for_a_row_that_can_be_read() -> None:
    id_ = an_integration(a_choice(**BOLD))
    sync(id_, FakeUem({"570": devices(1, 2)}))
    sync(id_, FakeUem({"570": devices(1)}))
    sync(id_, FakeUem({"570": devices(1)}, skipped=[SkippedRow("2", "No UDID.")]))
    assert known(id_)["2"] == "deleted"
    assert sync(id_, FakeUem({"570": devices(1, 2)})).count("restored") == 1


def test_a_row_that_can_be_read_at_the_second_look_is_taken() -> None:
    id_ = an_integration()
    uem = FakeUem({"570": devices(1)}, skipped=[SkippedRow("2", "No UDID.")], totals={"570": 3})

    def mend(page: int) -> None:
        uem.pulls, uem.skipped = {"570": devices(1, 2)}, uem.skipped if page == 0 else ()

    uem.on_page = mend
    assert (sync(id_, uem).count("added"), uem.pages_given) == (2, 2)


@pytest.mark.parametrize("gone", [True, False])
def test_a_hundred_groups_that_are_gone_or_short_end_in_a_sentence_that_fits(gone: bool) -> None:
    """Of more than its column holds PostgreSQL would take nothing, and the run would never end."""
    groups = [str(number) for number in range(1000, 1100)]
    choice = a_choice(*groups)
    long = tuple(replace(one, name=f"{one.external_id} {'x' * 250}") for one in choice.groups)
    id_ = an_integration(replace(choice, groups=long))
    uem = FakeUem(gone=frozenset(groups)) if gone else FakeUem(totals=dict.fromkeys(groups, 9))
    if not gone:
        uem.groups = lambda: [  # type: ignore[method-assign]
            Group(GroupKind.ORGANIZATION, one.external_id, one.name, "", 1, None, None) for one in long
        ]
    done = sync(id_, uem)
    assert done.state == SyncRunState.INCOMPLETE
    assert "and 95 more" in done.reason
    assert len(done.reason) < 1024
