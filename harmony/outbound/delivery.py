"""Delivery: claim a destination, read the feed after its cursor, send outside of any transaction, move on.

Records are sent at least once: who dies after sending and before the commit leaves a lease that ends, and the
next worker sends the same records, each under the same id.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from harmony.clock import monotonic, now
from harmony.db import db, release
from harmony.models import DeliveryOutcome, Destination, DestinationKind, FeedDelivery
from harmony.outbound import claims
from harmony.outbound.claims import DestinationClaim, SentRange
from harmony.outbound.errors import RecordRefused, SendError
from harmony.outbound.loading import FeedBatch, batch_between, next_batch, selection_of
from harmony.outbound.record import OutboundRecord, Selection
from harmony.outbound.schedule import BATCH_SECONDS, ROUND_SECONDS, next_try
from harmony.outbound.senders import OpenRecords, RecordSender, most_at_once, open_records

log = logging.getLogger(__name__)

# Half of the worker's threads stay free for syncs.
_AT_ONCE = threading.BoundedSemaphore(2)
# Webhooks go one by one, and a write for each would cost more than the call.
_READ_AT_ONCE = {DestinationKind.WEBHOOK: 100}
_UNWRITTEN = "Harmony could not write these records; the worker's log has the details."


def deliver_due(should_stop: Callable[[], bool] = lambda: False, opener: OpenRecords = open_records) -> None:
    """Send what waits for every destination that is due and free, each a while in turn."""
    if not _AT_ONCE.acquire(blocking=False):
        return
    try:
        while not should_stop() and any(deliver(id_, should_stop, opener) for id_ in claims.due_ids(now())):
            pass
    finally:
        release()
        _AT_ONCE.release()


def deliver(
    destination_id: int, should_stop: Callable[[], bool] = lambda: False, opener: OpenRecords = open_records
) -> bool:
    """Send what waits for a destination. Return False when it was not due or not free."""
    claimed = claims.claim(destination_id, now())
    if claimed is None:
        return False
    _deliver_claimed(claimed, should_stop, opener)
    return True


def _deliver_claimed(claimed: DestinationClaim, should_stop: Callable[[], bool], opener: OpenRecords) -> None:
    destination = db.session.get_one(Destination, claimed.destination_id, populate_existing=True)
    with ExitStack() as stack:
        round_ = _DeliveryRound(claimed, destination, stack, opener)
        ends = monotonic() + ROUND_SECONDS
        try:
            while not should_stop() and monotonic() < ends and round_.send_next():
                pass
        except SendError as error:
            round_.failed(error)
        else:
            claims.release(claimed, now())


@dataclass(slots=True)
class _DeliveryRound:
    """One claim of a destination, as it was configured when the claim began; opened when first needed."""

    claimed: DestinationClaim
    destination: Destination
    stack: ExitStack
    opener: OpenRecords
    sender: RecordSender | None = None
    id: int = field(init=False)
    kind: str = field(init=False)
    edition: int = field(init=False)
    cursor: int = field(init=False)
    selection: Selection = field(init=False)

    def __post_init__(self) -> None:
        self.id, self.kind = self.destination.id, self.destination.kind
        self.edition, self.cursor = self.destination.edition, self.destination.cursor
        self.selection = selection_of(self.destination)

    def send_next(self) -> bool:
        """Send one batch; return False when nothing more is to be sent now. Raises SendError."""
        if not claims.current(self.claimed, self.edition):
            return False
        again = claims.due_again(db.session(), self.id, now())
        if again is not None:
            return self._send_again(again)
        size = _READ_AT_ONCE.get(DestinationKind(self.kind), most_at_once(self.kind))
        batch = next_batch(db.session(), self.selection, self.cursor, size)
        if batch is None:
            return False
        return self._send_apart(batch) if most_at_once(self.kind) == 1 else self._send_whole(batch)

    def failed(self, error: SendError) -> None:
        """Record that nobody took the next records, and wait."""
        sent = SentRange(self.cursor + 1, self.cursor + 1, 0, str(error))
        claims.fail(self.claimed, sent, now(), asked_wait=error.asked_wait, is_gone=error.is_gone)

    def _send_whole(self, batch: FeedBatch) -> bool:
        answer = self._send(batch.records) if batch.records else ""
        return self._advance(self._range(batch.records, answer), batch.last_id)

    def _send_apart(self, batch: FeedBatch) -> bool:
        """Send record by record and commit what was taken before anything else can go wrong."""
        taken: list[OutboundRecord] = []
        answer, ends = "", monotonic() + BATCH_SECONDS
        for record in batch.records:
            if monotonic() > ends:
                return self._advance(self._range(taken, answer), taken[-1].id)
            try:
                answer = self._send([record])
            except (SendError, RecordRefused) as error:
                going = not taken or self._advance(self._range(taken, answer), taken[-1].id)
                if isinstance(error, SendError):
                    raise
                return going and self._refused(record, error)
            taken.append(record)
        return self._advance(self._range(taken, answer), batch.last_id)

    def _refused(self, record: OutboundRecord, error: RecordRefused) -> bool:
        until = next_try(self.kind, 1, now())
        self.cursor = record.id
        return claims.refuse(self.claimed, SentRange(record.id, record.id, 1, str(error), until), now())

    def _send_again(self, delivery: FeedDelivery) -> bool:
        """Send the records of a delivery once more; one that is refused again waits longer each time."""
        id_, tries = delivery.id, delivery.tries
        found = batch_between(db.session(), self.selection, delivery.first_id, delivery.last_id)
        outcome, until, answer = DeliveryOutcome.SENT, None, "Nothing of it is kept any more."
        try:
            step = most_at_once(self.kind)
            records = found.records if found else ()
            ends = monotonic() + BATCH_SECONDS
            for start in range(0, len(records), step):
                if monotonic() > ends:
                    if not claims.prolong(self.claimed, now()):
                        return False
                    ends = monotonic() + BATCH_SECONDS
                answer = self._send(records[start : start + step])
        except RecordRefused as error:
            outcome, until, answer = (
                DeliveryOutcome.REFUSED,
                next_try(self.kind, tries + 1, now()),
                str(error),
            )
        sent = SentRange(0, 0, 0, answer, until)
        return claims.end_again(self.claimed, id_, outcome, sent, now())

    def _send(self, records: Sequence[OutboundRecord]) -> str:
        if self.sender is None:
            row = db.session.get_one(Destination, self.id)
            self.sender = self.stack.enter_context(self.opener(row))
        release()
        try:
            return self.sender.send(records)
        except (SendError, RecordRefused):
            raise
        except Exception:  # one that cannot be written must not end the worker's thread
            log.exception("Records for destination %d could not be written.", self.id)
            raise SendError(_UNWRITTEN) from None

    def _advance(self, sent: SentRange | None, cursor: int) -> bool:
        self.cursor = cursor
        return claims.advance(self.claimed, cursor, sent, now())

    @staticmethod
    def _range(records: Sequence[OutboundRecord], answer: str) -> SentRange | None:
        if not records:
            return None
        return SentRange(records[0].id, records[-1].id, len(records), answer)
