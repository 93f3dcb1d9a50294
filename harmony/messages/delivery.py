"""Delivery: claim a message, write it, send it outside of any transaction, record the answer.

A message is sent at least once: who dies after sending and before the commit leaves a claim that ends, and
the next try carries the same reference.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from sqlalchemy.exc import DBAPIError

from harmony.clock import monotonic, now
from harmony.db import db, release
from harmony.jobs.heartbeat import Interrupted
from harmony.mail.envelope import DeliveryError
from harmony.messages import claims
from harmony.messages.channel import Sender, Way, open_sender
from harmony.messages.claims import MessageClaim
from harmony.messages.composers import compose
from harmony.messages.results import DeliveryCounts, NotSent, Unwritten
from harmony.messages.schedule import ROUND_SECONDS, WAITS, retry_at
from harmony.models import Message, MessageState

log = logging.getLogger(__name__)

# Two writes a message, as quickly as a near server answers, made a sync beside them 1.7 times as long
# [measured]. An hour's share of mail takes less than two minutes all the same.
_PAUSE_SECONDS = 0.1
_UNDER_WAY = threading.Lock()
Opener = Callable[[Way], AbstractContextManager[Sender]]
_UNWRITTEN = "Harmony could not write this message; the worker's log has the details."


@dataclass(slots=True)
class Round:
    """The delivery of what is due of an integration, or with None of what belongs to none.

    `go_on` is called before each message, and raises when the round must end.
    """

    integration_id: int | None
    go_on: Callable[[], None]
    opener: Opener = open_sender
    counts: DeliveryCounts = field(default_factory=DeliveryCounts)

    def deliver(self) -> DeliveryCounts:
        """Send over each channel until nothing is due, its hour is full, it fails, or the time is over."""
        ends = monotonic() + ROUND_SECONDS
        for way in claims.ways_due(self.integration_id, now()):
            with ExitStack() as stack:
                channel = _Channel(way, self, stack)
                while not self.counts.is_cut and channel.send_next():
                    self.counts.is_cut = monotonic() > ends
        release()
        return self.counts


@dataclass(slots=True)
class _Channel:
    """One channel during a round; it is opened for the first message that needs it."""

    way: Way
    round: Round
    stack: ExitStack
    sender: Sender | None = None

    def send_next(self) -> bool:
        """Deliver one message; return False when this channel is done."""
        release()
        self.round.go_on()
        claimed = claims.claim(self.way, self.round.integration_id, now())
        if claimed is None:
            return False
        message = db.session.get(Message, claimed.message_id, populate_existing=True)
        if message is None:  # its device or its channel was removed since
            return True
        try:
            answer = self._send(message, reference_of(message))
        except DeliveryError as error:
            return self._failed(claimed, error)
        if isinstance(answer, NotSent):
            self._not_sent(claimed, answer)
        elif claims.end(claimed, MessageState.SENT, answer, now()):
            self.round.counts.sent += 1
            time.sleep(_PAUSE_SECONDS)
        return True

    def _send(self, message: Message, reference: str) -> str | NotSent:
        try:
            envelope = compose(db.session(), message)
        except DBAPIError:  # a busy database or a full disk: no fault of this message
            raise
        except Exception:  # one that cannot be written must not keep the others
            log.exception("Message %s could not be written.", reference)
            raise Unwritten(_UNWRITTEN) from None
        release()
        if isinstance(envelope, NotSent):
            return envelope
        self.sender = self.sender or self.stack.enter_context(self.round.opener(self.way))
        return self.sender.send(envelope, reference)

    def _not_sent(self, claimed: MessageClaim, why: NotSent) -> None:
        state = MessageState.FAILED if why.failed else MessageState.CANCELLED
        if claims.end(claimed, state, why.sentence, now()):
            self.round.counts.failed += why.failed
            self.round.counts.cancelled += not why.failed

    def _failed(self, claimed: MessageClaim, error: DeliveryError) -> bool:
        """Record a failure; return False when the channel is of no use to the other messages either."""
        current_time, answer = now(), str(error)
        until = retry_at(error, claimed.attempts, current_time)
        if until is None:
            claims.end(claimed, MessageState.FAILED, answer, current_time)
            self.round.counts.failed += 1
        else:
            claims.postpone(claimed, answer, until)
            self.round.counts.delayed += 1
        if error.of_channel:
            self.round.counts.fault = self.round.counts.fault or error
            claims.postpone_all(self.way, answer, until or current_time + WAITS[0], current_time)
        return not error.of_channel


def reference_of(message: Message) -> str:
    """Return the name that each try to send a message carries."""
    return f"{message.id}.{message.created_at:%Y%m%d%H%M%S}"


def is_general_due() -> bool:
    """Tell whether a message that belongs to no integration is due."""
    return bool(claims.ways_due(None, now()))


def deliver_general(should_stop: Callable[[], bool], opener: Opener = open_sender) -> None:
    """Send the messages that belong to no integration; what is left over waits for the next tick."""

    def go_on() -> None:
        if should_stop():
            raise Interrupted

    with exclusive() as is_alone, suppress(Interrupted):
        if is_alone:
            Round(None, go_on, opener).deliver()


@contextmanager
def exclusive() -> Iterator[bool]:
    """Yield whether no other delivery is under way in this process: the others' threads are for syncs."""
    is_alone = _UNDER_WAY.acquire(blocking=False)
    try:
        yield is_alone
    finally:
        if is_alone:
            _UNDER_WAY.release()
