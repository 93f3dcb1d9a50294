"""Delivery: claims, order, refusals, waits, deaths and replays (rung R for the sender, real databases)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest
from flask import Flask

from harmony.clock import now
from harmony.db import db, write
from harmony.jobs import caution
from harmony.models import DeliveryOutcome, DestinationState, Severity
from harmony.outbound import claims, delivery, destinations
from harmony.outbound.claims import SentRange
from harmony.outbound.errors import SendError
from harmony.outbound.schedule import COLLECTOR_WAITS, LEASE, WEBHOOK_WAITS, next_try
from harmony.outbound.status import status_of
from tests.builders import NOON
from tests.database import on_both
from tests.outbound.senders import FILE, HOOK, RecordedSender, an_event, deliveries, destination, events

database = on_both
pytestmark = pytest.mark.usefixtures("context")


def add(kind: str = "file", from_start: bool = False) -> int:
    values = HOOK if kind == "webhook" else FILE
    return destinations.add(kind, values, from_start, "kim", now() - timedelta(seconds=1))[0]


def backlog(id_: int) -> int:
    return status_of(db.session(), destination(id_)).backlog


@pytest.mark.parametrize("kind", ["file", "webhook"])
def test_everything_leaves_in_order_and_once(kind: str) -> None:
    id_, sender = add(kind), RecordedSender()
    events(2500)
    while backlog(id_):
        assert delivery.deliver(id_, opener=sender.open)
    assert sender.details == [f"number {n}" for n in range(1, 2501)]
    assert destination(id_).sent == 2500
    assert destination(id_).success_at is not None
    assert claims.due_ids(now()) == []
    assert deliveries(id_)[-1].outcome == DeliveryOutcome.SENT


def test_a_destination_begins_now_or_with_all_that_is_kept() -> None:
    events(3)
    late, early = add(), add(from_start=True)
    assert (backlog(late), backlog(early)) == (0, 3)


def test_a_filter_lets_the_cursor_pass_what_is_not_asked_for() -> None:
    strict = replace(FILE, least_severity="critical")
    id_, _ = destinations.add("file", strict, False, "kim", now() - timedelta(seconds=1))
    an_event(detail="mild", severity=Severity.INFORMATION)
    an_event(detail="severe")
    an_event(detail="mild", severity=Severity.WARNING)
    sender = RecordedSender()
    assert backlog(id_) == 1
    delivery.deliver(id_, opener=sender.open)
    assert sender.details == ["severe"]
    assert claims.due_ids(now()) == []


def test_a_collector_that_is_down_delays_and_drops_nothing() -> None:
    id_ = add()
    events(1500)
    sender = RecordedSender(fails=SendError("Nobody listens."), fails_after=1000)
    delivery.deliver(id_, opener=sender.open)
    row = destination(id_)
    assert (row.failures, row.reason, row.state) == (1, "Nobody listens.", "active")
    assert row.next_at > now()
    assert backlog(id_) == 500
    assert not delivery.deliver(id_, opener=sender.open), "it waits"
    sender.fails = None
    destinations.resume(id_, "kim", now())
    delivery.deliver(id_, opener=sender.open)
    assert len(sender.details) == len(set(sender.details)) == 1500
    assert (destination(id_).failures, destination(id_).reason, destination(id_).failing_since) == (
        0,
        "",
        None,
    )


def test_who_dies_between_sending_and_the_commit_sends_again_under_the_same_ids() -> None:
    id_ = add()
    events(3)
    first, second = RecordedSender(), RecordedSender()
    claimed = claims.claim(id_, now())
    assert claimed is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims, "advance", _die)
        with pytest.raises(KeyboardInterrupt):
            delivery._deliver_claimed(claimed, lambda: False, first.open)
    assert not delivery.deliver(id_, opener=second.open), "the dead one's lease has not ended"
    later = now() + LEASE + timedelta(seconds=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivery, "now", lambda: later)
        assert delivery.deliver(id_, opener=second.open)
    assert [record.uid for record in first.taken] == [record.uid for record in second.taken]


def test_two_processes_never_send_the_same_at_once() -> None:
    id_ = add()
    events(1)
    first = claims.claim(id_, now())
    assert first is not None
    assert claims.claim(id_, now()) is None
    second = claims.claim(id_, now() + LEASE + timedelta(seconds=1))
    assert second is not None
    assert second.fence > first.fence
    before = destination(id_).cursor
    assert not claims.advance(first, before + 99, SentRange(1, 1, 1), now())
    claims.fail(first, SentRange(1, 1, 0, "late"), now())
    assert (destination(id_).cursor, destination(id_).failures) == (before, 0)


def test_a_webhook_that_refuses_one_record_gets_the_others_and_that_one_again() -> None:
    id_ = add("webhook")
    events(3)
    sender = RecordedSender(refused={"number 2"})
    delivery.deliver(id_, opener=sender.open)
    assert sender.details == ["number 1", "number 3"]
    refused = next(row for row in deliveries(id_) if row.outcome == DeliveryOutcome.REFUSED)
    assert refused.answer == "422 no such thing"
    assert refused.next_at is not None
    sender.refused.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivery, "now", lambda: now() + timedelta(minutes=10))
        delivery.deliver(id_, opener=sender.open)
    assert sender.details == ["number 1", "number 3", "number 2"]
    again = next(row for row in deliveries(id_) if row.id == refused.id)
    assert (again.outcome, again.next_at, again.tries) == (DeliveryOutcome.SENT, None, 2)


def test_a_webhook_is_tried_for_three_days_and_then_stopped_with_its_backlog() -> None:
    id_, sender = add("webhook"), RecordedSender(fails=SendError("503 busy"), fails_after=0)
    events(2)
    at, tries = now(), 0
    began = at
    while destination(id_).state == DestinationState.ACTIVE:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(delivery, "now", partial(_same, at))
            delivery.deliver(id_, opener=sender.open)
        at, tries = max(at, destination(id_).next_at), tries + 1
    assert tries == len(WEBHOOK_WAITS) + 1
    assert timedelta(days=3) <= at - began <= timedelta(days=3.4)
    assert backlog(id_) == 2
    sender.fails = None
    destinations.resume(id_, "kim", now())
    delivery.deliver(id_, opener=sender.open)
    assert sender.details == ["number 1", "number 2"]


def test_a_receiver_that_is_gone_is_stopped_at_once() -> None:
    id_ = add("webhook")
    events(1)
    gone = RecordedSender(fails=SendError("410 gone", is_gone=True), fails_after=0)
    delivery.deliver(id_, opener=gone.open)
    assert destination(id_).state == DestinationState.STOPPED


def test_a_receiver_may_ask_for_a_longer_wait() -> None:
    asked = timedelta(hours=3)
    assert next_try("webhook", 1, NOON, asked_wait=asked) == NOON + asked
    assert next_try("syslog", 1, NOON, asked_wait=timedelta(days=9)) == NOON + timedelta(days=1)


def test_a_collector_is_tried_for_ever() -> None:
    assert next_try("syslog", 100_000, NOON) == NOON + COLLECTOR_WAITS[-1]
    assert next_try("http", 5, NOON, jitter=1.0) == NOON + COLLECTOR_WAITS[-1] * 1.1


def test_a_paused_destination_gets_nothing_until_it_is_resumed() -> None:
    id_, sender = add(), RecordedSender()
    destinations.pause(id_, "kim", now())
    events(2)
    assert not delivery.deliver(id_, opener=sender.open)
    assert backlog(id_) == 2
    destinations.resume(id_, "kim", now())
    delivery.deliver(id_, opener=sender.open)
    assert len(sender.taken) == 2


def test_who_pauses_while_it_sends_ends_the_round_after_the_batch() -> None:
    id_ = add()
    events(1500)

    class Pausing(RecordedSender):
        def send(self, records: object) -> str:
            answer = super().send(records)  # type: ignore[arg-type]
            destinations.pause(id_, "kim", now())
            return answer

    delivery.deliver(id_, opener=Pausing().open)
    assert backlog(id_) == 500
    assert destination(id_).sent == 1000


def test_a_delivery_is_replayed_under_the_same_ids() -> None:
    id_, sender = add(), RecordedSender()
    events(3)
    delivery.deliver(id_, opener=sender.open)
    (row,) = deliveries(id_)
    assert destinations.replay(id_, row.id, "kim", now())
    assert id_ in claims.due_ids(now())
    delivery.deliver(id_, opener=sender.open)
    assert [record.uid for record in sender.taken[:3]] == [record.uid for record in sender.taken[3:]]
    assert not destinations.replay(id_, row.id + 99, "kim", now())


def test_everything_since_a_time_is_replayed_and_a_claim_under_way_cannot_undo_it() -> None:
    id_, sender = destinations.add("file", FILE, False, "kim", NOON - timedelta(days=2))[0], RecordedSender()
    events(2, at=NOON - timedelta(days=1))
    events(3, at=NOON + timedelta(days=1))
    delivery.deliver(id_, opener=sender.open)
    under_way = claims.claim(id_, now())
    assert under_way is not None
    assert destinations.replay_since(id_, NOON, "kim", now()) == 3
    assert not claims.advance(under_way, 10**6, None, now())
    delivery.deliver(id_, opener=sender.open)
    assert len(sender.taken) == 5 + 3


def test_a_dead_destination_does_not_delay_the_others() -> None:
    dead, alive, sender = add("webhook"), add(), RecordedSender()
    events(3)

    def opener(row: object) -> object:
        if getattr(row, "kind", "") == "webhook":
            raise SendError("Nobody listens.")
        return sender.open(row)  # type: ignore[arg-type]

    delivery.deliver_due(opener=opener)  # type: ignore[arg-type]
    assert (backlog(dead), backlog(alive)) == (3, 0)


def test_a_lease_and_a_time_of_a_clock_that_was_ahead_count_for_nothing() -> None:
    id_, sender = add(), RecordedSender()
    events(1)
    ahead = now() + timedelta(days=400)
    claimed = claims.claim(id_, ahead)
    assert claimed is not None
    claims.fail(claimed, SentRange(1, 1, 0, "late"), ahead)
    assert delivery.deliver(id_, opener=sender.open)
    assert claims.claim(id_, ahead) is not None
    assert claims.claim(id_, now()) is not None


def test_nothing_leaves_after_a_restore_until_somebody_confirms_it() -> None:
    id_, sender = add(), RecordedSender()
    events(2)
    with write() as session:
        caution.begin(session, now())
    assert claims.due_ids(now()) == []
    assert not delivery.deliver(id_, opener=sender.open)
    caution.end("kim", now())
    assert delivery.deliver(id_, opener=sender.open)
    assert len(sender.taken) == 2


def test_only_the_newest_deliveries_are_kept_and_all_that_wait(context: Flask) -> None:
    id_ = add()
    claimed = claims.claim(id_, now())
    assert claimed is not None
    claims.refuse(claimed, SentRange(1, 1, 1, "no", now() + timedelta(days=1)), now())
    for number in range(2, 220):
        claims.advance(claimed, number, SentRange(number, number, 1), now())
    kept = deliveries(id_)
    assert len(kept) == 201
    assert kept[0].outcome == DeliveryOutcome.REFUSED


def _same(at: datetime) -> datetime:
    return at


def _die(*_arguments: object) -> bool:
    raise KeyboardInterrupt
