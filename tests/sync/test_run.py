"""A whole sync against a UEM in memory, on a file SQLite (rung R: branching only)."""

from __future__ import annotations

import pytest
from sqlalchemy import event, func, select

from harmony.clock import now
from harmony.db import db, write
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import Device, Integration, JobRun, Membership, SkippedDevice, SyncRunState
from harmony.sync import integration_removal, lifecycle, snapshot
from harmony.sync import job as sync_job
from harmony.uem.errors import ServerFailed, SignInRefused
from harmony.uem.records import SkippedRow
from tests.builders import FakeUem, a_choice, an_integration, devices

pytestmark = pytest.mark.usefixtures("context")


def sync(integration_id: int, uem: FakeUem) -> JobRun:
    """Sync now, and give back the run's row."""
    lease.request(integration_id, JobKind.DEVICES, "test", now())
    sync_job.sync(integration_id, opener=lambda *_: uem)
    db.session.rollback()
    newest = select(JobRun).where(JobRun.integration_id == integration_id).order_by(JobRun.id.desc()).limit(1)
    return db.session.scalars(newest).one()


def known(integration_id: int) -> dict[str, bool]:
    """The devices by the UEM's id, and whether they are missing."""
    rows = db.session.execute(
        select(Device.external_id, Device.missing_since).where(Device.integration_id == integration_id)
    )
    return {external_id: missing is not None for external_id, missing in rows}


def test_the_first_sync_adds_every_device_of_the_group() -> None:
    id_, uem = an_integration(), FakeUem({"570": devices(1, 2, 3)})
    done = sync(id_, uem)
    assert (done.state, done.count("added"), done.count("missing")) == (SyncRunState.OK, 3, 0)
    assert known(id_) == {"1": False, "2": False, "3": False}
    assert uem.closed


def test_a_second_sync_of_an_unchanged_world_writes_no_device_row() -> None:
    id_, uem = an_integration(), FakeUem({"570": devices(*range(10))})
    sync(id_, uem)
    written: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith(("INSERT INTO device", "UPDATE device", "INSERT INTO membership")):
            written.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    done = sync(id_, uem)
    event.remove(db.engine, "before_cursor_execute", note)
    assert (done.count("added"), done.count("updated"), done.count("unchanged"), done.count("missing")) == (
        0,
        0,
        10,
        0,
    )
    assert written == []


def test_changes_are_counted_and_stored() -> None:
    id_ = an_integration()
    sync(id_, FakeUem({"570": devices(1, 2)}))
    done = sync(id_, FakeUem({"570": [*devices(1), *devices(2, os_version="16"), *devices(3)]}))
    assert (done.count("added"), done.count("updated"), done.count("unchanged")) == (1, 1, 1)
    assert db.session.scalar(select(Device.os_version).where(Device.external_id == "2")) == "16"


def test_a_device_that_is_no_longer_listed_is_marked_missing_and_kept_and_comes_back() -> None:
    id_ = an_integration()
    sync(id_, FakeUem({"570": devices(1, 2, 3)}))
    done = sync(id_, FakeUem({"570": devices(1, 3)}))
    assert (done.state, done.count("missing")) == (SyncRunState.OK, 1)
    assert known(id_) == {"1": False, "2": True, "3": False}
    back = sync(id_, FakeUem({"570": devices(1, 2, 3)}))
    assert (back.count("reappeared"), back.count("added")) == (1, 0)
    assert known(id_) == {"1": False, "2": False, "3": False}


@pytest.mark.parametrize("fail_at", [0, 1, 2])
def test_an_error_on_any_page_marks_nothing_missing(fail_at: int) -> None:
    id_ = an_integration()
    sync(id_, FakeUem({"570": devices(*range(6))}))
    broken = FakeUem(
        {"570": devices(0, 1, 2, 3, 9)}, error=ServerFailed("The server answered 500."), fail_at=fail_at
    )
    done = sync(id_, broken)
    assert done.state == (SyncRunState.INCOMPLETE if fail_at else SyncRunState.FAILED)
    assert "The server answered 500." in done.reason
    assert not any(known(id_).values())


def test_what_was_read_before_an_error_is_kept() -> None:
    id_ = an_integration()
    sync(id_, FakeUem({"570": devices(*range(6))}, error=ServerFailed("No."), fail_at=2))
    assert set(known(id_)) == {"0", "1", "2", "3"}


def test_a_list_shorter_than_announced_marks_nothing_missing() -> None:
    id_ = an_integration()
    sync(id_, FakeUem({"570": devices(1, 2, 3)}))
    done = sync(id_, FakeUem({"570": devices(1)}, totals={"570": 3}))
    assert done.state == SyncRunState.INCOMPLETE
    assert "fewer devices than announced" in done.reason
    assert not any(known(id_).values())


def test_a_refused_sign_in_is_its_own_end() -> None:
    id_ = an_integration()
    done = sync(id_, FakeUem(error=SignInRefused("The UEM refused the credentials.")))
    assert done.state == SyncRunState.AUTH_FAILED


def test_an_error_of_our_own_ends_the_run_with_a_word_and_no_trace() -> None:
    id_ = an_integration()

    def explode(_page: int) -> None:
        raise ZeroDivisionError("secret detail")

    done = sync(id_, FakeUem({"570": devices(1)}, on_page=explode))
    assert done.state == SyncRunState.FAILED
    assert "secret detail" not in done.reason
    assert db.session.get_one(Integration, id_).sync_job.lease_owner is None


def test_rows_that_cannot_be_read_are_listed_and_count_as_seen_by_id_or_udid() -> None:
    id_ = an_integration()
    sync(id_, FakeUem({"570": devices(1, 2, 3, 4)}))
    odd = [SkippedRow("2", "The id is there, the rest is not."), SkippedRow(None, "No id.", "udid3")]
    done = sync(id_, FakeUem({"570": devices(1)}, skipped=odd))
    assert (done.state, done.count("skipped"), done.count("missing")) == (SyncRunState.WARNING, 2, 1)
    assert known(id_) == {"1": False, "2": False, "3": False, "4": True}
    assert len(db.session.scalars(select(SkippedDevice).where(SkippedDevice.run_id == done.id)).all()) == 2


@pytest.mark.parametrize("gone", ["571", "9"])
def test_a_group_that_is_gone_is_never_read_as_empty(gone: str) -> None:
    id_ = an_integration(a_choice("570", "571", "smart:9@570"))
    world = {"570": devices(1, 2), "571": devices(3, group_id="571")}
    members = {"9": frozenset({"2"})}
    sync(id_, FakeUem(world, members=members))
    done = sync(id_, FakeUem({"570": devices(1, 2, 4)}, gone=frozenset({gone})))
    assert (done.state, done.count("added"), done.count("missing")) == (SyncRunState.INCOMPLETE, 1, 0)
    assert f"no longer sees Group {gone}" in done.reason
    assert not any(known(id_).values())


def test_a_smart_group_that_nobody_manages_is_not_read_as_empty() -> None:
    id_ = an_integration(a_choice("smart:9"))
    done = sync(id_, FakeUem({"570": devices(1)}, members={"9": frozenset({"1"})}))
    assert done.state == SyncRunState.INCOMPLETE


def test_a_row_that_cannot_be_read_is_counted_once_though_two_groups_list_it() -> None:
    id_ = an_integration(a_choice("570", "571"))
    odd = [SkippedRow("9", "Odd."), SkippedRow(None, "No id.", "UDID8")]
    assert (
        sync(id_, FakeUem({"570": devices(1), "571": devices(2, group_id="571")}, skipped=odd)).count(
            "skipped"
        )
        == 2
    )


def test_a_row_that_may_be_any_device_leaves_all_of_them_in_place() -> None:
    id_ = an_integration()
    sync(id_, FakeUem({"570": devices(1, 2)}))
    done = sync(id_, FakeUem({"570": devices(1)}, skipped=[SkippedRow(None, "Neither id nor UDID.")]))
    assert (done.state, done.count("missing")) == (SyncRunState.WARNING, 0)
    assert "none was counted as missing" in done.reason
    assert not any(known(id_).values())


def test_a_child_group_brings_its_devices_once_and_only_when_it_is_chosen() -> None:
    parent, child = devices(1, 2), devices(3, 4, group_id="571")
    uem = {"570": [*parent, *child], "571": child}
    only_parent = an_integration(a_choice("570"))
    assert sync(only_parent, FakeUem(uem)).count("added") == 2
    both = an_integration(a_choice("570", "571"))
    done = sync(both, FakeUem(uem))
    assert (done.count("added"), done.count("updated"), done.count("unchanged")) == (4, 0, 0)
    assert len(known(both)) == 4


def test_a_child_comes_with_its_parent_in_one_reading() -> None:
    id_ = an_integration(a_choice("570", "571", "smart:9@571"))
    uem = FakeUem({"570": [*devices(1), *devices(2, group_id="571")]}, members={"9": frozenset({"2"})})
    assert sync(id_, uem).count("added") == 2
    assert set(uem.asked) == {"570"}


def test_a_child_is_read_by_itself_when_the_parents_list_leaves_it_out() -> None:
    id_ = an_integration(a_choice("571", "570"))
    uem = FakeUem({"570": devices(1), "571": devices(2, group_id="571")})
    assert sync(id_, uem).count("added") == 2
    assert sync(id_, uem).count("missing") == 0


def test_members_of_a_smart_group_are_joined_by_id() -> None:
    id_ = an_integration(a_choice("smart:9@570"))
    uem = FakeUem({"570": devices(1, 2, 3)}, members={"9": frozenset({"2", "77"})})
    assert sync(id_, uem).count("added") == 1
    assert known(id_) == {"2": False}
    assert db.session.scalars(select(Membership.group_id)).all() == ["9"]


def test_leaving_one_of_two_groups_updates_the_memberships() -> None:
    id_ = an_integration(a_choice("570", "smart:9@570"))
    sync(id_, FakeUem({"570": devices(1)}, members={"9": frozenset({"1"})}))
    assert len(db.session.scalars(select(Membership)).all()) == 2
    assert sync(id_, FakeUem({"570": devices(1)})).count("updated") == 1
    assert db.session.scalars(select(Membership.group_id)).all() == ["570"]


def test_a_device_listed_on_two_pages_is_one_device() -> None:
    id_ = an_integration()
    assert sync(id_, FakeUem({"570": devices(1, 2, 2, 3)}, totals={"570": 3})).count("added") == 3


@pytest.fixture
def page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page is written before the next is asked for, as when the UEM is slow."""
    monkeypatch.setattr(snapshot, "ROWS_PER_WRITE", 1)


@pytest.mark.usefixtures("page_by_page")
def test_pausing_stops_the_run_at_the_next_page_and_deletes_nothing() -> None:
    id_ = an_integration()
    sync(id_, FakeUem({"570": devices(*range(6))}))

    def pause(page: int) -> None:
        if page == 1:
            lifecycle.pause(id_, "kim", now())

    changed = devices(*range(6), os_version="99")
    done = sync(id_, FakeUem({"570": changed}, on_page=pause))
    written = select(func.count(Device.id)).where(Device.os_version == "99")
    assert (done.state, done.count("updated"), db.session.scalar(written)) == (SyncRunState.CANCELLED, 2, 2)
    assert not any(known(id_).values())


def test_the_log_tells_what_a_sync_did_and_why_it_ended(caplog: pytest.LogCaptureFixture) -> None:
    """An operator reads it; who ended a run is told on the pages only."""
    id_ = an_integration()
    good, bad = FakeUem({"570": devices(1, 2)}), FakeUem({}, error=ServerFailed("The UEM answered 500."))
    with caplog.at_level("INFO", "harmony.sync.job"):
        done = sync(id_, good)
        failed = sync(id_, bad)
        ended = sync(id_, FakeUem({"570": devices(1)}, on_page=lambda _: lifecycle.pause(id_, "kim", now())))
    assert ended.reason == "Paused by kim."
    assert [(line.levelname, line.getMessage().rstrip()) for line in caplog.records] == [
        ("INFO", f"Run {done.id} of integration {id_} ended: ok "
         "(2 added, 0 updated, 0 missing, 0 deleted, 0 skipped)."),
        ("WARNING", f"Run {failed.id} of integration {id_} ended: failed "
         "(0 added, 0 updated, 0 missing, 0 deleted, 0 skipped). "
         "The UEM answered 500. Nothing was marked missing."),
        ("INFO", f"Run {ended.id} of integration {id_} had been ended."),
    ]  # fmt: skip


def test_a_stopping_process_ends_the_run_between_two_pages_and_leaves_it_due() -> None:
    id_ = an_integration()
    uem = FakeUem({"570": devices(*range(6))})
    sync_job.sync(id_, should_stop=lambda: uem.pages_given > 1, opener=lambda *_: uem)
    done = db.session.scalars(select(JobRun)).one()
    assert (done.state, done.count("added")) == (SyncRunState.CANCELLED, 2)
    assert list(lease.due_of(JobKind.DEVICES, now())) == [id_]


def test_removing_the_integration_during_a_run_leaves_nothing_behind() -> None:
    id_ = an_integration()

    def remove(page: int) -> None:
        if page == 1:
            lifecycle.remove(id_, "kim", now(), keep_devices=False)

    sync_job.sync(id_, opener=lambda *_: FakeUem({"570": devices(*range(6))}, on_page=remove))
    integration_removal.carry_out(id_)
    db.session.rollback()
    for table in (Integration, JobRun, Device, Membership):
        assert db.session.scalars(select(table)).all() == []


@pytest.mark.usefixtures("page_by_page")
def test_a_worker_that_was_overtaken_writes_nothing_more() -> None:
    id_ = an_integration()

    def overtake(page: int) -> None:
        if page == 1:
            with write() as session:
                integration = session.get_one(Integration, id_)
                integration.sync_job.fence += 1
                integration.sync_job.lease_owner = "another"

    sync_job.sync(id_, opener=lambda *_: FakeUem({"570": devices(*range(6))}, on_page=overtake))
    db.session.rollback()
    assert len(known(id_)) == 2
    assert db.session.get_one(Integration, id_).sync_job.lease_owner == "another"


def test_personal_data_that_is_switched_off_goes_at_the_next_sync() -> None:
    id_ = an_integration(a_choice(import_name=False, import_number=False, import_email=False))
    sync(id_, FakeUem({"570": devices(1)}))
    device = db.session.scalars(select(Device)).one()
    assert (device.name, device.user_name, device.phone) == ("", "", "")
    assert "kim" not in device.search_text
    assert device.email == "UDID1@WorkspaceONE.UEM"
