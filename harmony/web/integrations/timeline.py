"""One timeline of an integration: its runs of every kind, and what people changed, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import literal, select, union_all

from harmony.config import current_settings
from harmony.jobs.kinds import KINDS, JobKind
from harmony.models import AuditEntry, JobRun, SyncKind, SyncRun
from harmony.web.runs import queries as run_queries
from harmony.web.shared.integrations import connected_or_404
from harmony.web.shared.paging import BEGINNING, Cursor, Order, Page, Place, Query

blueprint = Blueprint("timeline", __name__, url_prefix="/integrations/<int:integration_id>/timeline")

_ON_THE_PAGE = 10
_SYNC, _CHANGE = "sync", "change"


@dataclass(frozen=True, slots=True)
class _ByTime(Order):
    """Newest first by a moment, then by id."""

    def _bound(self, cursor: Cursor) -> tuple[object, ...]:
        return (_moment(cursor.name), cursor.id)

    def _read(self, word: str) -> Cursor | None:
        cursor = Cursor.read(word)
        return cursor if cursor is not None and _moment(cursor.name) is not None else None


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
        words=words(),
        kept_days=(settings.runs_kept_days, settings.audit_kept_days),
    )


def newest(integration_id: int, place: Place = BEGINNING) -> Page:
    """Return what the page of the integration shows of it."""
    query, order = _entries(integration_id)
    return order.page(query, place, _ON_THE_PAGE)


def words() -> dict[str, str]:
    """Return the words for the runs of each kind."""
    syncs = {kind.value: word for kind, word in run_queries.KINDS.items()}
    return syncs | {kind.value: KINDS[kind].words.title for kind in JobKind if kind != JobKind.DEVICES}


def _entries(integration_id: int) -> tuple[Query, Order]:
    """Return the entries and their order; the ids of three tables are made one by their last two bits."""
    syncs = _of(SyncRun, integration_id, 0, SyncRun.started_at, SyncRun.started_by)
    # Runs for events come by the hundred; the page of event notifications has them.
    syncs = syncs.where(SyncRun.kind != SyncKind.EVENTS)
    jobs = _of(JobRun, integration_id, 1, JobRun.started_at, JobRun.started_by)
    changes = select(
        (AuditEntry.id * 4 + 2).label("id"), AuditEntry.at, literal(_CHANGE).label("source"),
        AuditEntry.id.label("row_id"), literal("").label("kind"), literal("").label("state"),
        AuditEntry.who, AuditEntry.what, AuditEntry.detail,
    ).where(AuditEntry.integration_id == integration_id)  # fmt: skip
    every = union_all(syncs, jobs, changes).subquery()
    return select(*every.c), _ByTime(every.c.id, every.c.at, "at", is_turned=True)


def _of(model: Any, integration_id: int, bits: int, at: Any, who: Any) -> Any:
    source = _SYNC if model is SyncRun else "job"
    return select(
        (model.id * 4 + bits).label("id"), at.label("at"), literal(source).label("source"),
        model.id.label("row_id"), model.kind, model.state, who.label("who"), literal("").label("what"),
        model.reason.label("detail"),
    ).where(model.integration_id == integration_id)  # fmt: skip


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None
