"""The audit page: who did what, when, and on which integration; newest first."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select

from harmony.config import current_settings
from harmony.db import db
from harmony.models import AuditEntry, Integration
from harmony.security.permissions import Permission, needs
from harmony.web.shared.csv_export import csv_file
from harmony.web.shared.filters import Filter, Filters, IdFilter, NameFilter
from harmony.web.shared.paging import Order, Query

blueprint = Blueprint("audit", __name__)

_HEADER = ("id", "at", "who", "what", "integration_id", "integration", "detail")
_LONGEST_NAME = 64
FILTERS: tuple[Filter, ...] = (
    NameFilter("who", AuditEntry.who, _LONGEST_NAME, label="Person"),
    IdFilter("integration", AuditEntry.integration_id),
)
NEWEST_FIRST = Order(AuditEntry.id)


@blueprint.get("/audit")
@needs(Permission.ADMINISTER)
def index() -> ResponseReturnValue:
    """Show a page of entries."""
    filters, place = Filters.from_query(FILTERS, request.args), NEWEST_FIRST.place(request.args)
    return render_template(
        "audit/index.html",
        filters=filters,
        place=place,
        page=NEWEST_FIRST.page(entries(filters), place),
        people=[(name, name) for name in people()],
        integrations=integrations(),
        kept_days=current_settings().audit_kept_days,
    )


@blueprint.get("/audit.csv")
@needs(Permission.ADMINISTER)
def export() -> ResponseReturnValue:
    """Send the same entries as a file, all pages of them."""
    rows = NEWEST_FIRST.every(entries(Filters.from_query(FILTERS, request.args)))
    return csv_file("harmony-audit", _HEADER, (row[: len(_HEADER)] for row in rows))


def entries(filters: Filters) -> Query:
    """Return the entries; `there` is the id of the integration while it exists."""
    # An id may be given again after a removal: what is older than its bearer meant another one.
    same = (Integration.id == AuditEntry.integration_id) & (Integration.created_at <= AuditEntry.at)
    query: Query = select(
        AuditEntry.id, AuditEntry.at, AuditEntry.who, AuditEntry.what, AuditEntry.integration_id,
        AuditEntry.integration_name, AuditEntry.detail, Integration.id.label("there"),
    ).outerjoin(Integration, same)  # fmt: skip
    return query.where(*filters.conditions())


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
