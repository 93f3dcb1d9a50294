"""The feed: every event, audit entry and end of a run in one order, for all that leaves the dashboard.

Each line is written in the transaction of what it tells of. Only `write()` writes, one writer at a time on
either database, so that lines become visible in the order of their ids: a cursor misses none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from harmony.db import bulk
from harmony.models.states import FeedKind, Severity, SyncRunState

_INSERT_FEED = (
    "INSERT INTO feed (at, kind, name, severity, subject_id, integration_id, device_id, details) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_OF_ENTRY = ("who", "what", "detail", "module", "category", "hash")
_GOOD = frozenset({SyncRunState.OK, SyncRunState.CANCELLED})
_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def record_event_lines(session: Session, rows: Iterable[tuple[Any, ...]]) -> None:
    """Write events, as the rows of their own table: the time encoded, then verb, severity and the others."""
    bulk.execute_many(session, _INSERT_FEED, [_of_event(row) for row in rows])


def record_audit_line(session: Session, entry: Mapping[str, Any]) -> None:
    """Write an audit entry, as the row of its own table; its hash lets a reader check the chain."""
    details = {name: entry[name] for name in _OF_ENTRY} | {"integration": entry["integration_name"]}
    line = (FeedKind.AUDIT.value, "", entry["severity"], entry["id"], entry["integration_id"], None)
    bulk.execute(session, _INSERT_FEED, (bulk.encode_time(entry["at"]), *line, _encode(details)))


def record_run_line(
    session: Session, job: str, run: tuple[int, int], state: str, *, reason: str, at: datetime
) -> None:
    """Write the end of a run; `run` is the id of its integration and its own."""
    severity = Severity.INFORMATION if state in _GOOD else Severity.WARNING
    line = (FeedKind.RUN.value, str(state), severity.value, run[1], run[0], None)
    details = {"job": job, "reason": reason}
    bulk.execute(session, _INSERT_FEED, (bulk.encode_time(at), *line, _encode(details)))


def _of_event(row: tuple[Any, ...]) -> tuple[Any, ...]:
    at, verb, severity, device_id, integration_id, factor, vector, detail = row
    details = _encode({"factor": factor, "vector": vector, "detail": detail})
    return (at, FeedKind.EVENT.value, verb, severity, None, integration_id, device_id, details)
