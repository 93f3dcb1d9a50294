"""Writes lines of the audit trail, each chained to the one before, and of the history of devices."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from harmony.audit.catalogue import classified
from harmony.audit.chain import GENESIS, digest
from harmony.audit.fields import Changed
from harmony.db import table_of
from harmony.feed import record_audit_line
from harmony.folding import fold
from harmony.models import AuditChain, AuditEntry, DeviceEvent, Happening, Integration

# The actors of what runs by itself, and of what was typed at the machine itself.
SCHEDULE = "schedule"
COMMAND_LINE = "command line"
EVENTS = "UEM events"

_LONGEST_DETAIL = 1024


def record_history(
    session: Session,
    to: Iterable[tuple[int, str]],
    kind: Happening,
    at: datetime,
    run_id: int | None = None,
) -> None:
    """Add a line to the history of each device; `to` is (device id, detail without personal data)."""
    rows = [
        {"device_id": id_, "run_id": run_id, "at": at, "kind": kind.value, "detail": detail[:_LONGEST_DETAIL]}
        for id_, detail in to
    ]
    if rows:
        session.execute(insert(table_of(DeviceEvent)), rows)


def audit(
    session: Session, who: str, what: str, at: datetime, integration: Integration | None = None,
    *, detail: str = "", changes: Sequence[Changed] = (),
) -> None:  # fmt: skip
    """Record who did what, in words a page can show: `audit(session, "kim", "Paused", now, integration)`.

    `changes` are fields with their values before and after. Neither they nor `detail` may have a secret.
    """
    session.flush()
    differing = [list(change) for change in changes if change[1] != change[2]]
    values = {
        "at": at.astimezone(UTC),
        "who": _storable(who),
        "what": _storable(what),
        "detail": _storable(detail)[:_LONGEST_DETAIL],
        "changes": json.dumps(differing) if differing else "",
    }
    values |= _class_of(what) | _named(integration)
    texts = (values["who"], what, values["integration_name"], values["detail"], *map(" ".join, differing))
    _append(session, values | {"search_text": fold(" ".join(map(str, texts)))})


def _class_of(what: str) -> dict[str, object]:
    kind = classified(what)
    return {"severity": kind.severity.value, "module": kind.module, "category": kind.category}


def _named(integration: Integration | None) -> dict[str, object]:
    """Return the id and the name of an integration, which stay when it is removed."""
    if integration is None:
        return {"integration_id": None, "integration_name": ""}
    return {"integration_id": integration.id, "integration_name": _storable(integration.name)}


def _append(session: Session, values: dict[str, object]) -> None:
    """Insert the entry behind the newest one. Ids have no gaps; the lock on the chain orders writers."""
    chain = table_of(AuditChain)
    head = session.execute(select(chain.c.head_id, chain.c.head_hash).with_for_update()).one_or_none()
    if head is None:
        session.execute(insert(chain).values(id=1, head_hash=GENESIS, anchor_hash=GENESIS))
    id_, former = (head.head_id + 1, head.head_hash) if head else (1, GENESIS)
    row = {**values, "id": id_, "former_hash": former}
    row["hash"] = digest(row)
    session.execute(insert(table_of(AuditEntry)).values(row))
    session.execute(update(chain).values(head_id=id_, head_hash=row["hash"]))
    record_audit_line(session, row)


def _storable(text: str) -> str:
    """Return the text as PostgreSQL stores it, so that its hash is that of what is read again."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
