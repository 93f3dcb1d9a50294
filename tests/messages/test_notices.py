"""Notices: what is wrong reaches those who asked, once (rung: shell, on both databases)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from harmony.backup import record
from harmony.clock import now
from harmony.config import Settings
from harmony.db import db, write
from harmony.mail.envelope import Envelope
from harmony.messages.composers import compose
from harmony.messages.notices import subscriptions, watch
from harmony.messages.notices.kinds import NoticeKind
from harmony.messages.results import NotSent
from harmony.models import (
    AppException,
    DeviceStatus,
    Event,
    Integration,
    JobRun,
    Message,
    MessageChannel,
    PolicyRecord,
    Risk,
    Role,
    Severity,
    SyncRunState,
    User,
    Verb,
    Worker,
)
from harmony.protection import policy
from harmony.protection.policy import Grounds
from harmony.security.users import create_user
from tests.builders import an_integration
from tests.database import on_both
from tests.stored import a_sync, devices, protect, store

database = on_both
EVERY = [kind.value for kind in NoticeKind]


@pytest.fixture
def kim(context: Flask) -> Iterator[User]:
    """A user who asked for every notice; the first look, which tells nothing, is over."""
    user = create_user("kim", "eleven quiet lanterns over Oslo", Role.ADMINISTRATOR, now())
    subscriptions.subscribe(user, "ops@example.com", EVERY, [], now())
    watch.queue_due_notices(now())
    assert titles() == []
    return user


def titles() -> list[str]:
    db.session.rollback()
    return [row.details["title"] for row in db.session.scalars(select(Message).order_by(Message.id))]


def failing(state: SyncRunState = SyncRunState.FAILED, runs: int = 3) -> int:
    id_ = an_integration(name="Head office")
    ended(id_, state, runs)
    return id_


def ended(id_: int, state: SyncRunState, runs: int = 1, reason: str = "The server does not answer.") -> None:
    """Add full syncs that ended so."""
    with write() as session:
        session.add_all(a_sync(id_, now(), state=state, fence=fence, reason=reason) for fence in range(runs))


def test_a_trouble_is_told_once_and_its_end_once(kim: User) -> None:
    id_ = failing()
    start = now()
    for _ in range(3):
        watch.queue_due_notices(start)
    assert titles() == ["Head office is failing"]
    ended(id_, SyncRunState.OK)
    for minutes in (1, 2, 30, 31):
        watch.queue_due_notices(start + timedelta(minutes=minutes))
    assert titles() == ["Head office is failing", "Over: Head office is failing"]


def test_a_worse_reason_is_told_too(kim: User) -> None:
    id_ = failing()
    watch.queue_due_notices(now())
    with write() as session:
        session.get_one(Integration, id_).sync_job.failures = 5
    watch.queue_due_notices(now() + timedelta(minutes=1))
    assert titles() == ["Head office is failing"] * 2


def test_another_cause_is_told_but_not_another_count_and_the_end_says_since_when(kim: User) -> None:
    id_, start = failing(runs=2), now()
    for cause in (
        "page 3 of 40 did not come",
        "page 14 of 40 did not come",
        "the certificate is not trusted",
    ):
        ended(id_, SyncRunState.FAILED, reason=cause)
        watch.queue_due_notices(start + timedelta(minutes=db.session.query(JobRun).count()))
    texts = [row.details["text"] for row in db.session.scalars(select(Message).order_by(Message.id))]
    assert ["page 3" in texts[0], "certificate" in texts[1]] == [True, True]
    assert len(texts) == 2
    ended(id_, SyncRunState.OK)
    for minutes in (10, 30):
        watch.queue_due_notices(start + timedelta(minutes=minutes))
    first = start + timedelta(minutes=3)
    last = db.session.scalars(select(Message).order_by(Message.id.desc())).first()
    assert last is not None
    assert f"first reported on {first:%d %b %Y, %H:%M} UTC" in last.details["text"]


@pytest.mark.parametrize(
    ("state", "title"),
    [
        (SyncRunState.INCOMPLETE, "Head office is read incompletely"),
        (SyncRunState.AUTH_FAILED, "Head office cannot sign in to the UEM"),
    ],
)
def test_incomplete_syncs_and_refused_credentials_are_told_as_such(
    kim: User, state: SyncRunState, title: str
) -> None:
    id_ = failing(state, runs=2)
    watch.queue_due_notices(now())
    assert titles() == []
    ended(id_, state)
    watch.queue_due_notices(now())
    assert titles() == [title]


def test_an_integration_that_is_stopped_while_it_fails_is_not_told_to_be_well(kim: User) -> None:
    id_ = failing()
    watch.queue_due_notices(now())
    with write() as session:
        row = session.get_one(Integration, id_)
        row.stopped_why, row.stopped_reason = "sign_in", "The UEM refused the user name."
    for minutes in (1, 20, 40):
        watch.queue_due_notices(now() + timedelta(minutes=minutes))
    assert titles() == ["Head office is failing", "Head office is stopped"]


def test_a_room_that_two_users_chose_hears_it_once(kim: User) -> None:
    other = create_user("ola", "eleven quiet lanterns over Oslo", Role.ADMINISTRATOR, now())
    with write() as session:
        session.add(MessageChannel(id=5, kind="chat", name="Ops", url="sealed"))
    for user in (kim, other):
        subscriptions.subscribe(user, "", EVERY, [5], now())
    failing()
    watch.queue_due_notices(now())
    assert titles() == ["Head office is failing"]


def test_a_silent_worker_is_told(kim: User) -> None:
    with write() as session:
        session.add(Worker(identity="w", started_at=now(), seen_at=now()))
    watch.queue_due_notices(now() + timedelta(minutes=2))
    assert titles() == []
    watch.queue_due_notices(now() + timedelta(minutes=4))
    assert titles() == ["The worker is silent"]


def test_critical_events_come_together(kim: User) -> None:
    with write() as session:
        for _ in range(5):
            line = {
                "verb": Verb.DETECTED,
                "severity": Severity.CRITICAL,
                "detail": "",
                "vector": "",
                "factor": "",
            }
            session.add(Event(at=now(), **line))
    later = now() + timedelta(minutes=16)
    watch.queue_due_notices(later)
    watch.queue_due_notices(later + timedelta(minutes=16))
    assert titles() == ["Threats at High risk"]
    [message] = db.session.scalars(select(Message)).all()
    assert message.details["text"] == "Critical events: 5; devices: 0."


def test_the_weekly_summary_says_that_all_is_well_or_what_is_not(kim: User) -> None:
    watch.queue_due_notices(now() + timedelta(days=8))
    assert titles() == ["Weekly summary: all is well"]
    failing()
    watch.queue_due_notices(now() + timedelta(days=8, minutes=1))
    watch.queue_due_notices(now() + timedelta(days=15, minutes=2))
    assert titles()[1:] == ["Head office is failing", "Weekly summary: one trouble is open"]


def test_a_missing_backup_is_told_until_one_is_made(context: Flask, settings: Settings, kim: User) -> None:
    context.extensions["harmony.settings"] = replace(settings, backup_hours=24)
    folder = Path("/backups")
    record.note(folder, now() - timedelta(hours=47))
    watch.queue_due_notices(now())
    assert titles() == []
    record.note(folder, now() - timedelta(hours=49))
    record.note(folder, None, "pg_dump is not installed on this machine.")
    watch.queue_due_notices(now())
    watch.queue_due_notices(now() + timedelta(minutes=1))
    assert titles() == ["No recent backup"]
    [message] = db.session.scalars(select(Message)).all()
    assert "pg_dump is not installed" in str(message.details["text"])
    record.note(folder, now())
    watch.queue_due_notices(now())
    watch.queue_due_notices(now() + timedelta(minutes=11))
    assert titles()[1:] == ["Over: No recent backup"]


def test_only_who_asked_is_told_and_only_of_what(context: Flask) -> None:
    user = create_user("ola", "eleven quiet lanterns over Oslo", Role.ADMINISTRATOR, now())
    subscriptions.subscribe(user, "ola@example.com", [NoticeKind.WORKER.value], [], now())
    watch.queue_due_notices(now())
    failing()
    watch.queue_due_notices(now() + timedelta(minutes=1))
    assert titles() == []


def test_a_notice_is_written_for_the_address_of_the_moment_or_not_at_all(kim: User) -> None:
    failing()
    watch.queue_due_notices(now())
    [message] = db.session.scalars(select(Message)).all()
    envelope = compose(db.session(), message)
    assert isinstance(envelope, Envelope)
    assert envelope.recipient == "ops@example.com"
    assert envelope.subject == "Harmony: Head office is failing"
    assert "/integrations/1" in envelope.text
    subscriptions.subscribe(db.session.get_one(User, 1), "", [], [], now())
    db.session.rollback()
    assert isinstance(compose(db.session(), db.session.get_one(Message, message.id)), NotSent)


def test_too_many_silent_devices_are_told(kim: User) -> None:
    store(id_ := an_integration(name="Head office"), 12)
    for number, device in enumerate(devices(id_)):
        status = DeviceStatus.INACTIVE if number < 2 else DeviceStatus.ACTIVE
        protect(device.id, status, Risk.NONE)
    watch.queue_due_notices(now())
    assert titles() == [], "2 of 12 are not more than 20 %"
    protect(devices(id_)[2].id, DeviceStatus.INACTIVE, Risk.NONE)
    watch.queue_due_notices(now())
    assert titles() == ["More than 20 % of the devices are inactive"]


def test_an_exception_whose_last_day_is_near_is_told_once(kim: User) -> None:
    with write() as session:
        row = AppException(platform="ios", identifier="org.maps", action="low", reason="r", by="kim")
        row.at, row.ends_on = now(), (now() + timedelta(days=8)).date()
        session.add(row)
    grounds = Grounds("A drill", (now() + timedelta(days=2)).date())
    policy.save(PolicyRecord(risks={"ROOTED": 1}), 0, "kim", now(), grounds)
    watch.queue_due_notices(now())
    watch.queue_due_notices(now())
    assert titles() == ["The exception of Rooted ends soon"]
    watch.queue_due_notices(now() + timedelta(days=2))
    assert "The exception of org.maps ends soon" in titles()
