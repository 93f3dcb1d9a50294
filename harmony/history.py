"""Writes down what happened: to devices, and who did what. Always inside the caller's `write()`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import insert
from sqlalchemy.orm import Session

from harmony.db import table_of
from harmony.models import AuditEntry, DeviceEvent, Happening, Integration

# Who did what nobody asked for.
SCHEDULE = "schedule"


def happened(
    session: Session,
    to: Iterable[tuple[int, str]],
    kind: Happening,
    at: datetime,
    run_id: int | None = None,
) -> None:
    """One line in the history of each device; `to` is (device id, detail), details without personal data."""
    rows = [
        {"device_id": id_, "run_id": run_id, "at": at, "kind": kind.value, "detail": detail[:1024]}
        for id_, detail in to
    ]
    if rows:
        session.execute(insert(table_of(DeviceEvent)), rows)


def audit(
    session: Session,
    who: str,
    what: str,
    at: datetime,
    integration: Integration | None = None,
    *,
    detail: str = "",
) -> None:
    """Who did what, in words a page can show: `audit(session, "kim", "Paused", now, integration)`."""
    session.add(
        AuditEntry(
            at=at,
            who=who,
            what=what,
            integration_id=integration.id if integration else None,
            integration_name=integration.name if integration else "",
            detail=detail[:1024],
        )
    )
