"""App exceptions: set, lifted, and brought to the devices; on both databases (rung: shell)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select

from harmony.apps import exceptions as app_exceptions
from harmony.apps.exceptions import Decision, carry_out, decide, pending
from harmony.db import db, table_of, write
from harmony.models import (
    Action,
    App,
    AppDecision,
    AppException,
    AuditEntry,
    Device,
    Finding,
    InstalledApp,
    Protection,
    Risk,
)
from tests.builders import NOON, an_integration
from tests.protect.stored_apps import CHAT, MAPS, events, list_apps, open_findings, risk_of, some_devices

pytestmark = pytest.mark.usefixtures("context")

LATER = NOON + timedelta(hours=1)


def the_app(identifier: str = MAPS.identifier) -> App:
    return db.session.scalars(select(App).where(App.identifier == identifier)).first() or pytest.fail(
        "no app"
    )


def say(action: Action | None, reason: str = "") -> bool:
    return decide(the_app(), Decision(action, reason, "kim", LATER))


@pytest.fixture
def devices(context: object) -> list[int]:
    """Three devices; the first two have Maps, in two versions."""
    ids = some_devices(an_integration(), 3)
    list_apps(ids[0], MAPS)
    list_apps(ids[1], MAPS._replace(version="2"))
    list_apps(ids[2], CHAT)
    return ids


def test_a_block_turns_each_device_that_has_any_version_high_and_lifting_it_turns_it_back(
    devices: list[int],
) -> None:
    assert say(Action.BLOCK, "Tracks people")
    assert [risk_of(id_) for id_ in devices] == [Risk.NONE] * 3, "the request itself touches no device"
    carry_out()
    assert [risk_of(id_) for id_ in devices] == [Risk.HIGH, Risk.HIGH, Risk.NONE]
    assert events(devices[0]) == [("detected", "Maps (com.example.maps)")]
    assert pending() == []
    assert say(None)
    carry_out()
    assert [risk_of(id_) for id_ in devices] == [Risk.NONE] * 3
    assert events(devices[0])[1:] == [("ended", "Maps (com.example.maps)")]
    assert events() == [
        ("blocked", "Maps (com.example.maps): Block"),
        ("unblocked", "Maps (com.example.maps): no exception"),
    ]


def test_every_decision_stands_in_the_audit_and_in_the_history_of_the_app(devices: list[int]) -> None:
    say(Action.BLOCK, "Tracks people")
    carry_out()
    say(Action.LOW)
    whats = db.session.scalars(select(AuditEntry.what).order_by(AuditEntry.id)).all()
    assert list(whats) == ["Set an app exception"] * 2
    lines = db.session.scalars(select(AppDecision).order_by(AppDecision.id)).all()
    assert [(one.action, one.reason, one.by, one.devices) for one in lines] == [
        ("block", "Tracks people", "kim", 2),
        ("low", "", "kim", 0),
    ]
    assert [verb for verb, _ in events()] == ["blocked", "unblocked"]


def test_the_same_decision_again_is_no_decision(devices: list[int]) -> None:
    assert say(Action.BLOCK)
    assert not say(Action.BLOCK)
    assert say(Action.BLOCK, "Now with a reason")
    assert say(None)
    assert not say(None)


@pytest.mark.parametrize(
    ("action", "risk"), [(Action.LOW, Risk.LOW), (Action.MEDIUM, Risk.MEDIUM), (Action.NO_RISK, Risk.NONE)]
)
def test_a_risk_that_is_set_is_that_of_what_protect_reports_but_never_of_malware(
    devices: list[int], action: Action, risk: Risk
) -> None:
    with write() as session:
        for device, code in zip(devices, ("DANGEROUS_APP", "MALICIOUS_APP"), strict=False):
            row = Finding(device_id=device, profile="device", code=code, subject=MAPS.identifier, risk=3)
            row.opened_at = NOON
            session.add(row)
            owner = session.get_one(Device, device).integration_id
            session.add(Protection(device_id=device, integration_id=owner, risk=3, changed_at=NOON))
    say(action)
    carry_out()
    assert open_findings(devices[0]) == [("DANGEROUS_APP", MAPS.identifier, risk)]
    assert (risk_of(devices[0]), risk_of(devices[1])) == (risk, Risk.HIGH)
    say(None)
    carry_out()
    assert risk_of(devices[0]) is Risk.HIGH


def many(count: int) -> list[int]:
    ids = some_devices(an_integration(), count)
    list_apps(ids[0], MAPS)
    with write() as session:
        rows = [{"device_id": id_, "profile": "device", "app_id": the_app().id} for id_ in ids[1:]]
        session.execute(insert(table_of(InstalledApp)), rows)
    return ids


def high() -> int:
    return db.session.scalar(select(func.count()).where(Protection.risk == int(Risk.HIGH))) or 0


def test_a_worker_that_dies_between_two_batches_is_followed_by_one_that_goes_on(
    context: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(25)
    monkeypatch.setattr(app_exceptions, "DEVICES_PER_WRITE", 10)
    say(Action.BLOCK)
    looks = iter([False, False, True])
    carry_out(lambda: next(looks))
    assert (high(), len(pending())) == (20, 1)
    carry_out()
    assert (high(), len(pending())) == (25, 0)
    assert db.session.scalars(select(AppDecision.devices)).all() == [25]
    assert db.session.scalar(select(func.count()).select_from(Finding)) == 25


def test_a_decision_that_overtakes_another_leaves_the_devices_as_the_newer_says(
    context: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(25)
    monkeypatch.setattr(app_exceptions, "DEVICES_PER_WRITE", 10)
    say(Action.BLOCK)

    def lifted_meanwhile() -> bool:
        if high() == 10 and db.session.scalar(select(func.count()).select_from(AppException)):
            say(None)
        db.session.rollback()
        return False

    carry_out(lifted_meanwhile)
    carry_out()
    assert (high(), pending()) == (0, [])
    assert db.session.scalar(select(func.count()).where(Finding.closed_at.is_(None))) == 0


def test_a_device_that_gets_the_app_while_the_batches_run_is_high_by_itself(devices: list[int]) -> None:
    say(Action.BLOCK)
    list_apps(devices[2], CHAT, MAPS)
    assert risk_of(devices[2]) is Risk.HIGH
    carry_out()
    assert len(open_findings(devices[2])) == 1
