"""The app sync against the simulated UEM over TLS, and its branches with a fake one. Rungs: R, S."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from harmony.clock import monotonic, now
from harmony.db import db, write
from harmony.models import (
    Action,
    App,
    AppException,
    AppReading,
    Device,
    Duty,
    DutyName,
    DutyRun,
    InstalledApp,
    Risk,
    SyncRunState,
)
from harmony.protect import app_targets
from harmony.protect.app_reading import MOST_IN_A_ROW
from harmony.simulator.server import RunningSimulator, start
from harmony.simulator.world import World
from harmony.sync import duties, lifecycle
from harmony.sync.connect import Opener
from harmony.uem.client import UemClient
from harmony.uem.errors import NotFound, ServerFailed, SignInRefused, UemError
from harmony.uem.records import AppOnDevice, Quota
from tests.builders import FakeUem, an_integration
from tests.protect.ios_fleet import an_ios_fleet, app_sync, opener, touch
from tests.protect.stored_apps import risk_of
from tests.sync.stored import store_devices

pytestmark = pytest.mark.usefixtures("context")

OK, WARNING, FAILED = SyncRunState.OK, SyncRunState.WARNING, SyncRunState.FAILED


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    running = start(World(60, seed=7))
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def as_it_was(simulator: RunningSimulator) -> None:
    simulator.tenant.switches.reset()
    simulator.tenant.faults.clear()
    simulator.tenant.gate.denied = frozenset()
    simulator.tenant.meter.leave(250_000, 250_000, 86_400)


@dataclass
class FakeApps(FakeUem):
    """Every device has one app of its own; `broken` maps an id to the error it gets."""

    broken: dict[str, UemError] = field(default_factory=dict)
    every: UemError | None = None
    left: Quota | None = None
    read: list[str] = field(default_factory=list)
    made: int = 0

    def device_apps(self, external_id: str) -> list[AppOnDevice]:
        self.read.append(external_id)
        self.made += 1
        if error := self.broken.get(external_id) or self.every:
            raise error
        return [AppOnDevice(f"app.{external_id}", "1", "App")]

    def calls(self) -> int:
        return self.made

    def quota(self) -> Quota | None:
        return self.left


def fake(uem: FakeApps) -> Opener:
    def open_client(*_: object) -> UemClient:
        uem.made = 0
        return uem

    return open_client


def the_duty(id_: int) -> Duty:
    return db.session.get_one(Duty, (id_, DutyName.APPS))


def stored() -> tuple[int, int]:
    """How many devices have apps, and how many were read."""
    have = db.session.scalar(select(func.count(InstalledApp.device_id.distinct())))
    return have or 0, db.session.scalar(select(func.count()).select_from(AppReading)) or 0


def test_it_reads_every_device_with_one_call_each_and_stores_its_apps(simulator: RunningSimulator) -> None:
    id_ = an_ios_fleet(40)
    run = app_sync(id_, opener(simulator))
    assert (run.state, run.reason, run.calls) == (OK, "", 40)
    assert run.counts == {"waiting": 0, "read": 40, "changed": 38, "skipped": 0}
    assert (run.quota_limit, run.started_by) == (250_000, "kim")
    assert stored() == (38, 40), "every 17th has none"
    [calendar] = db.session.scalars(select(App).where(App.version == "3.3", App.name == "Calendar"))
    installs = select(func.count()).where(InstalledApp.app_id == calendar.id)
    assert calendar.installs == db.session.scalar(installs)
    following = the_duty(id_).next_at
    assert following is not None
    assert now() < following <= now() + timedelta(hours=36)


def test_only_devices_that_were_in_contact_are_read_again(simulator: RunningSimulator) -> None:
    id_ = an_ios_fleet(10)
    app_sync(id_, opener(simulator))
    assert app_sync(id_, opener(simulator)).calls == 0
    touch(id_, 3)
    run = app_sync(id_, opener(simulator))
    assert (run.calls, run.counts["read"], run.counts["changed"]) == (3, 3, 0)


def test_android_deleted_and_foreign_devices_are_not_asked_for() -> None:
    id_, uem = an_integration(), FakeApps()
    store_devices(id_, 2)
    with write() as session:
        session.get_one(Device, 1).platform = "Apple"
        session.get_one(Device, 1).deleted_at = now()
    other = an_integration()
    store_devices(other, 1, platform="Apple")
    app_sync(id_, fake(uem))
    assert uem.read == []


def test_a_blocked_app_that_is_installed_makes_the_device_high_at_the_next_reading(
    simulator: RunningSimulator,
) -> None:
    id_ = an_ios_fleet(3)
    app_sync(id_, opener(simulator))
    with write() as session:
        row = AppException(platform="ios", identifier="org.test.torch", action=Action.BLOCK, reason="", by="")
        row.at = now()
        session.add(row)
    simulator.tenant.world.apps[60002] = {"org.test.torch": ("Torch", "1.0")}
    touch(id_, 2)
    run = app_sync(id_, opener(simulator))
    simulator.tenant.world.apps.clear()
    assert run.counts["changed"] == 1
    assert [risk_of(device) for device in (1, 2, 3)] == [Risk.NONE, Risk.HIGH, Risk.NONE]


def test_it_keeps_to_its_share_and_goes_on_when_calls_are_free_again(app: Flask) -> None:
    app.extensions["harmony.settings"] = replace(app.extensions["harmony.settings"], apps_quota_percent=10)
    id_, uem = an_ios_fleet(30), FakeApps(left=Quota(100, 90, None))
    run = app_sync(id_, fake(uem))
    assert (run.state, len(uem.read)) == (WARNING, 10)
    assert run.reason == (
        "Reading apps may use 10 of the UEM's 100 calls a day, and has used them. 20 devices wait."
    )
    later = the_duty(id_).next_at
    assert later is not None
    assert timedelta(hours=23, minutes=48) < later - now() < timedelta(hours=24)
    assert app_sync(id_, fake(uem)).calls == 0, "whoever asks"
    yesterday = now() - timedelta(hours=24)
    with write() as session:
        for each in session.scalars(select(DutyRun)):
            each.started_at = yesterday
    app_sync(id_, fake(uem))
    assert len(uem.read) == len(set(uem.read)) == 20, "those that were not read before come first"


def test_two_integrations_of_one_server_have_one_share(app: Flask) -> None:
    first, second = an_ios_fleet(5), an_integration()
    app_sync(first, fake(FakeApps()))
    assert app_targets.share_of(second, 20, now()).used == 5
    assert app_targets.share_of(second, 20, now()).left == 9_995


def test_it_leaves_the_last_fifth_of_a_day_to_others() -> None:
    id_, reset = an_ios_fleet(30), now() + timedelta(hours=3)
    run = app_sync(id_, fake(FakeApps(left=Quota(1000, 199, reset))))
    assert run.state == WARNING
    assert run.reason.startswith("Only 199 of the UEM's 1,000 calls a day are left.")
    assert run.calls <= 2
    assert the_duty(id_).next_at == reset


def test_a_device_the_uem_does_not_know_is_skipped_until_it_is_seen_again() -> None:
    id_, uem = an_ios_fleet(3), FakeApps(broken={"60002": NotFound("Not there.")})
    run = app_sync(id_, fake(uem))
    assert (run.state, run.counts["skipped"], run.counts["read"]) == (WARNING, 1, 2)
    assert run.reason == "The apps of 1 device could not be read; what was known of them was kept."
    app_sync(id_, fake(uem))
    assert len(uem.read) == 3, "nobody was in contact meanwhile"
    touch(id_, 3)
    app_sync(id_, fake(uem))
    assert uem.read.count("60002") == 2


def test_so_many_failures_in_a_row_are_no_longer_a_matter_of_devices() -> None:
    id_, uem = an_ios_fleet(60), FakeApps(every=NotFound("The UEM does not find what was asked for."))
    run = app_sync(id_, fake(uem))
    assert run.state == FAILED
    assert len(uem.read) <= MOST_IN_A_ROW + 2


def test_a_missing_permission_parks_it_until_somebody_asks(simulator: RunningSimulator) -> None:
    simulator.tenant.gate.denied = frozenset({"apps"})
    id_ = an_ios_fleet(5)
    run = app_sync(id_, opener(simulator))
    assert run.state == FAILED
    assert "Apps" in run.reason
    assert "The device sync is not affected." in run.reason
    duty = the_duty(id_)
    assert (duty.parked_why or "").startswith(run.reason)
    assert duty.next_at is None
    assert list(duties.due(now() + timedelta(days=9))) == []
    simulator.tenant.gate.denied = frozenset()
    assert app_sync(id_, opener(simulator)).state == OK
    assert the_duty(id_).parked_why is None


def test_a_refused_password_is_tried_once_and_not_again_by_itself() -> None:
    id_, uem = an_ios_fleet(9), FakeApps(every=SignInRefused("Refused."))
    run = app_sync(id_, fake(uem))
    assert (run.state, len(uem.read)) == (SyncRunState.AUTH_FAILED, 1)


def test_what_was_read_before_an_error_is_kept_and_the_next_run_goes_on() -> None:
    id_, uem = an_ios_fleet(9), FakeApps(broken={"60006": ServerFailed("The server reports an error.")})
    run = app_sync(id_, fake(uem))
    assert run.state == SyncRunState.INCOMPLETE
    assert "What it had read was kept" in run.reason
    assert stored() == (5, 5)
    uem.broken.clear()
    uem.read.clear()
    assert app_sync(id_, fake(uem)).state == OK
    assert sorted(uem.read) == ["60006", "60007", "60008", "60009"]


def in_a_while(simulator: RunningSimulator, do: object) -> threading.Thread:
    """Call `do` once the third call is under way; the UEM then holds every answer back."""

    def wait_and_do() -> None:
        calls = simulator.tenant.meter.calls
        begun = sum(calls.values())
        simulator.tenant.latency_ms = 0
        while sum(calls.values()) < begun + 3:
            threading.Event().wait(0.01)
        simulator.tenant.latency_ms = 60_000
        do()  # type: ignore[operator]

    thread = threading.Thread(target=wait_and_do)
    thread.start()
    return thread


def test_it_stops_at_once_when_the_worker_is_told_to(simulator: RunningSimulator) -> None:
    id_, told = an_ios_fleet(40), threading.Event()
    thread = in_a_while(simulator, told.set)
    begun = monotonic()
    run = app_sync(id_, opener(simulator), told.is_set)
    thread.join()
    simulator.tenant.latency_ms = 0
    assert (run.state, run.reason) == (SyncRunState.CANCELLED, "Harmony was stopped during the app sync.")
    assert monotonic() - begun < 30, "not as long as the UEM holds its answers back"
    assert the_duty(id_).next_at is not None
    assert list(duties.due(now())) == [(id_, DutyName.APPS)]


def test_a_pause_ends_it_and_resume_lets_it_go_on(app: Flask, simulator: RunningSimulator) -> None:
    id_ = an_ios_fleet(40)

    def pause() -> None:
        with app.app_context():
            lifecycle.pause(id_, "kim", now())

    thread = in_a_while(simulator, pause)
    run = app_sync(id_, opener(simulator))
    thread.join()
    simulator.tenant.latency_ms = 0
    assert (run.state, run.reason) == (SyncRunState.CANCELLED, "Paused by kim.")
    assert list(duties.due(now())) == []
    lifecycle.resume(id_, "kim", now())
    assert list(duties.due(now())) == [(id_, DutyName.APPS)]
    assert app_sync(id_, opener(simulator), ask=False).state == OK
    assert stored()[1] == 40


def test_nothing_to_read_makes_no_call_at_all() -> None:
    id_ = an_integration()
    store_devices(id_, 3)
    run = app_sync(id_, fake(FakeApps(every=ServerFailed("Never asked."))))
    assert (run.state, run.calls) == (OK, 0)
