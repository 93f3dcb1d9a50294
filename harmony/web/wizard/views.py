"""The wizard: every page has an address, can be left and resumed; Verify, then Next."""

from __future__ import annotations

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import Form

from harmony.clock import now
from harmony.jobs.kinds import JobKind
from harmony.jobs.queue import TICK, enqueue
from harmony.models import IntegrationState
from harmony.models.configuration import DEPLOYMENT, SERVER, SYNCHRONIZATION, TAGGING
from harmony.security.auth import needs_recent_proof, needs_recent_proof_for, shown_on
from harmony.security.credentials import SECRET_FIELDS
from harmony.security.permissions import Permission, needs
from harmony.setup import apply, drafts
from harmony.setup.tag_creation import make_missing
from harmony.setup.verify import verify as verify_page
from harmony.setup.wizard_state import WizardState
from harmony.web.tags import text as tag_text
from harmony.web.wizard import steps, verification
from harmony.web.wizard.context import page_context, warnings_of
from harmony.web.wizard.steps import STEPS, Step, form_of_draft, href_of, load, step_of
from harmony.web.wizard.tag_withdrawal import left_tags
from harmony.web.wizard.unfinished import CONFLICT, shown_again, values_sent

blueprint = Blueprint("wizard", __name__, url_prefix="/integrations/<int:integration_id>/setup")

_KEPT_AS_TYPED = "Your values are kept as you typed them."
_NOT_VERIFIED = "Your values are kept, but not verified."
_TAGS_NOW = "The worker brings the tags in the UEM in line now."
_WARNED = "Verify passed with a warning. Read it below, then press Verify and {} again to go on."
_UNVERIFIED = "These values are kept, but not verified yet. Press Verify first."


@blueprint.get("")
@needs(Permission.ADMINISTER)
def resume(integration_id: int) -> ResponseReturnValue:
    """Go on where the set-up was left."""
    return redirect(href_of(integration_id, STEPS[load(integration_id).first_open]), 303)


@blueprint.get("/<page>")
@needs(Permission.ADMINISTER)
@needs_recent_proof_for(page=DEPLOYMENT)
def show(integration_id: int, page: str) -> ResponseReturnValue:
    """Show one page with what was last typed."""
    state, step = load(integration_id), step_of(page)
    if page not in state.reachable:
        flash("Complete the earlier pages first.", "info")
        return redirect(href_of(integration_id, STEPS[state.first_open]), 303)
    if unfinished := shown_again(state, step):
        form, notice = unfinished
        return render_page(state, step, form, notice, _KEPT_AS_TYPED)
    return render_page(state, step, form_of_draft(state, step))


@blueprint.post("/<page>")
@shown_on("wizard.show")
@needs_recent_proof_for(page=SERVER)
def save(integration_id: int, page: str) -> ResponseReturnValue:
    """Next, Save or Finish: keep the values, and go on if Verify passed for exactly these."""
    state, step = _ordered(integration_id, page)
    if refused := _keep(state, step):
        return refused
    state = load(integration_id)
    if page not in state.verified:
        return render_page(state, step, form_of_draft(state, step), _UNVERIFIED), 422
    return _go_on(state, step)


@blueprint.post("/<page>/verify")
@shown_on("wizard.show")
def verify(integration_id: int, page: str) -> ResponseReturnValue:
    """Keep the values and ask the UEM whether they work; the answer appears on the page."""
    state, step = _ordered(integration_id, page)
    if page in drafts.WITHOUT_VERIFY:
        abort(404)
    if refused := _keep(state, step):
        return refused
    if request.args.get("then") == "next":
        return _verify_and_go_on(integration_id, step)
    verification.begin(integration_id, page)
    return _to_verification(integration_id, step)


@blueprint.post("/<page>/clear")
@shown_on("wizard.show")
def clear(integration_id: int, page: str) -> ResponseReturnValue:
    """Clear one stored secret; what else was typed stays on the page."""
    _state, step = _ordered(integration_id, page)
    field = request.args.get("field", "")
    if page != SERVER or field not in SECRET_FIELDS:
        abort(404)
    drafts.clear_secret(integration_id, field)
    form = step.form(request.form)
    notice = f"The stored {form[field].label.text} was cleared."
    # The form that was kept holds the secret, too.
    return render_page(load(integration_id), step, form, notice, without_kept_form=True)


@blueprint.post("/tagging/create")
@shown_on("wizard.show", page=TAGGING)
def create_tags(integration_id: int) -> ResponseReturnValue:
    """Keep the values, create the tags that are missing in the UEM, and verify again."""
    state, step = _ordered(integration_id, TAGGING)
    if state.integration.state != IntegrationState.DRAFT:
        abort(409, "Save the page: the worker then creates the tags of a running integration.")
    if refused := _keep(state, step):
        return refused
    created = make_missing(integration_id, g.user.name, now())
    for level, text in tag_text.of_making(created):
        flash(text, level)
    verify_page(integration_id, TAGGING)
    return _to_verification(integration_id, step)


@blueprint.post("/deployment/token")
@shown_on("wizard.show", page=DEPLOYMENT)
@needs_recent_proof
def new_token(integration_id: int) -> ResponseReturnValue:
    """Make another token; apps that carry the former one can then no longer register."""
    _state, step = _ordered(integration_id, DEPLOYMENT)
    drafts.renew_token(integration_id)
    return redirect(href_of(integration_id, step), 303)


@blueprint.post("/synchronization/android-enterprise-groups")
@shown_on("wizard.show", page=SYNCHRONIZATION)
def android_enterprise_groups(integration_id: int) -> ResponseReturnValue:
    """Render the part of the Synchronization page that offers only the groups chosen above it."""
    state, step = _ordered(integration_id, SYNCHRONIZATION)
    context = page_context(state, step, step.form(request.form))
    return render_template("setup/_android_enterprise_groups.html", **context)


def _keep(state: WizardState, step: Step) -> ResponseReturnValue | None:
    """Read and store the form; return the answer when that is not possible."""
    form = step.form(values_sent(state, step))
    valid = form.validate()
    # Read in any case: what it complains of belongs into the same answer.
    record = step.read(form, state)
    if record is None or not valid:
        return render_page(state, step, form), 422
    try:
        drafts.save(state.id, step.name, record, request.form.get("edition", 0, int))
    except drafts.EditedElsewhere:
        return render_page(load(state.id), step, form, CONFLICT), 409
    return None


def _verify_and_go_on(integration_id: int, step: Step) -> ResponseReturnValue:
    """Wait for Verify, then go on; show beside the fields what it found wrong with them."""
    passed, state = verify_page(integration_id, step.name), load(integration_id)
    if passed:
        return _past_warnings(state, step)
    form = form_of_draft(state, step)
    if step.judge(form, state):
        return render_page(state, step, form, outcome=_NOT_VERIFIED), 422
    return _to_verification(integration_id, step)


def _past_warnings(state: WizardState, step: Step) -> ResponseReturnValue:
    """Stop once at what Verify warns of; whoever has seen just these warnings goes on."""
    warnings = warnings_of(state.verification(step.name))
    if warnings and request.form.get("seen") != warnings:
        button = "Next" if state.integration.state == IntegrationState.DRAFT else "Save"
        flash(_WARNED.format(button), "warning")
        return _to_verification(state.id, step)
    return _go_on(state, step)


def _go_on(state: WizardState, step: Step) -> ResponseReturnValue:
    """Go to the next page or put this one in force; say on the page why that cannot be."""
    try:
        return _advance(state, step)
    except apply.Overlapping as overlapping:
        notice = f"These values are kept, but not in force. {overlapping.sentence}"
    except apply.NotVerified:  # somebody saved other values in the meantime
        notice = _UNVERIFIED
    state = load(state.id)
    return render_page(state, step, form_of_draft(state, step), notice), 422


def _advance(state: WizardState, step: Step) -> ResponseReturnValue:
    """Go to the next page of a draft; put the page of a running integration in force at once."""
    following = steps.after(step)
    if state.integration.state == IntegrationState.DRAFT:
        return redirect(href_of(state.id, following), 303) if following else _finish(state.id)
    if step.name == TAGGING and left_tags(state):
        return redirect(url_for("leaving.show", integration_id=state.id), 303)
    cleared = apply.save(state.id, step.name, g.user.name, now())
    when = _TAGS_NOW if step.name == TAGGING else "It applies from the next sync."
    flash(f"{step.title} saved. {when}{_cleared(cleared)}", "success")
    enqueue(TICK)
    return redirect(url_for("integrations.show", integration_id=state.id), 303)


def _cleared(devices: int) -> str:
    if not devices:
        return ""
    whose = "1 device" if devices == 1 else f"{devices:,} devices"
    return f" The personal data that is no longer imported was cleared from {whose}."


def _finish(integration_id: int) -> ResponseReturnValue:
    apply.finish(integration_id, g.user.name, now())
    enqueue(JobKind.DEVICES, integration_id)
    return redirect(url_for("integrations.show", integration_id=integration_id), 303)


def _to_verification(integration_id: int, step: Step) -> ResponseReturnValue:
    return redirect(href_of(integration_id, step) + "#verification", 303)


def render_page(
    state: WizardState,
    step: Step,
    form: Form,
    notice: str = "",
    outcome: str = "",
    *,
    without_kept_form: bool = False,
) -> str:
    """Render the page of a step: `notice` on top, `outcome`: what became of wrong values."""
    context = page_context(state, step, form)
    if without_kept_form:
        context["kept_id"] = ""
    return render_template(step.template, notice=notice, outcome=outcome, **context)


def _ordered(integration_id: int, page: str) -> tuple[WizardState, Step]:
    """Load the page, unless pages before it are still open: their order is part of the promise."""
    state, step = load(integration_id), step_of(page)
    if page not in state.reachable:
        abort(409, "The pages before this one are not verified yet; nothing was saved.")
    return state, step
