"""Destinations: added, changed, paused, resumed, tried, replayed and removed; secrets are sealed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.db import changed, db, write
from harmony.models import (
    Destination,
    DestinationKind,
    DestinationState,
    FeedDelivery,
    FeedKind,
    FeedRow,
    Severity,
)
from harmony.outbound.loading import newest_id
from harmony.outbound.record import OutboundRecord
from harmony.outbound.schedule import FORMER_SECRET
from harmony.outbound.senders import (
    connector_of,
    open_records,
    origin_of_url,
    secret_bound_to,
    token_sealed_for,
    url_bound_to,
    url_sealed_for,
)
from harmony.outbound.webhook_signature import new_secret
from harmony.security.vault import on_the_way, origin_of, vault


class DestinationChanged(Exception):
    """Somebody else saved the same destination since it was shown, or removed it."""


@dataclass(frozen=True, slots=True)
class DestinationValues:
    """A destination as an administrator typed it; an empty `url` or `token` keeps the saved one.

    `place` is the host and port of a syslog server, `token` the Authorization header of a collector.
    """

    name: str
    format: str
    kinds: tuple[str, ...]
    least_severity: str
    personal: bool = False
    place: str = ""
    url: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    options: dict[str, Any] = field(default_factory=dict)


def add(kind: str, values: DestinationValues, from_start: bool, by: str, now: datetime) -> tuple[int, str]:
    """Add a destination that begins now or with all that is kept. Return its id and its new secret or ""."""
    with write() as session:
        row = Destination(
            kind=kind, created_at=now, next_at=now, cursor=0,
            name=values.name, format=values.format, least_severity=values.least_severity,
        )  # fmt: skip
        session.add(row)
        session.flush()
        _apply(row, values)
        secret = _renew_secret(row, None) if kind == DestinationKind.WEBHOOK else ""
        audit(session, by, "Added a destination", now, detail=_named(row))
        row.cursor = 0 if from_start else newest_id(session)
        return row.id, secret


def save(destination_id: int, values: DestinationValues, edition: int, by: str, now: datetime) -> None:
    """Change a destination; `edition` is the one that was shown. Raises DestinationChanged."""
    with write() as session:
        row = session.get(Destination, destination_id)
        if row is None or row.edition != edition:
            raise DestinationChanged
        former = connector_of(row)
        _apply(row, values)
        row.edition, row.next_at = edition + 1, now
        changes = [("Connector", former, connector_of(row))]
        audit(session, by, "Changed a destination", now, detail=_named(row), changes=changes)


def keeps_url(row: Destination, connector: str) -> bool:
    """Tell whether the saved address was typed for this Connector, "" for none."""
    return bool(row.url) and origin_of(row.url) == on_the_way("", connector)


def keeps_token(row: Destination, url: str, connector: str) -> bool:
    """Tell whether the saved token is for this address, and was typed for this Connector."""
    origin = origin_of_url(url) if url else row.address
    return bool(row.secret) and origin_of(row.secret) == on_the_way(origin, connector)


def pause(destination_id: int, by: str, now: datetime) -> None:
    """Send nothing more until somebody resumes it; what happens meanwhile waits."""
    with write() as session:
        chosen = (Destination.id == destination_id, Destination.state == DestinationState.ACTIVE)
        if changed(session, update(Destination).where(*chosen).values(state=DestinationState.PAUSED)):
            _audited(session, destination_id, by, "Paused a destination", now)


def resume(destination_id: int, by: str, now: datetime) -> None:
    """Go on with a paused or stopped destination, where it stood; or try a failing one at once."""
    values = {"state": DestinationState.ACTIVE, "next_at": now, "failures": 0}
    with write() as session:
        if changed(session, update(Destination).where(Destination.id == destination_id).values(values)):
            _audited(session, destination_id, by, "Resumed a destination", now)


def rotate_secret(destination_id: int, by: str, now: datetime) -> str:
    """Make a new signing secret and return it; the former one signs too for a day."""
    with write() as session:
        row = session.get_one(Destination, destination_id)
        secret = _renew_secret(row, now)
        row.edition += 1
        audit(session, by, "Rotated the secret of a destination", now, detail=_named(row))
        return secret


def replay(destination_id: int, delivery_id: int, by: str, now: datetime) -> bool:
    """Send the records of a delivery once more. Return False when it is not kept any more."""
    chosen = (FeedDelivery.id == delivery_id, FeedDelivery.destination_id == destination_id)
    with write() as session:
        done = changed(session, update(FeedDelivery).where(*chosen).values(next_at=now)) == 1
        if done:
            _audited(session, destination_id, by, "Replayed a delivery", now)
    return done


def replay_since(destination_id: int, since: datetime, by: str, now: datetime) -> int:
    """Set the cursor back, so that everything since then is sent once more. Return how many lines.

    The claim under way, which would set it forward again, loses its lease.
    """
    with write() as session:
        row = session.get_one(Destination, destination_id)
        first = session.scalar(
            select(func.min(FeedRow.id)).where(FeedRow.at >= since, FeedRow.id <= row.cursor)
        )
        if first is None:
            return 0
        lines = row.cursor - first + 1
        row.cursor, row.fence, row.lease_until, row.next_at = first - 1, row.fence + 1, None, now
        audit(
            session, by, "Replayed a destination", now, detail=f"{_named(row)}, since {since:%Y-%m-%d %H:%M}"
        )
        return lines


def remove(destination_id: int, by: str, now: datetime) -> None:
    """Remove a destination with its deliveries; a file that it wrote stays."""
    with write() as session:
        row = session.get(Destination, destination_id)
        if row is not None:
            audit(session, by, "Removed a destination", now, detail=_named(row))
            session.delete(row)


def send_test(destination_id: int, now: datetime) -> str:
    """Send a test record at once and return the answer. Raises SendError or RecordRefused."""
    row = db.session.get_one(Destination, destination_id)
    record = OutboundRecord(0, now, FeedKind.EVENT, "", Severity.INFORMATION, {})
    with open_records(row) as sender:
        return sender.send([record])


def _apply(row: Destination, values: DestinationValues) -> None:
    row.name, row.format, row.least_severity = values.name, values.format, values.least_severity
    row.kinds, row.personal, row.options = list(values.kinds), values.personal, values.options
    if row.kind == DestinationKind.SYSLOG:
        row.address = values.place
    if row.kind == DestinationKind.HTTP and not keeps_token(row, values.url, connector_of(row)):
        row.secret = ""
    if values.url:
        row.address = origin_of_url(values.url)
        row.url = vault().seal(values.url, url_bound_to(row.id), url_sealed_for(row))
    if values.token:
        row.secret = vault().seal(values.token, secret_bound_to(row.id), token_sealed_for(row))


def _renew_secret(row: Destination, now: datetime | None) -> str:
    secret = new_secret()
    if now is not None:
        row.former_secret, row.former_until = row.secret, now + FORMER_SECRET
    row.secret = vault().seal(secret, secret_bound_to(row.id))
    return secret


def _audited(session: Session, destination_id: int, by: str, what: str, now: datetime) -> None:
    row = session.get_one(Destination, destination_id, populate_existing=True)
    audit(session, by, what, now, detail=_named(row))


def _named(row: Destination) -> str:
    parts = [row.kind, row.address, on_the_way("", connector_of(row))]
    return f"{row.name} ({', '.join(part for part in parts if part)})"
