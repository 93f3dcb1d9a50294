"""Leaving a page of the wizard: *Finish later*, *Back* and the other steps keep it as it was typed."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict
from wtforms import Form

from harmony.models import IntegrationState
from harmony.security.auth import shown_on
from harmony.setup import drafts
from harmony.setup.wizard_state import WizardState
from harmony.web.wizard.steps import STEPS, Step, href_of, load, step_of
from harmony.web.wizard.unfinished import CONFLICT, TOO_LARGE, as_left, is_changed, values_sent
from harmony.web.wizard.views import render_page

blueprint = Blueprint("leave", __name__, url_prefix="/integrations/<int:integration_id>/setup")

_KEPT_DRAFT = "{} is kept as you left it."
_KEPT_EDIT = "Your changes to {} are kept, but not in force."


@blueprint.post("/<page>/leave")
@shown_on("wizard.show")
def leave(integration_id: int, page: str) -> ResponseReturnValue:
    """Keep the page as typed, right or wrong, and go to another step or out of the wizard."""
    state, step = load(integration_id), step_of(page)
    outside = _outside(state)
    form = step.form(values := values_sent(state, step))
    if is_changed(state, step, form):
        try:
            _keep_as_left(state, step, form, values)
        except drafts.EditedElsewhere:
            return render_page(load(integration_id), step, form, CONFLICT), 409
    target = STEPS.get(request.args.get("to", ""))
    return redirect(href_of(integration_id, target) if target else outside, 303)


@blueprint.post("/<page>/discard")
def discard(integration_id: int, page: str) -> ResponseReturnValue:
    """Give up what was typed since the page was last in order."""
    state, step = load(integration_id), step_of(page)
    drafts.revert(state.id, step.name)
    flash(f"The changes to {step.title} were discarded.", "success")
    return redirect(href_of(integration_id, step), 303)


def _keep_as_left(state: WizardState, step: Step, form: Form, values: MultiDict[str, str]) -> None:
    """Make a draft of the page, or keep it as typed where it is none. Raises EditedElsewhere."""
    notice = _KEPT_DRAFT if state.integration.state == IntegrationState.DRAFT else _KEPT_EDIT
    edition, valid = request.form.get("edition", 0, int), form.validate()
    record = step.read(form, state)
    if valid and record is not None:
        drafts.save(state.id, step.name, record, edition)
    elif not drafts.keep_typed(state.id, step.name, as_left(values), edition):
        abort(413, TOO_LARGE)
    flash(notice.format(step.title), "success")


def _outside(state: WizardState) -> str:
    """Return the page that leads into the wizard."""
    if state.integration.state == IntegrationState.DRAFT:
        return url_for("integrations.index")
    return url_for("integrations.show", integration_id=state.id)
