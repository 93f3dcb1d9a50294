"""Verify and Preview of what is in force, and the part of a page that shows results as they come."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from harmony.models import IntegrationState
from harmony.models.configuration import IN_FORCE, PREVIEW, TAGGING
from harmony.security.permissions import Permission, needs
from harmony.setup import verify
from harmony.setup.checks import CHECKS
from harmony.setup.wizard_state import WizardState
from harmony.web.shared.htmx import is_htmx
from harmony.web.wizard.context import verification_context
from harmony.web.wizard.steps import load

# Where Verify ends without making another button the one to press.
_WITHOUT_BUTTONS = {IN_FORCE, PREVIEW, TAGGING}

blueprint = Blueprint("verification", __name__, url_prefix="/integrations/<int:integration_id>")


@blueprint.post("/verify")
@needs(Permission.OPERATE_ALL)
def verify_in_force(integration_id: int) -> ResponseReturnValue:
    """Ask the server that is in force; changes nothing, there or here."""
    _finished(integration_id)
    begin(integration_id, IN_FORCE)
    return redirect(url_for("integrations.show", integration_id=integration_id) + "#verification", 303)


@blueprint.get("/preview")
@needs(Permission.OPERATE_ALL)
def preview_page(integration_id: int) -> ResponseReturnValue:
    """Show the last preview of a sync."""
    context = verification_context(_finished(integration_id), PREVIEW)
    return render_template("integrations/preview.html", **context)


@blueprint.post("/preview")
@needs(Permission.OPERATE_ALL)
def preview(integration_id: int) -> ResponseReturnValue:
    """Preview a sync with what is in force; nothing is written, there or here."""
    _finished(integration_id)
    begin(integration_id, PREVIEW)
    return redirect(
        url_for("verification.preview_page", integration_id=integration_id) + "#verification", 303
    )


@blueprint.get("/verification/<subject>")
def part(integration_id: int, subject: str) -> ResponseReturnValue:
    """Render the results so far. Once Verify has ended, the buttons of the wizard's page come along."""
    state = load(integration_id)
    if subject not in CHECKS:
        abort(404)
    context = verification_context(state, subject)
    results = render_template("setup/_verification.html", **context)
    if context["under_way"] or subject in _WITHOUT_BUTTONS or not is_htmx():
        return results
    return results + render_template("setup/_buttons.html", out_of_band=True, **context)


def begin(integration_id: int, subject: str) -> None:
    """Run Verify beside the request with htmx; without it the answer waits for the end."""
    if is_htmx():
        verify.start(integration_id, subject)
    else:
        verify.verify(integration_id, subject)


def _finished(integration_id: int) -> WizardState:
    state = load(integration_id)
    if state.integration.state == IntegrationState.DRAFT:
        abort(409, "This integration is not finished yet; verify it in the wizard.")
    return state
