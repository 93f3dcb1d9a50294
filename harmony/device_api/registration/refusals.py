"""Counts registrations that were refused although their token was right, and says so in Events once a day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from harmony.db import bulk, db, write
from harmony.device_api.errors import ERRORS
from harmony.models import RegistrationRefusal, Severity, Verb
from harmony.protection.change import EventLine
from harmony.protection.record import record_events

# The UEM did not replace a look-up value, or the app configuration has one value for all devices.
PLACEHOLDERS = frozenset({"udid_placeholder", "udid_not_unique"})
_KEPT_DAYS = 90
_UPSERT_REFUSAL = (
    "INSERT INTO registration_refusal (integration_id, day, error, count, last_at) VALUES (?, ?, ?, 1, ?) "
    "ON CONFLICT (integration_id, day, error) DO UPDATE "
    "SET count = registration_refusal.count + 1, last_at = excluded.last_at"
)
_DELETE_REFUSALS = "DELETE FROM registration_refusal WHERE integration_id = ? AND day < ?"


def count(integration_id: int, error: str, now: datetime) -> None:
    """Count one refusal; the first of a day is a line of Events, and old days are forgotten with it."""
    day = now.date().isoformat()
    with write() as session:
        first = session.get(RegistrationRefusal, (integration_id, day, error)) is None
        bulk.execute(session, _UPSERT_REFUSAL, (integration_id, day, error, bulk.encode_time(now)))
        if first:
            oldest = (now - timedelta(days=_KEPT_DAYS)).date().isoformat()
            bulk.execute(session, _DELETE_REFUSALS, (integration_id, oldest))
            _tell(session, integration_id, error, now)


def total(integration_id: int, errors: Collection[str], since: datetime) -> int:
    """Return how many registrations these errors have refused since the day of `since`."""
    refused = select(func.sum(RegistrationRefusal.count)).where(
        RegistrationRefusal.integration_id == integration_id,
        RegistrationRefusal.error.in_(errors),
        RegistrationRefusal.day >= since.date().isoformat(),
    )
    return int(db.session.scalar(refused) or 0)


def by_error(integration_id: int, since: datetime) -> Counter[str]:
    """Return how many registrations each error has refused since the day of `since`."""
    own = (
        RegistrationRefusal.integration_id == integration_id,
        RegistrationRefusal.day >= since.date().isoformat(),
    )
    refused = select(RegistrationRefusal.error, func.sum(RegistrationRefusal.count)).where(*own)
    rows = db.session.execute(refused.group_by(RegistrationRefusal.error))
    return Counter({error: int(count) for error, count in rows})


def _tell(session: Session, integration_id: int, error: str, now: datetime) -> None:
    line = EventLine(now, Verb.REFUSED, Severity.WARNING, None, integration_id, detail=ERRORS[error][1])
    record_events(session, [line])
