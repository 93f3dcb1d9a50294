"""The app sync against the simulated UEM over TLS, and its branches with a fake one. Rungs: R, S."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from harmony.apps import targets
from harmony.apps.failures import MOST_ANSWERED
from harmony.clock import now
from harmony.db import db, write
from harmony.jobs import call_share
from harmony.jobs.kinds import JobKind
from harmony.jobs.uem_client import ClientFactory
from harmony.models import (
    Action,
    App,
    AppException,
    AppReading,
    Device,
    InstalledApp,
    Integration,
    Job,
    JobRun,
    Risk,
    SyncRunState,
)
from harmony.simulator.server import RunningSimulator, start
from harmony.simulator.world import World
from harmony.sync import lifecycle
from harmony.uem.client import UemClient
from harmony.uem.errors import (
    ConnectionLost,
    Forbidden,
    HtmlAnswer,
    MalformedAnswer,
    NotFound,
    ServerFailed,
    SignInRefused,
    TimedOut,
    TooLarge,
    UemError,
    Unreachable,
)
from harmony.uem.records import AppList, AppOnDevice, Completeness, Quota
from tests.builders import FakeUem, an_integration, due_jobs
from tests.protect.ios_fleet import an_ios_fleet, app_sync, opener, patient, touch
from tests.protect.stored_apps import events, risk_of
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
    """Every device has one app of its own, or its list; `broken` maps an id to the error it gets."""

    broken: dict[str, UemError] = field(default_factory=dict)
    every: UemError | None = None
    lists: dict[str, AppList] = field(default_factory=dict)
    left: Quota | None = None
    read: list[str] = field(default_factory=list)
    made: int = 0

    def device_apps(self, external_id: str) -> AppList:
        self.read.append(external_id)
        self.made += 1
        if error := self.broken.get(external_id) or self.every:
            raise error
        return self.lists.get(external_id) or AppList((AppOnDevice(f"app.{external_id}", "1", "App"),))

    def calls(self) -> int:
        return self.made

    def quota(self) -> Quota | None:
        return self.left


def fake(uem: FakeApps) -> ClientFactory:
    def open_client(*_: object) -> UemClient:
        uem.made = 0
        return uem

    return open_client


def the_job(id_: int) -> Job:
    return db.session.get_one(Job, (id_, JobKind.APPS))


def stored() -> tuple[int, int]:
    """How many devices have apps, and how many were read."""
    have = db.session.scalar(select(func.count(InstalledApp.device_id.distinct())))
    return have or 0, db.session.scalar(select(func.count()).select_from(AppReading)) or 0


def test_it_reads_every_device_with_one_call_each_and_stores_its_apps(simulator: RunningSimulator) -> None:
    id_ = an_ios_fleet(40)
    run = app_sync(id_, opener(simulator))
    assert (run.state, run.reason, run.calls) == (OK, "", 40)
    assert run.counts == {"waiting": 0, "read": 40, "changed": 38, "skipped": 0, "incomplete": 0}
    assert (run.quota_limit, run.started_by) == (250_000, "kim")
    assert stored() == (38, 40), "every 17th has none"
    [calendar] = db.session.scalars(select(App).where(App.version == "3.3", App.name == "Calendar"))
    installs = select(func.count()).where(InstalledApp.app_id == calendar.id)
    assert calendar.installs == db.session.scalar(installs)
    following = the_job(id_).next_at
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
    later = the_job(id_).next_at
    assert later is not None
    assert timedelta(hours=23, minutes=48) < later - now() < timedelta(hours=24)
    assert app_sync(id_, fake(uem)).calls == 0, "whoever asks"
    yesterday = now() - timedelta(hours=24)
    with write() as session:
        for each in session.scalars(select(JobRun)):
            each.started_at = yesterday
    app_sync(id_, fake(uem))
    assert len(uem.read) == len(set(uem.read)) == 20, "those that were not read before come first"


def test_two_integrations_of_one_server_have_one_share(app: Flask) -> None:
    first, second = an_ios_fleet(5), an_integration()
    app_sync(first, fake(FakeApps()))
    assert call_share.of_apps(second, 20, now()).used == 5
    assert call_share.of_apps(second, 20, now()).left == 9_995


def test_it_leaves_the_last_fifth_of_a_day_to_others() -> None:
    id_, reset = an_ios_fleet(30), now() + timedelta(hours=3)
    run = app_sync(id_, fake(FakeApps(left=Quota(1000, 199, reset))))
    assert run.state == WARNING
    assert run.reason.startswith("Only 199 of the UEM's 1,000 calls a day are left.")
    assert run.calls <= 2
    assert the_job(id_).next_at == reset


@pytest.mark.parametrize(
    "error",
    [
        NotFound("Not there."), Forbidden("Not allowed."), HtmlAnswer("A page."), ServerFailed("Broken."),
        MalformedAnswer("Cut."), TooLarge("Huge."), TimedOut("Too slow."), ConnectionLost("Gone."),
    ],
)  # fmt: skip
def test_a_device_that_cannot_be_read_is_skipped_told_and_put_last(error: UemError) -> None:
    id_, uem = an_ios_fleet(5), FakeApps(broken={"60001": error})
    run = app_sync(id_, fake(uem))
    assert (run.state, run.counts["skipped"], run.counts["read"]) == (WARNING, 1, 4)
    assert run.reason == (
        "The apps of 1 device (UEM ID 60001) could not be read; what was known of them was kept. "
        f"The first answer: {error.sentence}"
    )
    assert run.advice.startswith("They are read again by the next app sync, after all others.")
    touch(id_, 3)
    uem.read.clear()
    assert app_sync(id_, fake(uem)).state == WARNING
    assert uem.read == ["60002", "60003", "60001"]
    uem.broken.clear()
    assert app_sync(id_, fake(uem)).state == OK
    assert (app_sync(id_, fake(uem)).calls, stored()) == (0, (5, 5))


def test_devices_that_fail_again_and_again_keep_nobody_waiting() -> None:
    broken = {str(number): NotFound("Not there.") for number in range(60001, 60031)}
    id_, uem = an_ios_fleet(60), FakeApps(broken=dict(broken))
    assert app_sync(id_, fake(uem)).state == FAILED, "the first twenty say nothing good of the server"
    assert (app_sync(id_, fake(uem)).state, stored()[0]) == (WARNING, 30)
    for _ in range(2):
        touch(id_, 60)
        run = app_sync(id_, fake(uem))
        assert (run.state, run.counts["read"], run.counts["skipped"]) == (WARNING, 30, 30)
        assert "and 25 more" in run.reason
        assert run.advice.startswith("So many at once are rarely a matter of the devices")


def listing(completeness: Completeness, *identifiers: str) -> AppList:
    return AppList(tuple(AppOnDevice(each, "1", each) for each in identifiers), completeness)


def block(identifier: str) -> None:
    with write() as session:
        row = AppException(platform="ios", identifier=identifier, action=Action.BLOCK, reason="", by="")
        row.at = now()
        session.add(row)


@pytest.mark.parametrize(
    "lie",
    [
        listing(Completeness.PARTIAL, "app.mail"), listing(Completeness.PARTIAL),
        listing(Completeness.UNCOUNTED, "app.mail"), listing(Completeness.UNCOUNTED, "app.new"),
    ],
)  # fmt: skip
def test_an_incomplete_list_adds_apps_and_lifts_no_finding_however_often_it_comes(lie: AppList) -> None:
    block("app.bad")
    id_, uem = an_ios_fleet(3), FakeApps()
    uem.lists["60002"] = listing(Completeness.COUNTED, "app.bad", "app.mail")
    assert app_sync(id_, fake(uem)).state == OK
    uem.lists["60002"] = lie
    for _ in range(3):
        touch(id_, 3)
        run = app_sync(id_, fake(uem))
        assert (run.state, run.counts["incomplete"], risk_of(2)) == (WARNING, 1, Risk.HIGH)
        assert (
            "The list of apps was incomplete for 1 device (UEM ID 60002); no app was removed." in run.reason
        )
    assert apps_of(2) == {"app.bad", "app.mail"} | {app.identifier for app in lie.apps}
    uem.lists["60002"] = listing(Completeness.COUNTED, "app.mail")
    assert app_sync(id_, fake(uem)).state == OK, "read again although nobody was in contact"
    assert (apps_of(2), risk_of(2)) == ({"app.mail"}, Risk.NONE)
    assert "app.mail" not in " ".join(detail for verb, detail in events(2) if verb == "removed")


@pytest.mark.parametrize("completeness", [Completeness.UNCOUNTED, Completeness.COUNTED])
def test_an_empty_list_is_believed_when_a_second_run_gets_it_too(completeness: Completeness) -> None:
    block("app.bad")
    id_, uem = an_ios_fleet(2), FakeApps()
    uem.lists["60001"] = listing(Completeness.COUNTED, "app.bad", "app.mail")
    app_sync(id_, fake(uem))
    uem.lists["60001"] = listing(completeness)
    touch(id_, 2)
    run = app_sync(id_, fake(uem))
    assert (run.state, run.counts["incomplete"], risk_of(1)) == (WARNING, 1, Risk.HIGH)
    assert (
        "for 1 device (UEM ID 60001); the apps are removed when the next list lacks the same." in run.reason
    )
    uem.broken["60001"] = ServerFailed("Broken.")
    app_sync(id_, fake(uem))
    assert risk_of(1) is Risk.HIGH, "a failure is no second look"
    uem.broken.clear()
    assert app_sync(id_, fake(uem)).state == OK
    assert (apps_of(1), risk_of(1)) == (set(), Risk.NONE)
    assert app_sync(id_, fake(uem)).calls == 0


def test_an_empty_list_between_two_others_removes_nothing() -> None:
    id_, uem = an_ios_fleet(2), FakeApps()
    whole, empty = listing(Completeness.COUNTED, "app.mail"), listing(Completeness.UNCOUNTED)
    for answer in (whole, empty, whole, empty):
        uem.lists["60001"] = answer
        touch(id_, 2)
        app_sync(id_, fake(uem))
        assert apps_of(1) == {"app.mail"}


def test_after_a_move_no_device_is_asked_for_by_an_id_of_the_former_uem() -> None:
    id_, uem = an_ios_fleet(4), FakeApps()
    with write() as session:
        session.get_one(Integration, id_).uem_generation = 2
        session.get_one(Device, 2).uem_generation = 1
        for device_id in (3, 4):
            session.get_one(Device, device_id).uem_generation = 2
        session.get_one(Device, 3).missing_since = now()
    assert targets.waiting(id_) == 2
    assert app_sync(id_, fake(uem)).state == OK
    assert sorted(uem.read) == ["60003", "60004"], "the third went missing in this UEM"


def apps_of(device_id: int) -> set[str]:
    mine = select(App.identifier).join(InstalledApp).where(InstalledApp.device_id == device_id)
    return set(db.session.scalars(mine))


def test_so_many_failures_in_a_row_are_no_longer_a_matter_of_devices() -> None:
    id_, uem = an_ios_fleet(60), FakeApps(every=NotFound("The UEM does not find what was asked for."))
    run = app_sync(id_, fake(uem))
    assert run.state == FAILED
    assert len(uem.read) <= MOST_ANSWERED + 2


def test_a_missing_permission_parks_it_until_somebody_asks(simulator: RunningSimulator) -> None:
    simulator.tenant.gate.denied = frozenset({"apps"})
    id_ = an_ios_fleet(5)
    run = app_sync(id_, opener(simulator))
    assert run.state == FAILED
    assert "Apps" in run.reason
    assert "The device sync is not affected." in run.reason
    job = the_job(id_)
    assert (job.parked_why or "").startswith(run.reason)
    assert job.next_at is None
    assert due_jobs(now() + timedelta(days=9)) == []
    simulator.tenant.gate.denied = frozenset()
    assert app_sync(id_, opener(simulator)).state == OK
    assert the_job(id_).parked_why is None


def test_a_refused_password_is_tried_once_and_not_again_by_itself() -> None:
    id_, uem = an_ios_fleet(9), FakeApps(every=SignInRefused("Refused."))
    run = app_sync(id_, fake(uem))
    assert (run.state, len(uem.read)) == (SyncRunState.AUTH_FAILED, 1)


def test_what_was_read_before_an_error_is_kept_and_the_next_run_goes_on() -> None:
    id_, uem = an_ios_fleet(9), FakeApps(broken={"60006": Unreachable("Nothing listens there.")})
    run = app_sync(id_, fake(uem))
    assert run.state == SyncRunState.INCOMPLETE
    assert "What it had read was kept" in run.reason
    assert stored() == (5, 5)
    uem.broken.clear()
    uem.read.clear()
    assert app_sync(id_, fake(uem)).state == OK
    assert sorted(uem.read) == ["60006", "60007", "60008", "60009"]


@pytest.mark.parametrize("count", [2, 9])
def test_a_server_that_fails_for_every_device_fails_the_run(count: int) -> None:
    id_, uem = an_ios_fleet(count), FakeApps(every=ServerFailed("The server reports an error."))
    run = app_sync(id_, fake(uem))
    assert (run.state, run.reason) == (FAILED, "The server reports an error.")
    assert the_job(id_).failures == 1


def in_a_while(simulator: RunningSimulator, do: object) -> threading.Thread:
    """Call `do` once the third call is under way; the UEM then holds every answer back."""

    def wait_and_do() -> None:
        calls = simulator.tenant.meter.calls
        begun = sum(calls.values())
        simulator.tenant.latency_ms = 0
        while sum(calls.values()) < begun + 3:
            threading.Event().wait(0.01)
        simulator.tenant.latency_ms = 600_000
        do()  # type: ignore[operator]

    thread = threading.Thread(target=wait_and_do)
    thread.start()
    return thread


def test_it_stops_at_once_when_the_worker_is_told_to(simulator: RunningSimulator) -> None:
    """The UEM holds its answers back for longer than any test: that this one ends is the proof."""
    id_, told = an_ios_fleet(40), threading.Event()
    thread = in_a_while(simulator, told.set)
    run = app_sync(id_, patient(simulator), told.is_set)
    thread.join()
    simulator.tenant.latency_ms = 0
    assert (run.state, run.reason) == (SyncRunState.CANCELLED, "Harmony was stopped during the app sync.")
    assert the_job(id_).next_at is not None
    assert due_jobs(now()) == [(id_, JobKind.APPS)]


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
    assert due_jobs(now()) == []
    lifecycle.resume(id_, "kim", now())
    assert due_jobs(now()) == [(id_, JobKind.APPS)]
    assert app_sync(id_, opener(simulator), ask=False).state == OK
    assert stored()[1] == 40


def test_nothing_to_read_makes_no_call_at_all() -> None:
    id_ = an_integration()
    store_devices(id_, 3)
    run = app_sync(id_, fake(FakeApps(every=ServerFailed("Never asked."))))
    assert (run.state, run.calls) == (OK, 0)
