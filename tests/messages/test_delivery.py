"""The outbox and its delivery: once in the queue, at least once sent, and no storm (rung: shell)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from harmony.clock import now
from harmony.db import db, write
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.mail.envelope import DeliveryError, Envelope, RecipientRefused
from harmony.messages import channel, claims, composers, delivery, outbox
from harmony.messages.channel import Way
from harmony.messages.claims import MessageClaim
from harmony.messages.job import send_messages
from harmony.messages.outbox import NewMessage
from harmony.messages.results import NotSent
from harmony.messages.schedule import BREAK, LEASE, WAITS
from harmony.models import ChannelKind, Job, JobRun, Message, MessageKind, MessageState
from tests.builders import an_integration

pytestmark = pytest.mark.usefixtures("context")

MAIL = Way(ChannelKind.EMAIL)


@dataclass
class Gateway:
    """A channel that takes everything, or fails with what `failing` says."""

    sent: list[tuple[str, str]] = field(default_factory=list)
    failing: DeliveryError | None = None
    opened: int = 0

    @contextmanager
    def open(self, _way: Way) -> Iterator[Gateway]:
        self.opened += 1
        yield self

    def send(self, envelope: Envelope, reference: str) -> str:
        if self.failing is not None:
            raise self.failing
        self.sent.append((envelope.recipient, reference))
        return "250 taken"


@pytest.fixture(autouse=True)
def composer(monkeypatch: pytest.MonkeyPatch) -> None:
    def compose(_session: object, message: Message) -> Envelope | NotSent:
        if message.key.startswith("registered"):
            return NotSent("The device has registered meanwhile.")
        return Envelope(f"{message.key}@example.com", "text")

    monkeypatch.setitem(composers.COMPOSERS, MessageKind.NOTICE, compose)


def queued(*keys: str, **more: Any) -> int:
    messages = [NewMessage(MessageKind.NOTICE, ChannelKind.EMAIL, key, "kim", **more) for key in keys]
    with write() as session:
        return outbox.queue(session, messages, now())


def delivered(gateway: Gateway) -> None:
    delivery.deliver_general(lambda: False, gateway.open)


def the_message(key: str) -> Message:
    db.session.rollback()
    return db.session.scalars(select(Message).where(Message.key == key)).one()


def shift(span: timedelta) -> None:
    """Let time pass for all messages."""
    with write() as session:
        for message in session.scalars(select(Message)):
            message.next_at -= span


def test_a_message_with_a_key_that_is_there_is_not_queued_again() -> None:
    assert queued("a", "b") == 2
    assert queued("b", "c", "c") == 1
    assert queued() == 0


def test_ten_thousand_messages_are_queued_in_one_write_and_only_once() -> None:
    keys = [f"registration:email:{number}" for number in range(10_000)]
    assert queued(*keys) == 10_000
    assert queued(*keys) == 0


def test_what_is_due_is_sent_with_one_sign_in_and_the_answer_is_kept() -> None:
    queued("a", "b")
    gateway = Gateway()
    delivered(gateway)
    assert [recipient for recipient, _ in gateway.sent] == ["a@example.com", "b@example.com"]
    assert gateway.opened == 1
    message = the_message("a")
    assert (message.state, message.answer, message.attempts) == (MessageState.SENT, "250 taken", 1)
    assert message.sent_at is not None
    delivered(gateway)
    assert len(gateway.sent) == 2


def test_what_is_not_needed_any_more_is_cancelled_with_the_reason() -> None:
    queued("registered")
    gateway = Gateway()
    delivered(gateway)
    message = the_message("registered")
    assert (message.state, message.answer) == (
        MessageState.CANCELLED,
        "The device has registered meanwhile.",
    )
    assert gateway.opened == 0


def test_a_message_whose_worker_died_is_sent_again_under_the_same_reference() -> None:
    queued("a")
    lost = claims.claim(MAIL, None, now())
    gateway = Gateway()
    delivered(gateway)
    assert gateway.sent == []
    reference = delivery.reference_of(the_message("a"))
    shift(LEASE)
    delivered(gateway)
    assert gateway.sent == [("a@example.com", reference)]
    assert lost is not None
    assert not claims.end(lost, MessageState.FAILED, "late", now())
    assert the_message("a").state == MessageState.SENT


def test_a_recipient_refused_for_good_keeps_nobody_else_waiting() -> None:
    queued("a", "b")
    gateway = Gateway(failing=RecipientRefused("There is no such mailbox.", permanent=True))
    delivered(gateway)
    assert {the_message(key).state for key in "ab"} == {MessageState.FAILED}
    assert the_message("b").answer == "There is no such mailbox."


def test_a_channel_that_is_down_is_tried_once_and_everything_waits() -> None:
    queued("a", "b", "c")
    gateway = Gateway(failing=DeliveryError("The mail server cannot be reached."))
    delivered(gateway)
    delivered(gateway)
    assert gateway.opened == 1
    for key in "abc":
        message = the_message(key)
        assert (message.state, message.attempts) == (MessageState.QUEUED, 1)
        assert message.next_at > now()
    gateway.failing = None
    shift(WAITS[0])
    delivered(gateway)
    assert len(gateway.sent) == 3


def test_after_a_day_of_failures_a_message_is_given_up_with_the_reason() -> None:
    queued("a", "b")
    gateway = Gateway(failing=DeliveryError("The mail server cannot be reached."))
    for _ in range(len(WAITS) + 1):
        delivered(gateway)
        shift(timedelta(hours=8))
    assert {the_message(key).state for key in "ab"} == {MessageState.FAILED}
    assert "cannot be reached" in the_message("b").answer


def test_no_more_leave_in_an_hour_than_the_channel_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(channel.PER_HOUR, ChannelKind.EMAIL, 3)
    queued(*"abcde")
    gateway = Gateway()
    delivered(gateway)
    assert len(gateway.sent) == 3
    delivered(gateway)
    assert len(gateway.sent) == 3
    shift(timedelta(hours=1))
    delivered(gateway)
    assert len(gateway.sent) == 5


def test_a_time_that_only_a_clock_set_back_explains_keeps_nobody_waiting() -> None:
    queued("a")
    shift(-timedelta(days=30))
    gateway = Gateway()
    delivered(gateway)
    assert len(gateway.sent) == 1


def test_a_message_that_waits_can_be_cancelled_and_one_that_ended_sent_again_once() -> None:
    queued("a")
    with write() as session:
        assert outbox.cancel(session, Message.key == "a", why="Cancelled by kim.", now=now()) == 1
    with write() as session:
        first = session.scalars(select(Message)).one()
        assert [outbox.resend(session, first, "kim", now()) for _ in range(2)] == [1, 0]
    assert the_message(f"a#{first.id}").state == MessageState.QUEUED
    with write() as session:
        assert outbox.retry(session, [first.id], now()) == 1
    gateway = Gateway()
    delivered(gateway)
    assert len(gateway.sent) == 2


def test_the_job_of_an_integration_sends_its_messages_and_is_due_only_while_some_wait() -> None:
    id_ = an_integration(due=None)
    assert lease.due_of(JobKind.MESSAGES, now()) == []
    queued("a", "registered", integration_id=id_)
    queued("of nobody")
    assert lease.due_of(JobKind.MESSAGES, now()) == [id_]
    gateway = Gateway()
    send_messages(id_, opener=gateway.open)
    assert [recipient for recipient, _ in gateway.sent] == ["a@example.com"]
    run = db.session.scalars(select(JobRun)).one()
    assert (run.state, run.counts) == (
        "ok",
        {"sent": 1, "failed": 0, "cancelled": 1, "delayed": 0, "waiting": 0},
    )
    assert lease.due_of(JobKind.MESSAGES, now() + timedelta(days=30)) == []


def test_a_job_that_found_its_channel_down_goes_on_when_the_first_message_is_due() -> None:
    id_ = an_integration(due=None)
    queued("a", integration_id=id_)
    send_messages(id_, opener=Gateway(failing=DeliveryError("It is down.", "Look at it.")).open)
    run = db.session.scalars(select(JobRun)).one()
    assert (run.state, run.reason, run.advice) == ("failed", "It is down.", "Look at it.")
    job = db.session.get_one(Job, (id_, JobKind.MESSAGES))
    assert job.next_at == the_message("a").next_at


def test_messages_that_nothing_plans_are_planned_by_the_tick() -> None:
    id_ = an_integration(due=None)
    queued("a", integration_id=id_)
    with write() as session:
        session.execute(update(Job).where(Job.kind == JobKind.MESSAGES).values(next_at=None))
    outbox.plan_forgotten(now())
    assert lease.due_of(JobKind.MESSAGES, now()) == [id_]


def test_a_claim_that_ended_is_told_from_a_later_one_with_as_many_tries() -> None:
    queued("a")
    lost = claims.claim(MAIL, None, now())
    assert lost is not None
    shift(LEASE)
    delivered(Gateway(failing=RecipientRefused("There is no such mailbox.", permanent=True)))
    with write() as session:
        assert outbox.retry(session, [lost.message_id], now()) == 1
    again = claims.claim(MAIL, None, now())
    assert again is not None
    assert again.attempts == lost.attempts
    assert not claims.end(lost, MessageState.FAILED, "late", now())
    assert claims.end(again, MessageState.SENT, "250 taken", now())


def test_a_message_that_is_removed_after_its_claim_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    queued("a", "b")
    claim = claims.claim

    def removing(*arguments: Any) -> MessageClaim | None:
        claimed = claim(*arguments)
        with write() as session:
            session.execute(delete(Message).where(Message.key == "a"))
        return claimed

    monkeypatch.setattr(claims, "claim", removing)
    gateway = Gateway()
    delivered(gateway)
    assert [recipient for recipient, _ in gateway.sent] == ["b@example.com"]


def test_a_round_whose_time_is_over_leaves_the_rest_and_its_job_comes_back_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    id_ = an_integration(due=None)
    queued("a", "b", integration_id=id_)
    monkeypatch.setattr(delivery, "ROUND_SECONDS", -1.0)
    gateway = Gateway()
    send_messages(id_, opener=gateway.open)
    assert len(gateway.sent) == 1
    [at] = db.session.scalars(select(Job.next_at).where(Job.kind == JobKind.MESSAGES))
    assert at is not None
    assert at <= now() + BREAK
    monkeypatch.undo()
    send_messages(id_, opener=gateway.open)
    assert lease.due_of(JobKind.MESSAGES, now() + BREAK) == [id_]


def test_a_second_delivery_in_the_process_waits_for_the_first() -> None:
    id_ = an_integration(due=None)
    queued("a", integration_id=id_)
    queued("of nobody")
    gateway = Gateway()
    with delivery.exclusive() as is_alone:
        assert is_alone
        send_messages(id_, opener=gateway.open)
        delivered(gateway)
        assert gateway.sent == []
        assert lease.due_of(JobKind.MESSAGES, now()) == []
    assert lease.due_of(JobKind.MESSAGES, now() + BREAK) == [id_]
    delivered(gateway)
    assert len(gateway.sent) == 1


def test_a_mended_channel_does_not_wait_for_the_next_try_of_its_job() -> None:
    id_ = an_integration(due=None)
    queued("a", integration_id=id_)
    send_messages(id_, opener=Gateway(failing=DeliveryError("It is down.")).open)
    assert lease.due_of(JobKind.MESSAGES, now()) == []
    with write() as session:
        outbox.wake(session, Message.channel == ChannelKind.EMAIL, now=now())
    assert lease.due_of(JobKind.MESSAGES, now()) == [id_]
