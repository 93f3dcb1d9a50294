"""One timeline of an integration: its runs of every kind, and what people changed, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import case, literal, select, union_all

from harmony.config import current_settings
from harmony.models import AuditEntry, JobRun, SyncKind
from harmony.web.runs.queries import NAMES
from harmony.web.shared.integrations import connected_or_404
from harmony.web.shared.paging import BEGINNING, Cursor, Order, Page, Place, Query

blueprint = Blueprint("timeline", __name__, url_prefix="/integrations/<int:integration_id>/timeline")

_ON_THE_PAGE = 10
_RUN, _CHANGE = "run", "change"


@dataclass(frozen=True, slots=True)
class _ByTime(Order):
    """Newest first by time, then by id."""

    def _bound(self, cursor: Cursor) -> tuple[object, ...]:
        return (_started_at(cursor.name), cursor.id)

    def _read(self, word: str) -> Cursor | None:
        cursor = Cursor.read(word)
        return cursor if cursor is not None and _started_at(cursor.name) is not None else None


@blueprint.get("")
def index(integration_id: int) -> ResponseReturnValue:
    """Show a page of the timeline."""
    integration, (query, order) = connected_or_404(integration_id), _entries(integration_id)
    place = order.place(request.args)
    settings = current_settings()
    return render_template(
        "integrations/timeline.html",
        integration=integration,
        place=place,
        page=order.page(query, place),
        names=NAMES,
        kept_days=(settings.runs_kept_days, settings.audit_kept_days),
    )


def newest(integration_id: int, place: Place = BEGINNING) -> Page:
    """Return what the page of the integration shows of it."""
    query, order = _entries(integration_id)
    return order.page(query, place, _ON_THE_PAGE)


def _entries(integration_id: int) -> tuple[Query, Order]:
    """Return the entries and their order; the ids of two tables are made one by their last bit."""
    kind = case((JobRun.sync_kind != "", JobRun.sync_kind), else_=JobRun.kind)
    # Runs for events come by the hundred; the page of event notifications has them.
    runs = select(
        (JobRun.id * 2).label("id"), JobRun.started_at.label("at"), literal(_RUN).label("source"),
        JobRun.id.label("row_id"), kind.label("kind"), JobRun.state, JobRun.started_by.label("who"),
        literal("").label("what"), JobRun.reason.label("detail"),
    ).where(JobRun.integration_id == integration_id, JobRun.sync_kind != SyncKind.EVENTS)  # fmt: skip
    changes = select(
        (AuditEntry.id * 2 + 1).label("id"), AuditEntry.at, literal(_CHANGE).label("source"),
        AuditEntry.id.label("row_id"), literal("").label("kind"), literal("").label("state"),
        AuditEntry.who, AuditEntry.what, AuditEntry.detail,
    ).where(AuditEntry.integration_id == integration_id)  # fmt: skip
    every = union_all(runs, changes).subquery()
    return select(*every.c), _ByTime(every.c.id, every.c.at, "at", is_turned=True)


def _started_at(text: str | None) -> datetime | None:
    try:
        started_at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return started_at.astimezone(UTC) if started_at.tzinfo else None
