"""Checking in: findings, status, what is written and what is not (rung: shell)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event, select

from harmony.clock import now
from harmony.db import db, write
from harmony.models import (
    AppException,
    DeviceStatus,
    Event,
    Finding,
    InstalledApp,
    Policy,
    Protection,
    Registration,
    Risk,
    Verb,
)
from harmony.protection.change import NewFinding
from tests.builders import NOON
from tests.protect.agent import ENTERPRISE, Agent, an_open_integration, device_of
from tests.protect.stored import change


@pytest.fixture
def registered(agent: Agent) -> Agent:
    """An app that has registered."""
    an_open_integration()
    agent.register()
    return agent


def open_codes() -> list[tuple[str, str, str]]:
    db.session.rollback()
    rows = select(Finding.code, Finding.subject, Finding.profile).where(Finding.closed_at.is_(None))
    return sorted(tuple(row) for row in db.session.execute(rows))  # type: ignore[misc]


def protection() -> Protection:
    return db.session.get_one(Protection, device_of("UDID0").id)


def the_registration() -> Registration:
    db.session.rollback()
    return db.session.scalars(select(Registration)).one()


def test_findings_replace_those_of_the_report_before(registered: Agent) -> None:
    assert registered.check_in("ROOTED", "NO_SCREEN_LOCK").json["risk"] == "high"
    answer = registered.check_in("NO_SCREEN_LOCK")
    assert answer.json == {"status": "active", "risk": "low", "check_in_seconds": 900}
    assert [code for code, _, _ in open_codes()] == ["NO_SCREEN_LOCK"]
    assert registered.check_in().json["risk"] == "none"


def test_a_report_touches_the_findings_of_its_own_profile_only(agent: Agent) -> None:
    an_open_integration(choice=ENTERPRISE)
    work = Agent(agent.client)
    agent.register(profile="personal")
    work.register(profile="work")
    work.check_in("ROOTED")
    assert agent.check_in().json["risk"] == "high"
    assert open_codes() == [("ROOTED", "", "work")]


def test_an_unknown_code_counts_as_medium_and_what_we_conclude_ourselves_is_not_believed(
    registered: Agent,
) -> None:
    assert registered.check_in("NEVER_HEARD_OF", "BLOCKED_APP", "OS_OUTDATED").json["risk"] == "medium"
    assert [code for code, _, _ in open_codes()] == ["NEVER_HEARD_OF"]


def test_a_subject_is_cleaned_and_cut(registered: Agent) -> None:
    long = {"code": "PHISHING", "subject": "evil\u202e.test/" + "x" * 400}
    assert registered.check_in(findings=[long, long]).status_code == 200
    ((_, subject, _),) = open_codes()
    assert subject.startswith("evil.test/xxx")
    assert len(subject) <= 256


def test_the_policy_and_the_exception_of_an_app_decide_the_risk(registered: Agent) -> None:
    with write() as session:
        session.add(Policy(version=1, values={"risks": {"ROOTED": 2}}, at=NOON, by="kim"))
        session.add(
            AppException(
                platform="android", identifier="com.ok", action="no_risk", reason="ours", by="kim", at=NOON
            )
        )
    assert registered.check_in("ROOTED").json["risk"] == "medium"
    ours = [{"code": "SUSPICIOUS_APP", "subject": "com.ok"}]
    assert registered.check_in(findings=ours).json["risk"] == "none"


def test_the_same_report_again_writes_only_the_contact(registered: Agent) -> None:
    said = {"os_version": "15", "apps": [{"identifier": "com.a", "version": "1", "name": "A"}]}
    registered.check_in("ROOTED", **said)
    before, statements = the_registration().last_contact_at, []
    event.listen(db.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    assert registered.check_in("ROOTED", **said).json["risk"] == "high"
    assert registered.check_in("ROOTED", os_version="15").json["risk"] == "high"
    written = {one.split(" SET ")[0] for one in statements if not one.lstrip().startswith("SELECT")}
    assert {one for one in written if "BEGIN" not in one} == {"UPDATE registration", "UPDATE protection"}
    assert the_registration().last_contact_at > before
    assert protection().last_contact_at == the_registration().last_contact_at


def test_a_device_that_was_inactive_or_silent_is_active_again(registered: Agent) -> None:
    device = device_of("UDID0")
    registered.check_in()
    silent = [NewFinding("", "DEVICE_SILENT", "", int(Risk.HIGH))]
    change(device.id, now(), opened=silent, status=DeviceStatus.INACTIVE)
    answer = registered.check_in()
    assert answer.json == {"status": "active", "risk": "none", "check_in_seconds": 900}
    verbs = list(db.session.scalars(select(Event.verb).order_by(Event.id)))
    assert verbs[-4:] == [Verb.DETECTED, Verb.INACTIVE, Verb.ENDED, Verb.ACTIVE]


@pytest.mark.parametrize("ahead", [timedelta(days=365 * 90), timedelta(0), timedelta(days=-365 * 50)])
def test_the_clock_of_a_device_is_recorded_and_not_believed(registered: Agent, ahead: timedelta) -> None:
    registered.check_in(device_time=(now() + ahead).isoformat())
    assert abs((the_registration().clock_skew or 0) - ahead.total_seconds()) < 60
    assert abs(the_registration().last_contact_at - now()) < timedelta(minutes=1)
    assert registered.check_in(device_time="half past nine").status_code == 200


def test_the_apps_of_an_android_device_are_kept_and_left_alone_when_not_told(registered: Agent) -> None:
    registered.check_in(apps=[{"identifier": "com.a"}, {"identifier": "com.b"}, {"identifier": "com.a"}])
    registered.check_in("ROOTED")
    assert len(db.session.scalars(select(InstalledApp.app_id)).all()) == 2
    registered.check_in(apps=[])
    assert db.session.scalars(select(InstalledApp.app_id)).all() == []


def test_versions_that_are_not_told_are_not_forgotten(registered: Agent) -> None:
    registered.check_in(os_version="15", client_version="4.2")
    registered.check_in()
    row = the_registration()
    assert (row.os_version, row.client_version) == ("15", "4.2")


def test_a_system_that_is_too_old_is_found_with_the_report_that_tells_it(registered: Agent) -> None:
    with write() as session:
        session.add(Policy(version=1, values={"minimum_os": {"android": "14"}}, at=NOON, by="kim"))
    assert registered.check_in(os_version="13").json["risk"] == "medium"
    assert open_codes() == [("OS_OUTDATED", "", "")]
    assert registered.check_in(os_version="13").json["risk"] == "medium"
    assert registered.check_in(os_version="15").json["risk"] == "none"


def test_a_device_that_comes_back_with_a_new_system_is_not_judged_by_its_silence(registered: Agent) -> None:
    registered.check_in(os_version="14")
    with write() as session:
        row = session.scalars(select(Protection)).one()
        row.last_contact_at, row.status = now() - timedelta(days=30), DeviceStatus.INACTIVE
    assert registered.check_in(os_version="15").json["status"] == "active"
