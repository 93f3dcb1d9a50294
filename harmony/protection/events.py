"""Writes the lines of Events: what was found on a device, what changed. Inside the caller's `write()`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.orm import Session

from harmony.db import bulk
from harmony.models import Severity, Verb

LONGEST_DETAIL = 256
INSERT = (
    "INSERT INTO event (at, verb, severity, device_id, integration_id, factor, vector, detail) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


class Line(NamedTuple):
    """One line; `factor` is a threat factor's code, `vector` its attack vector, `detail` no personal data."""

    at: datetime
    verb: Verb
    severity: Severity
    device_id: int | None = None
    integration_id: int | None = None
    factor: str = ""
    vector: str = ""
    detail: str = ""


def note(
    session: Session,
    at: datetime,
    verb: Verb,
    severity: Severity,
    *,
    device_id: int | None = None,
    integration_id: int | None = None,
    factor: str = "",
    vector: str = "",
    detail: str = "",
) -> None:
    """Write one line; a detail that is too long is cut."""
    note_many(session, [Line(at, verb, severity, device_id, integration_id, factor, vector, detail)])


def note_many(session: Session, rows: Iterable[Line]) -> None:
    """Write many lines in one statement."""
    written = bulk.time_encoder()
    bulk.execute_many(
        session,
        INSERT,
        [
            (written(at), verb.value, severity.value, *rest, detail[:LONGEST_DETAIL])
            for at, verb, severity, *rest, detail in rows
        ],
    )
