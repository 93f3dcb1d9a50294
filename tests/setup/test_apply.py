"""Finish and Save: what they set in motion, on a file SQLite (rung: shell)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from harmony.db import db, write
from harmony.jobs import device_sync, lease
from harmony.jobs import schedule as jobs_schedule
from harmony.jobs.kinds import JobKind
from harmony.models import (
    Absence,
    AuditEntry,
    Integration,
    IntegrationState,
    JobRun,
    KnownGroup,
    SyncRunState,
)
from harmony.models.configuration import PAGES, SERVER, SYNCHRONIZATION, from_row, to_row
from harmony.setup import apply, uem_session
from harmony.setup.drafts import digest
from harmony.setup.verify import verify
from harmony.sync import job as sync_job
from tests.builders import NOON, FakeUem, a_choice, an_integration, devices
from tests.sync.stored import all_of, store_devices

pytestmark = pytest.mark.usefixtures("context")

HOUR = timedelta(hours=1)
Change = Callable[[Any], Any]


def the_integration(id_: int) -> Integration:
    return db.session.get_one(Integration, id_)


def typed(id_: int, page: str, **changes: Any) -> None:
    """A draft of that page that passed Verify."""
    with write() as session:
        integration = session.get_one(Integration, id_)
        row, said = integration.page(page), integration.verification(page)
        assert row is not None
        assert said is not None
        row.draft = to_row(msgspec.structs.replace(from_row(PAGES[page], row.draft), **changes))
        said.digest = digest(row.draft)


def saved(id_: int, page: str, **changes: Any) -> int:
    typed(id_, page, **changes)
    return apply.save(id_, page, "kim", NOON)


def audited() -> list[tuple[str, str, str]]:
    entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id))
    return [(one.who, one.what, one.detail) for one in entries]


def test_the_first_sync_is_due_at_once_after_finish() -> None:
    id_ = an_integration(state=IntegrationState.DRAFT, due=None)
    apply.finish(id_, "kim", NOON)
    apply.finish(id_, "kim", NOON)
    assert list(lease.due_of(JobKind.DEVICES, NOON)) == [id_]
    assert the_integration(id_).suspect is None
    assert audited() == [("kim", "Finished the set-up", "")]


@pytest.mark.parametrize(
    ("page", "change", "suspect"),
    [
        (SERVER, {"server_address": "https://other.test"}, True),
        (SERVER, {"client_id": "another"}, True),
        (SERVER, {"client_secret": "sealed anew"}, False),
        (SYNCHRONIZATION, {"groups": a_choice("571").groups}, True),
        (SYNCHRONIZATION, {"device_interval": 120, "deletion_threshold": 5}, False),
    ],
)
def test_an_edit_of_scope_or_source_makes_the_next_snapshot_suspect(
    page: str, change: dict[str, Any], suspect: bool
) -> None:
    id_ = an_integration(snapshots=3)
    saved(id_, page, **change)
    assert the_integration(id_).suspect == (Absence.EDITED if suspect else None)
    assert the_integration(id_).version == 2


@pytest.mark.parametrize("edited", [True, False])
def test_verify_of_another_scope_says_that_the_sync_after_save_would_hold_its_deletions(
    edited: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the page would promise deletions that the sync then holds."""
    id_ = an_integration(a_choice("570", "571", deletion_after=1, deletion_threshold=100))
    uem = FakeUem({"570": devices(1, 2), "571": devices(3, group_id="571")})
    sync_job.sync(id_, opener=lambda *_: uem)
    chosen = a_choice("570") if edited else a_choice("570", "571")
    typed(id_, SYNCHRONIZATION, groups=chosen.groups)
    left = uem if edited else FakeUem({"570": devices(1), "571": devices(3, group_id="571")})
    monkeypatch.setattr(uem_session, "connection", lambda *_: None)
    monkeypatch.setattr(uem_session, "reach", lambda *_, **_patience: left)
    assert verify(id_, SYNCHRONIZATION)
    said = the_integration(id_).verification(SYNCHRONIZATION)
    assert said is not None
    assert said.preview is not None
    reason = "The groups, the server or its credentials were edited before the sync that missed them."
    assert (said.preview["deleted"], said.preview["held"]) == (1, [reason] if edited else [])


def test_an_edit_before_the_first_snapshot_is_doubted_too_and_a_restore_stays_the_graver_reason() -> None:
    new, restored = an_integration(), an_integration(snapshots=3, suspect=Absence.RESTORED)
    for id_ in (new, restored):
        saved(id_, SYNCHRONIZATION, groups=a_choice(f"{id_}00").groups)
    assert the_integration(new).suspect == Absence.EDITED
    assert the_integration(restored).suspect == Absence.RESTORED


def test_who_edited_which_fields_is_written_down_without_a_value() -> None:
    id_ = an_integration()
    saved(id_, SERVER, client_id="secret-looking", display_name="New name")
    ((who, what, detail),) = audited()
    assert (who, what) == ("kim", "Edited Server Details")
    assert "Client ID" in detail
    assert "secret-looking" not in detail


def test_a_run_under_way_ends_when_server_details_lead_to_another_uem() -> None:
    """What it reads are devices of the former UEM, and none of its ids may be taken for one of the new."""
    id_ = an_integration(a_choice("570"))

    def move(pages: int) -> None:
        if pages == 1:
            saved(id_, SERVER, server_address="https://other.test")

    sync_job.sync(id_, opener=lambda *_: FakeUem({"570": devices(*range(1, 9))}, on_page=move))
    run = db.session.scalars(select(JobRun)).one()
    assert (run.state, run.reason) == (SyncRunState.CANCELLED, apply.MOVED)
    integration = the_integration(id_)
    assert (integration.awaits_sync, integration.uem_generation, integration.snapshots) == (True, 1, 0)
    assert {device.uem_generation for device in all_of(id_)} <= {0}
    assert list(lease.due_of(JobKind.DEVICES, NOON)) == [id_]


def test_saving_server_details_ends_quarantine_and_tries_at_once() -> None:
    id_ = an_integration(due=NOON + 24 * HOUR, failures=9, stopped_why="sign_in", stopped_reason="No.")
    saved(id_, SERVER, display_name="Mended")
    assert (the_integration(id_).sync_job.failures, the_integration(id_).stopped_why) == (0, None)
    assert list(lease.due_of(JobKind.DEVICES, NOON)) == [id_]


def test_a_paused_integration_is_not_planned_by_an_edit() -> None:
    id_ = an_integration(state=IntegrationState.PAUSED, due=None)
    saved(id_, SERVER, display_name="Renamed")
    saved(id_, SYNCHRONIZATION, device_interval=10)
    assert the_integration(id_).sync_job.next_at is None


def test_a_shorter_interval_takes_its_own_grid_and_twenty_integrations_do_not_start_together() -> None:
    ids = [an_integration(a_choice(f"{n}", device_interval=1440), due=NOON + 20 * HOUR) for n in range(20)]
    for id_ in ids:
        saved(id_, SYNCHRONIZATION, device_interval=10)
    due = [the_integration(id_).sync_job.next_at for id_ in ids]
    assert due == [jobs_schedule.next_point(id_, timedelta(minutes=10), NOON, NOON) for id_ in ids]
    assert len(set(due)) == 20
    assert list(lease.due_of(JobKind.DEVICES, NOON)) == []


def test_a_longer_interval_counts_at_once_and_what_is_due_already_still_runs() -> None:
    waiting = an_integration(a_choice("1", device_interval=10), due=NOON + timedelta(minutes=5))
    due = an_integration(a_choice("2", device_interval=10))
    for id_ in (waiting, due):
        saved(id_, SYNCHRONIZATION, device_interval=1440)
    assert the_integration(waiting).sync_job.next_at == jobs_schedule.next_point(
        waiting, 24 * HOUR, NOON, NOON
    )
    assert list(lease.due_of(JobKind.DEVICES, NOON)) == [due]


def test_an_edit_of_something_else_leaves_the_plan_alone() -> None:
    id_ = an_integration(due=NOON + HOUR)
    saved(id_, SYNCHRONIZATION, deletion_after=5)
    assert the_integration(id_).sync_job.next_at == NOON + HOUR


def test_the_switch_for_deltas_takes_effect_at_once() -> None:
    id_ = an_integration(due=NOON + HOUR, snapshots=1, refresh_at=NOON + timedelta(minutes=1))
    saved(id_, SYNCHRONIZATION, delta=False)
    assert the_integration(id_).sync_job.refresh_at is None
    saved(id_, SYNCHRONIZATION, delta=True)
    assert the_integration(id_).sync_job.refresh_at == NOON + jobs_schedule.DELTA_EVERY


def test_switching_personal_data_off_purges_it_at_once_and_ends_a_run_that_still_imports_it() -> None:
    id_ = an_integration()
    store_devices(id_, 3)
    held = lease.claim(id_, JobKind.DEVICES, "worker", NOON)
    assert held is not None
    assert saved(id_, SYNCHRONIZATION, import_email=False) == 3
    assert all("example.com" not in one.email for one in all_of(id_))
    run = db.session.get_one(JobRun, held.run_id)
    assert (run.state, run.reason) == (SyncRunState.CANCELLED, apply.REDACTED)
    with pytest.raises(lease.LeaseLost), write() as session:
        lease.renew(session, held, NOON)
    assert not the_integration(id_).redact_pending
    assert list(lease.due_of(JobKind.DEVICES, NOON)) == [id_]
    assert audited()[-1][2] == "Device email switched off"


def test_other_edits_purge_nothing_and_switching_on_again_is_due_at_once() -> None:
    id_ = an_integration(a_choice(import_name=False), due=NOON + HOUR)
    store_devices(id_, 2)
    assert saved(id_, SYNCHRONIZATION, device_interval=30) == 0
    assert all_of(id_)[0].name
    assert list(lease.due_of(JobKind.DEVICES, NOON)) == []
    assert saved(id_, SYNCHRONIZATION, import_name=True) == 0
    assert list(lease.due_of(JobKind.DEVICES, NOON)) == [id_]


def knows(id_: int) -> None:
    with write() as session:
        for group, parent in (("570", None), ("571", "570"), ("600", None)):
            session.add(
                KnownGroup(
                    integration_id=id_, kind="organization", external_id=group, name=group, type="",
                    parent_id=parent,
                )
            )  # fmt: skip


def test_finish_refuses_what_another_integration_reads_already() -> None:
    knows(an_integration(a_choice("570"), name="Head office"))
    late = an_integration(a_choice("571"), state=IntegrationState.DRAFT, due=None)
    with pytest.raises(apply.Overlapping) as refused:
        apply.finish(late, "kim", NOON)
    assert "Group 571 (in Test UEM) lies below Group 570 (in Head office)" in refused.value.sentence
    db.session.rollback()
    assert the_integration(late).state == IntegrationState.DRAFT
    assert audited() == []


def test_save_refuses_an_overlap_by_groups_and_by_address_and_changes_nothing() -> None:
    knows(an_integration(a_choice("570"), name="Head office"))
    beside = an_integration(a_choice("600"))
    with pytest.raises(apply.Overlapping):
        saved(beside, SYNCHRONIZATION, groups=a_choice("571").groups)
    db.session.rollback()
    assert device_sync.choice(the_integration(beside)).groups == a_choice("600").groups
    assert the_integration(beside).version == 1


@pytest.mark.parametrize(
    ("address", "same"),
    [
        ("https://UEM.test:443/API", True),
        ("https://uem.test/AirWatch/Login", True),
        ("https://uem.test:8443", False),
        ("https://other.test", False),
    ],
)
def test_a_server_is_the_same_however_its_address_is_written(address: str, same: bool) -> None:
    an_integration(a_choice("570"))
    elsewhere = an_integration(a_choice("570"), state=IntegrationState.DRAFT)
    typed(elsewhere, SERVER, server_address="https://elsewhere.test")
    apply.finish(elsewhere, "kim", NOON)
    typed(elsewhere, SERVER, server_address=address)
    if same:
        with pytest.raises(apply.Overlapping):
            apply.save(elsewhere, SERVER, "kim", NOON)
    else:
        apply.save(elsewhere, SERVER, "kim", NOON)


@pytest.mark.parametrize(
    "state", [IntegrationState.DRAFT, IntegrationState.REMOVING, IntegrationState.REMOVED]
)
def test_only_integrations_in_force_stand_in_the_way(state: IntegrationState) -> None:
    an_integration(a_choice("570"), state=state)
    late = an_integration(a_choice("570"), state=IntegrationState.DRAFT)
    apply.finish(late, "kim", NOON)
    assert the_integration(late).state == IntegrationState.ACTIVE
