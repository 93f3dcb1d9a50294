"""The events page: what was found on the devices and what became of them, newest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Row

from harmony.config import current_settings
from harmony.protection.catalogue import Vector, factor_of
from harmony.security.permissions import Permission, needs
from harmony.web.events.queries import FILTERS, NEWEST_FIRST, SEVERITIES, VERBS, events
from harmony.web.shared.csv_export import csv_file, narrowed
from harmony.web.shared.filters import Filters
from harmony.web.shared.hidden import shown_device
from harmony.web.shared.integrations import integration_choices

blueprint = Blueprint("events", __name__)

_HEADER = (
    "id", "at", "severity", "attack_vector", "code", "threat_factor", "event", "detail", "device_id",
    "device", "integration_id", "integration",
)  # fmt: skip


@blueprint.get("/events")
@needs(Permission.VIEW)
def index() -> ResponseReturnValue:
    """Show a page of events."""
    filters, place = Filters.from_query(FILTERS, request.args), NEWEST_FIRST.place(request.args)
    return render_template(
        "events/index.html",
        filters=filters,
        place=place,
        page=NEWEST_FIRST.page(events(filters), place),
        words={"severity": SEVERITIES, "event": VERBS, "vector": {vector: vector.value for vector in Vector}},
        factor_of=factor_of,
        device=shown_device(filters["device"]),
        integrations=integration_choices(),
        kept_days=current_settings().events_kept_days,
    )


@blueprint.post("/events.csv")
@needs(Permission.VIEW)
def export() -> ResponseReturnValue:
    """Send the same events as a file, all pages of them."""
    filters = Filters.from_query(FILTERS, request.args)
    lines, detail = _lines(NEWEST_FIRST.every(events(filters))), narrowed(filters)
    return csv_file("harmony-events", _HEADER, lines, event="Exported events", detail=detail)


def _lines(rows: Iterator[Row[Any]]) -> Iterator[Sequence[object]]:
    for row in rows:
        factor = factor_of(row.factor).name if row.factor else ""
        said = (SEVERITIES.get(row.severity, row.severity), row.vector, row.factor, factor)
        about = (row.detail, row.device_id, row.device, row.integration_id, row.integration)
        yield (row.id, row.at, *said, VERBS.get(row.verb, row.verb), *about)
