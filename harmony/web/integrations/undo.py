"""The removed integrations that can still be brought back, with the days that are left."""

from __future__ import annotations

from flask import Blueprint, abort, flash, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db
from harmony.jobs.queue import REMOVE, enqueue
from harmony.models import Integration, IntegrationState
from harmony.security.permissions import Permission, needs
from harmony.setup.group_claims import overlap_of
from harmony.setup.wizard_state import WizardState
from harmony.sync import removal_undo
from harmony.sync.deletion import soft_delete

blueprint = Blueprint("undo", __name__, url_prefix="/integrations/removed")

_UNDONE = "{} is being restored. Its devices come back in a moment; then it runs as before."
_TAKEN = "{} was not restored. {}"


@blueprint.get("")
@needs(Permission.ADMINISTER)
def index() -> ResponseReturnValue:
    """Show what was removed and can be undone."""
    return _page()


@blueprint.post("/<int:removed_id>/undo")
def undo(removed_id: int) -> ResponseReturnValue:
    """Bring one back, unless another integration reads its groups by now."""
    integration = db.session.get(Integration, removed_id)
    if integration is None or integration.state != IntegrationState.HIDDEN:
        abort(404)
    if taken := overlap_of(WizardState(integration)):
        return _page(_TAKEN.format(integration.name, taken)), 409
    if removal_undo.undo(removed_id, g.user.name, now()):
        enqueue(REMOVE, removed_id)
        flash(_UNDONE.format(integration.name), "success")
    return redirect(url_for("undo.index"), 303)


def _page(refused: str | None = None) -> str:
    removed = select(Integration).where(Integration.state == IntegrationState.HIDDEN)
    rows = db.session.scalars(removed.order_by(Integration.removed_at.desc(), Integration.id)).all()
    return render_template(
        "integrations/undo.html",
        rows=[(row, soft_delete.all_of(row.id)) for row in rows],
        until=removal_undo.UNDO_FOR,
        refused=refused,
    )
