"""The audit trail: who did what, when, and on which integration; newest first."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from harmony.audit.catalogue import MODULES
from harmony.audit.verify import verify_and_store
from harmony.clock import now
from harmony.config import current_settings
from harmony.security.permissions import Permission, needs
from harmony.web.audit import queries
from harmony.web.audit.queries import FILE, FILTERS, NEWEST_FIRST, entries
from harmony.web.events.queries import SEVERITIES
from harmony.web.shared.csv_export import csv_file, narrowed
from harmony.web.shared.filters import Filters

blueprint = Blueprint("audit", __name__)


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
        chain=queries.chain(),
        changes_of=queries.changes_of,
        words={"severity": SEVERITIES, "module": {module: module for module in MODULES}},
        people=[(name, name) for name in queries.people()],
        integrations=queries.integrations(),
        kept_days=current_settings().audit_kept_days,
    )


@blueprint.post("/audit.csv")
@needs(Permission.ADMINISTER)
def export() -> ResponseReturnValue:
    """Send the same entries as a file, all pages of them; that it was sent is an entry too."""
    filters = Filters.from_query(FILTERS, request.args)
    rows = map(queries.written, NEWEST_FIRST.every(entries(filters)))
    event, detail = "Exported the audit trail", narrowed(filters)
    return csv_file("harmony-audit", FILE, rows, event=event, detail=detail)


@blueprint.post("/audit/verify")
@needs(Permission.ADMINISTER)
def verify() -> ResponseReturnValue:
    """Verify the chain of all entries."""
    report = verify_and_store(now())
    flash(
        report.problem or f"{report.entries:,} entries verified, none changed or missing.",
        "error" if report.problem else "success",
    )
    return redirect(url_for("audit.index"), 303)
