"""Verifies the chain of audit entries, and removes its oldest part so that the rest still verifies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from harmony.audit.chain import GENESIS, HASHED, digest
from harmony.audit.record import SCHEDULE, audit
from harmony.db import changed, db, release, table_of, write
from harmony.models import AuditChain, AuditEntry

BATCH = 1000
_EVERY = timedelta(hours=20)
_NOT_VERIFIED = "Audit trail does not verify"


@dataclass(frozen=True, slots=True)
class ChainReport:
    """The outcome of a verification; `problem` is one sentence, "" when every entry is as it was written."""

    entries: int
    last_hash: str
    problem: str = ""


def verify() -> ChainReport:
    """Read every entry and compare it with its hash, and with the hash of the entry before it."""
    while True:
        start = _chain()
        anchor_id = start.anchor_id  # `release` expires the row, and a later look is the same object
        report = _walk(start)
        release()
        # Entries that retention removed meanwhile are not missing.
        if not report.problem or _chain().anchor_id == anchor_id:
            return report


def verify_and_store(now: datetime) -> ChainReport:
    """Verify, and keep the outcome for the page. The first failure in a row is an entry of its own."""
    report = verify()
    release()
    with write() as session:
        chain = table_of(AuditChain)
        before = session.scalar(select(chain.c.problem)) or ""
        if report.problem and not before:
            audit(session, SCHEDULE, _NOT_VERIFIED, now, detail=report.problem)
        session.execute(
            update(chain).values(
                verified_at=now, verified_entries=report.entries, problem=report.problem[:256]
            )
        )
    return report


def verify_when_due(now: datetime) -> None:
    """Verify once a day."""
    verified_at = _chain().verified_at
    release()
    if verified_at is None or not timedelta() <= now - verified_at < _EVERY:
        verify_and_store(now)


def forget(before: datetime) -> int:
    """Remove one batch of the entries that were written before then. Return how many.

    The anchor passes them first: it is the only way past the trigger, and what the next entry is chained to.
    """
    with write() as session:
        doomed = _oldest_before(session, before)
        if not doomed:
            return 0
        last = doomed[-1]
        passed = {"anchor_id": last.id, "anchor_hash": last.hash, "anchor_at": last.at}
        session.execute(update(table_of(AuditChain)).values(passed))
        return changed(session, delete(AuditEntry).where(AuditEntry.id <= last.id))


def _oldest_before(session: Session, before: datetime) -> list[Any]:
    rows = select(AuditEntry.id, AuditEntry.at, AuditEntry.hash).order_by(AuditEntry.id).limit(BATCH)
    return list(takewhile(lambda row: row.at < before, session.execute(rows)))


def _chain() -> AuditChain:
    """Return the state of the chain; that of an empty one when nothing was ever recorded."""
    found = db.session.scalar(select(AuditChain))
    return found or AuditChain(head_id=0, head_hash=GENESIS, anchor_id=0, anchor_hash=GENESIS)


def _walk(chain: AuditChain) -> ChainReport:
    count, last_id, last_hash = 0, chain.anchor_id, chain.anchor_hash
    head_id, head_hash = chain.head_id, chain.head_hash
    for row in _entries_up_to(head_id):
        if problem := _problem_of(row, last_id, last_hash):
            return ChainReport(count, last_hash, problem)
        count, last_id, last_hash = count + 1, row["id"], row["hash"]
    if (last_id, last_hash) != (head_id, head_hash):
        return ChainReport(count, last_hash, f"The entries after {last_id} are missing.")
    if _is_longer():
        return ChainReport(count, last_hash, f"There are entries after {head_id} that are not of the chain.")
    return ChainReport(count, last_hash)


def _problem_of(row: Any, last_id: int, last_hash: str) -> str:
    """Return what is wrong with an entry behind the entry `last_id`; "" for nothing."""
    if row["id"] <= last_id:
        return f"Entry {row['id']} is of a part that was removed."
    if row["former_hash"] != last_hash:
        return f"An entry before {row['id']} was removed or replaced."
    if digest(row) != row["hash"]:
        return f"Entry {row['id']} was changed after it was written."
    return ""


def _entries_up_to(head_id: int) -> Iterator[Any]:
    table = table_of(AuditEntry)
    columns, last = [table.c[name] for name in (*HASHED, "hash")], 0
    while True:
        after = select(*columns).where(table.c.id > last, table.c.id <= head_id)
        rows = db.session.execute(after.order_by(table.c.id).limit(BATCH)).mappings().all()
        yield from rows
        if len(rows) < BATCH:
            return
        last = rows[-1]["id"]


def _is_longer() -> bool:
    """Tell, in one statement that sees one state, whether entries stand behind the end of the chain."""
    newest = select(func.coalesce(func.max(AuditEntry.id), 0)).scalar_subquery()
    head = select(func.coalesce(func.max(AuditChain.head_id), 0)).scalar_subquery()
    return bool(db.session.scalar(select(newest > head)))
