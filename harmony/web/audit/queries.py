"""The rows behind the audit page: filters, the query of a page or a file, and what its choices offer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select

from harmony.audit.catalogue import MODULES
from harmony.db import db
from harmony.models import AuditChain, AuditEntry, Integration, Severity
from harmony.web.shared.filters import (
    ChoiceFilter,
    Filter,
    Filters,
    IdFilter,
    NameFilter,
    TextFilter,
    words_of,
)
from harmony.web.shared.index_hints import Led
from harmony.web.shared.paging import Order, Query

FILE = (
    "id", "time", "severity", "admin_user", "module", "category", "event", "details", "changes",
    "integration_id", "integration", "hash",
)  # fmt: skip
_LONGEST_NAME = 64
_FIRST_YEAR, _LAST_YEAR = 1970, 9998


@dataclass(frozen=True, slots=True)
class _DayFilter(Filter):
    """A day in UTC that rows begin at, or end with if it `is_last`. Its value is the date."""

    column: Any
    is_last: bool = False

    def read(self, text: str) -> date | None:
        try:
            found = date.fromisoformat(text.strip()[: len("2026-01-31")])
        except ValueError:
            return None
        return found if _FIRST_YEAR <= found.year <= _LAST_YEAR else None

    def condition(self, value: date, led: Led) -> ColumnElement[bool]:
        begin = datetime.combine(value, time(), UTC)
        column = led(self.column)
        within: ColumnElement[bool] = column < begin + timedelta(days=1) if self.is_last else column >= begin
        return within

    def word(self, value: date) -> str:
        return f"{value:%d %b %Y}"


FILTERS: tuple[Filter, ...] = (
    TextFilter("q", AuditEntry.search_text, label="Search"),
    NameFilter("who", AuditEntry.who, _LONGEST_NAME, label="Admin user"),
    IdFilter("integration", AuditEntry.integration_id),
    ChoiceFilter("severity", AuditEntry.severity, words_of(Severity)),
    ChoiceFilter("module", AuditEntry.module, words_of(MODULES)),
    _DayFilter("since", AuditEntry.at, label="From"),
    _DayFilter("until", AuditEntry.at, label="To", is_last=True),
)
NEWEST_FIRST = Order(AuditEntry.id)


def entries(filters: Filters) -> Query:
    """Return the entries; `there` is the id of the integration while it exists."""
    # An id may be given again after a removal: what is older than its bearer meant another one.
    same = (Integration.id == AuditEntry.integration_id) & (Integration.created_at <= AuditEntry.at)
    query: Query = select(
        AuditEntry.id, AuditEntry.at, AuditEntry.severity, AuditEntry.who, AuditEntry.module,
        AuditEntry.category, AuditEntry.what, AuditEntry.detail, AuditEntry.changes,
        AuditEntry.integration_id, AuditEntry.integration_name, AuditEntry.hash,
        Integration.id.label("there"),
    ).outerjoin(Integration, same)  # fmt: skip
    return query.where(*filters.conditions())


def changes_of(row: Any) -> list[list[str]]:
    """Return the fields that an entry names with their values: label, before, after."""
    found: list[list[str]] = json.loads(row.changes) if row.changes else []
    return found


def written(row: Any) -> list[object]:
    """Return a row of the file."""
    changes = "; ".join(f"{label}: {before} → {after}" for label, before, after in changes_of(row))
    return [*row[:8], changes, *row[9 : len(FILE)]]


def people() -> Sequence[str]:
    """Return everybody who did anything that is still known."""
    return db.session.scalars(select(AuditEntry.who).distinct().order_by(AuditEntry.who)).all()


def integrations() -> list[tuple[int, str]]:
    """Return every integration an entry names, by its newest name; removed ones too."""
    newest = (
        select(func.max(AuditEntry.id))
        .where(AuditEntry.integration_id.is_not(None))
        .group_by(AuditEntry.integration_id)
    )
    named = select(AuditEntry.integration_id, AuditEntry.integration_name).where(AuditEntry.id.in_(newest))
    found = [(id_, name) for id_, name in db.session.execute(named) if id_ is not None]
    return sorted(found, key=lambda named: (named[1].casefold(), named[0]))


def chain() -> AuditChain | None:
    """Return where the chain begins and ends, and what its last verification found."""
    return db.session.scalar(select(AuditChain))
