"""The first page: what needs a person, coverage and risk, threat factors, events a day, integrations."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from flask import Blueprint, current_app, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from harmony.backup import record
from harmony.clock import now
from harmony.config import current_settings
from harmony.security.auth import may_open
from harmony.security.permissions import Permission, needs
from harmony.web.integrations import overview as integrations
from harmony.web.overview import chart, queries
from harmony.web.overview.event_days import EventDay, events_by_day
from harmony.web.shared.layout import Banner
from harmony.web.shared.scope import current_scope

blueprint = Blueprint("overview", __name__)

_DAYS = 30
_COUNTED_DAYS = "harmony.ended_event_days"


@blueprint.get("/")
@needs(Permission.VIEW)
def show() -> ResponseReturnValue:
    """Show the overview; before there is an integration, the page on which one is made."""
    sees_all = may_open("integrations.index")
    numbers = queries.numbers()
    every = integrations.rows(numbers.integrations) if sees_all else []
    rows = [row for row in every if row.integration.connected]
    if sees_all and not rows:
        return redirect(url_for("integrations.index"), 303)
    days = _days(now())
    return render_template(
        "overview/show.html",
        rows=rows,
        attention=[*_backup(now(), sees_all), *_of_integrations(rows, now())],
        coverage=numbers.coverage,
        risks=numbers.risks,
        platforms=numbers.platforms,
        factors=queries.top_factors(),
        days=list(zip(days, chart.columns([line.events for line in days]), strict=True)),
        chart=chart,
    )


def _backup(at: datetime, sees_all: bool) -> Iterator[tuple[str, Banner]]:
    if sees_all and (text := record.trouble(at)):
        yield "Backups", Banner("danger", text)


def _of_integrations(rows: list[integrations.Row], at: datetime) -> Iterator[tuple[str, Banner]]:
    for row in rows:
        for banner in _needs(row, at):
            yield row.integration.name, banner


def _needs(row: integrations.Row, at: datetime) -> list[Banner]:
    """Return what a person has to look at, without what passes by itself."""
    banners = [*row.holds, *integrations.attention_on(row.integration, at)]
    return [banner for banner in banners if banner.level in {"danger", "warning"}]


def _days(at: datetime) -> list[EventDay]:
    shown = min(_DAYS, current_settings().events_kept_days)
    if current_scope() is not None:
        # What is kept for everybody counts all devices.
        return events_by_day(shown, at)[0]
    days, counted = events_by_day(shown, at, current_app.extensions.get(_COUNTED_DAYS))
    current_app.extensions[_COUNTED_DAYS] = counted
    return days
