"""Events to be sent, destinations to send them to, and senders that do as they are told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from harmony.db import bulk, db, write
from harmony.feed import record_event_lines
from harmony.models import Destination, FeedDelivery, Severity, Verb
from harmony.outbound.destinations import DestinationValues
from harmony.outbound.errors import RecordRefused, SendError
from harmony.outbound.record import OutboundRecord
from harmony.protection.change import EventLine
from harmony.protection.record import record_events
from tests.builders import NOON

FILE = DestinationValues("Archive", "ocsf", ("event",), "information")
HOOK = DestinationValues("Hook", "webhook", ("event",), "information", url="https://hook.example/harmony")


def an_event(
    integration_id: int | None = None, *, device_id: int | None = None, at: datetime = NOON, detail: str = "",
    severity: Severity = Severity.CRITICAL,
) -> None:  # fmt: skip
    """Record one event; a device that does not exist is named in the feed only."""
    line = EventLine(at, Verb.DETECTED, severity, device_id, integration_id, "ROOTED", "Device", detail)
    with write() as session:
        if (
            device_id is not None
            and not session.connection()
            .exec_driver_sql(
                f"SELECT id FROM device WHERE id = {int(device_id)}"  # noqa: S608 - a number
            )
            .first()
        ):
            _without_row(session, line)
        else:
            record_events(session, [line])


def _without_row(session: Session, line: EventLine) -> None:
    at, verb, severity, *rest = line
    record_event_lines(session, [(bulk.encode_time(at), verb.value, severity.value, *rest)])


def events(count: int, at: datetime = NOON) -> None:
    """Record some events that tell one another apart by their detail."""
    lines = [
        EventLine(at, Verb.DETECTED, Severity.CRITICAL, None, None, "ROOTED", "Device", f"number {n}")
        for n in range(1, count + 1)
    ]
    with write() as session:
        record_events(session, lines)


def destination(id_: int) -> Destination:
    """Return a destination as it is stored now."""
    db.session.rollback()
    return db.session.get_one(Destination, id_, populate_existing=True)


def deliveries(id_: int) -> list[FeedDelivery]:
    """Return the deliveries of a destination, oldest first."""
    db.session.rollback()
    query = db.select(FeedDelivery).where(FeedDelivery.destination_id == id_).order_by(FeedDelivery.id)
    return list(db.session.scalars(query))


@dataclass
class RecordedSender:
    """Takes records, or refuses or fails those whose detail says so; counts how often it was opened."""

    refused: set[str] = field(default_factory=set)
    fails: SendError | None = None
    fails_after: int = 10**9
    taken: list[OutboundRecord] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    opened: int = 0

    @contextmanager
    def open(self, _destination: Destination) -> Iterator[RecordedSender]:
        """Open as `senders.open_records` does."""
        self.opened += 1
        yield self

    def send(self, records: Sequence[OutboundRecord]) -> str:
        """Take some records."""
        assert not db.session().in_transaction(), "a transaction is open while records are sent"
        if self.fails is not None and len(self.taken) >= self.fails_after:
            raise self.fails
        for record in records:
            if record.text("detail") in self.refused:
                raise RecordRefused("422 no such thing")
        self.taken += records
        self.batches.append(len(records))
        return "200 ok"

    @property
    def details(self) -> list[str]:
        """The details of what was taken."""
        return [record.text("detail") for record in self.taken]
