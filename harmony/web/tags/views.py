"""The tags of an integration: each with its devices, what waits and what failed; push, read back."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from harmony.clock import now
from harmony.db import db
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.jobs.queue import enqueue
from harmony.models import Integration, IntegrationState, UemTag
from harmony.security.permissions import Permission, needs
from harmony.setup import groups
from harmony.web.shared.banners import waits_for_worker, why_no_sync
from harmony.web.shared.csv_export import csv_file
from harmony.web.shared.filters import Filters
from harmony.web.shared.integrations import connected_or_404
from harmony.web.shared.shared_answers import shared_while_running
from harmony.web.tags import queries as tag_queries
from harmony.web.tags.queries import FILTERS, LINK, NEWEST_FIRST
from harmony.web.tags.state import tagging_context
from harmony.web.tags.text import EMPTY, choices, meaning, why_no_tags

blueprint = Blueprint("tags", __name__, url_prefix="/integrations/<int:integration_id>/tags")

_HEADER = tuple(column.key for column in LINK if column.key != "id")


@blueprint.get("")
def index(integration_id: int) -> ResponseReturnValue:
    """Show every tag of ours with the number of its devices."""
    return render_template("tags/index.html", **_context(_finished(integration_id)))


@blueprint.get("/status")
@shared_while_running
def status(integration_id: int) -> ResponseReturnValue:
    """Show the part of the page that changes while tags are pushed; only then it asks for itself again."""
    return render_template("tags/_state.html", **_context(_finished(integration_id)))


@blueprint.post("/push")
@needs(Permission.OPERATE_ALL)
def push(integration_id: int) -> ResponseReturnValue:
    """Push tags now: what waits is pushed at once; what the UEM declined waits for its next try."""
    return _ask(_finished(integration_id), whole=False)


@blueprint.post("/read-back")
@needs(Permission.OPERATE_ALL)
def read_back(integration_id: int) -> ResponseReturnValue:
    """Read back: ask the UEM for the devices of every tag, and mend what was changed there by hand."""
    return _ask(_finished(integration_id), whole=True)


@blueprint.post("/create")
@needs(Permission.OPERATE_ALL)
def create(integration_id: int) -> ResponseReturnValue:
    """Let the worker create the tags that are needed and not in the UEM, and push."""
    return _ask(_finished(integration_id), whole=True)


@blueprint.get("/push")
@blueprint.get("/read-back")
@blueprint.get("/create")
def reload(integration_id: int) -> ResponseReturnValue:
    """Lead Reload after one of the buttons to their page; without this they would be keys of tags."""
    return redirect(url_for("tags.index", integration_id=integration_id), 303)


@blueprint.get("/<key>")
def devices(integration_id: int, key: str) -> ResponseReturnValue:
    """Show the devices of one tag."""
    integration, tag = _tag(integration_id, key)
    filters, place = _filters(integration_id, key), NEWEST_FIRST.place(request.args)
    return render_template(
        "tags/devices.html",
        integration=integration,
        tag=tag,
        meaning=meaning(key),
        filters=filters,
        words=choices(tag_queries.counts(integration_id).get(key, tag_queries.TagCounts())),
        empty_words=EMPTY,
        place=place,
        page=NEWEST_FIRST.page(tag_queries.devices(integration_id, key, filters), place),
    )


@blueprint.post("/<key>/devices.csv")
@needs(Permission.VIEW_ALL)
def export(integration_id: int, key: str) -> ResponseReturnValue:
    """Send the same devices as a file, all pages of them."""
    _tag(integration_id, key)
    filters = _filters(integration_id, key)
    found = NEWEST_FIRST.every(tag_queries.devices(integration_id, key, filters))
    rows = ([getattr(row, name) for name in _HEADER] for row in found)
    name, event = f"harmony-tag-{integration_id}-{filters['state']}", "Exported devices of a tag"
    return csv_file(name, _HEADER, rows, event=event, detail=key, integration_id=integration_id)


def _filters(integration_id: int, key: str) -> Filters:
    return Filters.from_query(FILTERS, request.args, integration_id=integration_id, key=key)


def _context(integration: Integration) -> dict[str, Any]:
    return tagging_context(integration) | {
        "groups": {group.external_id: group.name for group in groups.known(integration.id)},
        "empty_why": why_no_tags(integration),
    }


def _ask(integration: Integration, *, whole: bool) -> ResponseReturnValue:
    asked_at = now()
    if not lease.request(integration.id, JobKind.TAGGING, g.user.name, asked_at, whole=whole):
        flash(_why_not(integration), "warning")
    elif waits := waits_for_worker(integration, asked_at, "The push", JobKind.TAGGING):
        flash(waits, "warning")
    enqueue(JobKind.TAGGING, integration.id)
    return redirect(url_for("tags.index", integration_id=integration.id), 303)


def _why_not(integration: Integration) -> str:
    """Explain why no push can start, whoever asks."""
    waits = integration.awaits_sync and integration.state == IntegrationState.ACTIVE
    return lease.FIRST_SYNC if waits else why_no_sync(integration, "No tags are pushed")


def _finished(integration_id: int) -> Integration:
    integration = connected_or_404(integration_id)
    if integration.state == IntegrationState.DRAFT:
        abort(404)
    return integration


def _tag(integration_id: int, key: str) -> tuple[Integration, UemTag]:
    return _finished(integration_id), db.get_or_404(UemTag, (integration_id, key))
