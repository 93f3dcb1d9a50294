"""The token of an integration that is in force: rotation, and the end of the overlap."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, abort, flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from harmony.clock import now
from harmony.models import IntegrationState
from harmony.models.configuration import DEPLOYMENT
from harmony.security.auth import needs_recent_proof, shown_on
from harmony.setup import token_rotation
from harmony.web.shared.integrations import connected_or_404

blueprint = Blueprint("token", __name__, url_prefix="/integrations/<int:integration_id>/token")

# Days for which the former token is accepted beside the new one, with the words of the choice.
OVERLAPS = {"7": "for 7 days", "1": "for a day", "30": "for 30 days", "0": "not any more"}
_ROTATED = "The token was rotated. Put the new one into the app configuration in the UEM."
_ENDED = "The former token is refused from now on."
_OVER = "The former token was refused already."


@blueprint.post("/rotate")
@shown_on("wizard.show", page=DEPLOYMENT)
@needs_recent_proof
def rotate(integration_id: int) -> ResponseReturnValue:
    """Put a new token in force; the former one registers devices for the days that were chosen."""
    _in_force(integration_id)
    days = request.form.get("overlap", "")
    if days not in OVERLAPS:
        abort(422, "Choose how long the former token is accepted.")
    token_rotation.rotate(integration_id, timedelta(days=int(days)), g.user.name, now())
    flash(_ROTATED, "success")
    return _back(integration_id)


@blueprint.post("/end-overlap")
@shown_on("wizard.show", page=DEPLOYMENT)
@needs_recent_proof
def end_overlap(integration_id: int) -> ResponseReturnValue:
    """Refuse the former token at once."""
    _in_force(integration_id)
    ended = token_rotation.end_overlap(integration_id, g.user.name, now())
    flash(_ENDED if ended else _OVER, "success" if ended else "info")
    return _back(integration_id)


def _in_force(integration_id: int) -> None:
    if connected_or_404(integration_id).state == IntegrationState.DRAFT:
        abort(409, "This integration is not finished yet: its token can simply be made anew.")


def _back(integration_id: int) -> ResponseReturnValue:
    return redirect(url_for("wizard.show", integration_id=integration_id, page=DEPLOYMENT), 303)
