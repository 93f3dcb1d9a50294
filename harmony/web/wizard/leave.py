"""Leaving a page of the wizard: *Finish later*, *Back* and the other steps keep it as it was typed."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict
from wtforms import Form

from harmony.models import Integration, IntegrationState
from harmony.security.auth import shown_on
from harmony.setup import drafts
from harmony.web.shared.integrations import connected_or_404
from harmony.web.wizard.steps import STEPS, Step
from harmony.web.wizard.unfinished import CONFLICT, TOO_LARGE, as_left, is_changed, values_sent
from harmony.web.wizard.views import href_of, render_page, step_of

blueprint = Blueprint("leave", __name__, url_prefix="/integrations/<int:integration_id>/setup")

KEPT = {True: "{} is kept as you left it.", False: "Your changes of {} are kept, but not in force."}


@blueprint.post("/<page>/leave")
@shown_on("wizard.show")
def leave(integration_id: int, page: str) -> ResponseReturnValue:
    """Finish later, Back, or another step: the page is kept as typed, whether it is right or not."""
    integration, step = connected_or_404(integration_id), step_of(page)
    form = step.form(values := values_sent(integration, step))
    if is_changed(integration, step, form):
        try:
            _keep_as_left(integration, step, form, values)
        except drafts.EditedElsewhere:
            return render_page(connected_or_404(integration_id), step, form, CONFLICT), 409
    to = STEPS.get(request.args.get("to", ""))
    return redirect(href_of(integration, to) if to else _outside(integration), 303)


@blueprint.post("/<page>/discard")
def discard(integration_id: int, page: str) -> ResponseReturnValue:
    """Give up what was typed since the page was last in order."""
    integration, step = connected_or_404(integration_id), step_of(page)
    drafts.revert(integration.id, step.name)
    flash(f"The changes of {step.title} were discarded.", "success")
    return redirect(href_of(integration, step), 303)


def _keep_as_left(integration: Integration, step: Step, form: Form, values: MultiDict[str, str]) -> None:
    """Make a draft of the page, or keep it as typed where it is none. Raises EditedElsewhere."""
    edition, valid = request.form.get("edition", 0, int), form.validate()
    record = step.read(form, integration)
    if valid and record is not None:
        drafts.save(integration.id, step.name, record, edition)
    elif not drafts.keep_typed(integration.id, step.name, as_left(values), edition):
        abort(413, TOO_LARGE)
    flash(KEPT[integration.state == IntegrationState.DRAFT].format(step.title), "success")


def _outside(integration: Integration) -> str:
    """Where somebody goes who leaves the wizard."""
    if integration.state == IntegrationState.DRAFT:
        return url_for("integrations.index")
    return url_for("integrations.show", integration_id=integration.id)
