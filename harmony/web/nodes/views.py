"""Nodes: every dashboard and worker that sent a heartbeat, what it runs, and whether versions differ."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from harmony.clock import now
from harmony.db import db
from harmony.jobs import lease, presence
from harmony.jobs.kinds import KINDS, JobKind
from harmony.models import Integration
from harmony.security.permissions import Permission, needs
from harmony.web.shared.integrations import connected_integrations

blueprint = Blueprint("nodes", __name__, url_prefix="/settings/nodes")

# The words of a state, and its badge.
_STATES = {
    "running": ("Running", "ok"),
    "silent": ("Silent", "failed"),
    "stopped": ("Stopped", "cancelled"),
}
_ROLES = {"web": "Dashboard", "worker": "Worker"}


@blueprint.get("")
@needs(Permission.ADMINISTER)
def index() -> ResponseReturnValue:
    """Show every process, by node."""
    at, found = now(), presence.processes(db.session())
    running = _running(connected_integrations())
    return render_template(
        "nodes/index.html",
        rows=[(process, process.state(at), running.get(process.identity, [])) for process in found],
        states=_STATES,
        roles=_ROLES,
        differing=presence.versions(found, at),
    )


def _running(integrations: Sequence[Integration]) -> dict[str, list[str]]:
    """Return what each process does just now, in words."""
    names = {integration.id: integration.name for integration in integrations}
    words: dict[str, list[str]] = {}
    for run, _job in lease.under_way(db.session()):
        if run.integration_id in names:
            text = f"{KINDS[JobKind(run.kind)].words.title} of {names[run.integration_id]}"
            words.setdefault(run.owner, []).append(text)
    return words
