"""`flask protect simulate` and the demo's apps: whom they play, with what they register (rungs shell, S)."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select, update
from werkzeug.serving import make_server

from harmony.clock import now
from harmony.config import Settings
from harmony.db import db, write
from harmony.models import (
    AuditEntry,
    Device,
    DeviceStatus,
    Integration,
    IntegrationState,
    Protection,
    Registration,
    RegistrationCode,
)
from harmony.models.configuration import ChosenGroup, Synchronization
from harmony.ops.demo_agents import SILENT_SINCE, fall_silent
from harmony.ops.simulate import own_address
from harmony.simulator.agents.records import Report
from harmony.web.demo.simulated_devices import NothingToSimulate, agents_for, candidates
from tests.agents import TOKEN, an_agent, give_token, through
from tests.builders import NOON, an_integration
from tests.stored import store


@pytest.fixture
def same_signals() -> Iterator[None]:
    """The command listens to Ctrl+C; the tests do not want to lose theirs."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    """The application on a port of its own."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def simulate(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["protect", "simulate", *arguments])


def a_fleet(count: int) -> int:
    """An active integration with a token and so many devices."""
    integration_id = an_integration()
    give_token(integration_id)
    store(integration_id, count)
    return integration_id


def test_it_says_what_is_missing(app: Flask) -> None:
    said = simulate(app, "--once")
    assert (said.exit_code, "No integration is active" in said.output) == (1, True)
    with app.app_context():
        an_integration()
    said = simulate(app, "--once")
    assert (said.exit_code, "There is no iOS or Android device yet" in said.output) == (1, True)


def test_only_phones_and_tablets_of_active_integrations_are_played(context: Flask) -> None:
    integration_id = a_fleet(6)
    paused = an_integration(state=IntegrationState.PAUSED, name="Paused")
    store(paused, 3, start=100)
    with write() as session:
        first, second, third, fourth = session.scalars(select(Device).order_by(Device.id).limit(4)).all()
        first.platform, second.deleted_at, third.udid_key, fourth.platform = "WinRT", NOON, "", "Apple"
    found = candidates(10)
    assert [one.handset.udid for one in found] == ["UDID3", "UDID4", "UDID5"]
    assert [one.handset.platform for one in found] == ["ios", "android", "android"]
    assert {(one.integration_id, one.handset.token) for one in found} == {(integration_id, TOKEN)}
    assert len(candidates(2)) == 2
    with write() as session:
        session.get_one(Integration, integration_id).state = IntegrationState.PAUSED
    with pytest.raises(NothingToSimulate):
        candidates(10)


def test_android_enterprise_has_a_protect_app_in_each_profile_but_somebody_forgot_one(context: Flask) -> None:
    group = ChosenGroup(kind="organization", external_id="570", name="Group 570", android_enterprise=True)
    integration_id = an_integration(Synchronization(groups=(group,)))
    give_token(integration_id)
    store(integration_id, 4)
    store(integration_id, 1, start=9, groups=[("organization", "571")])
    with write() as session:
        session.execute(update(Device).where(Device.external_id == "1").values(platform="Apple"))
    found = [(agent.handset.udid, agent.handset.profile) for agent in agents_for(candidates(9), "kim", now())]
    assert found == [
        ("UDID0", "work"), ("UDID0", "personal"), ("UDID1", "device"),
        ("UDID2", "work"), ("UDID2", "personal"), ("UDID3", "work"), ("UDID9", "device"),
    ]  # fmt: skip


def test_a_device_that_has_protect_is_taken_over_with_a_code_that_is_audited(app: Flask) -> None:
    with app.app_context():
        a_fleet(2)
        an_agent(1).register(through(app.test_client()), Report())
        fresh, taken = agents_for(candidates(2), "kim", now())
        assert (fresh.handset.code, bool(taken.handset.code)) == ("", True)
        assert db.session.scalars(select(RegistrationCode.created_by)).all() == ["kim"]
        assert "Made a registration code" in db.session.scalars(select(AuditEntry.what)).all()


def test_a_device_with_two_profiles_is_taken_over_with_a_code_for_each(context: Flask) -> None:
    group = ChosenGroup(kind="organization", external_id="570", name="Group 570", android_enterprise=True)
    give_token(an_integration(Synchronization(groups=(group,))))
    store(1, 1)
    client = context.test_client()
    for agent in agents_for(candidates(1), "kim", now()):
        agent.register(through(client), Report())
    again = agents_for(candidates(1), "kim", now())
    assert [agent.handset.profile for agent in again] == ["work", "personal"]
    assert len({agent.handset.code for agent in again} - {""}) == 2
    for agent in again:
        agent.register(through(client), Report())
        assert agent.key


@pytest.mark.usefixtures("same_signals")
def test_they_register_and_check_in_and_do_it_again(app: Flask, url: str) -> None:
    with app.app_context():
        a_fleet(8)
    first = simulate(app, "--devices", "5", "--once", "--url", url)
    assert first.exit_code == 0, first.output
    assert "5 simulated Protect apps call" in first.output
    assert "5 devices registered." in first.output
    assert "5 check-ins in" in first.output
    with app.app_context():
        assert set(db.session.scalars(select(Protection.status))) == {DeviceStatus.ACTIVE}
        assert len(db.session.scalars(select(Registration)).all()) == 5
    again = simulate(app, "--devices", "5", "--once", "--url", url)
    assert (again.exit_code, "5 devices registered." in again.output) == (0, True), again.output


@pytest.mark.usefixtures("same_signals")
def test_it_says_when_calls_fail_and_when_the_address_is_none(app: Flask, url: str) -> None:
    with app.app_context():
        a_fleet(2)
        found = simulate(app, "--once", "--url", "nowhere")
        assert (found.exit_code, "is not an address" in found.output) == (2, True)
        with write() as session:
            for device in session.scalars(select(Device)):
                device.udid_key = f"other-{device.id}"
    failed = simulate(app, "--once", "--url", url)
    assert (failed.exit_code, "Failed calls: device_unknown 2." in failed.output) == (1, True), failed.output


def test_those_that_fall_silent_in_the_demo_were_last_heard_long_ago(app: Flask) -> None:
    with app.app_context():
        a_fleet(2)
        send = through(app.test_client())
        for number in range(2):
            an_agent(number).register(send, Report())
        silent, other = db.session.scalars(select(Protection).order_by(Protection.device_id)).all()
        kept, silent_id = other.last_contact_at, silent.device_id
        fall_silent({silent_id})
        db.session.expire_all()
        assert silent.last_contact_at is not None
        assert silent.last_contact_at <= now() - SILENT_SINCE + timedelta(minutes=1)
        assert other.last_contact_at == kept


@pytest.mark.parametrize(
    ("bind", "public", "expected"),
    [
        (("127.0.0.1", 8000), "", "http://127.0.0.1:8000"),
        (("0.0.0.0", 80), "", "http://127.0.0.1:80"),  # noqa: S104 - compared only
        (("::", 8000), "", "http://[::1]:8000"),
        (("::1", 8000), "", "http://[::1]:8000"),
        (("127.0.0.1", 8000), "https://mtd.example.com", "https://mtd.example.com"),
    ],
)
def test_the_dashboards_own_address(bind: tuple[str, int], public: str, expected: str) -> None:
    assert own_address(Settings(data_dir=Path("."), bind=bind, public_url=public)) == expected
