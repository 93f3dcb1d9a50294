"""The wizard: every page has an address, can be left and resumed; Verify, then Next."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import Form

from harmony.clock import now
from harmony.jobs.queue import SYNC, TICK, enqueue
from harmony.models import Integration, IntegrationState
from harmony.models.configuration import DEPLOYMENT, SERVER, SYNCHRONIZATION, TAGGING
from harmony.security.auth import shown_on
from harmony.security.credentials import SECRET_FIELDS
from harmony.setup import apply, drafts
from harmony.setup.tag_creation import make_missing
from harmony.setup.verify import verify as verify_page
from harmony.web.shared.integrations import connected_or_404
from harmony.web.tags import text as tag_text
from harmony.web.wizard import steps, verification
from harmony.web.wizard.context import page_context, warnings_of
from harmony.web.wizard.steps import STEPS, Step
from harmony.web.wizard.tag_withdrawal import leaving
from harmony.web.wizard.unfinished import CONFLICT, shown_again, values_sent

blueprint = Blueprint("wizard", __name__, url_prefix="/integrations/<int:integration_id>/setup")

_KEPT_AS_TYPED = "Your values are kept as you typed them."
_NOT_VERIFIED = "Your values are kept, but not verified."
_TAGS_NOW = "The worker brings the tags in the UEM in line now."
_WARNED = "Verify passed with a warning. Read it below, then press Verify and {} again to go on."
_UNVERIFIED = "These values are kept, but not verified yet. Press Verify first."


@blueprint.get("")
def resume(integration_id: int) -> ResponseReturnValue:
    """Go on where the set-up was left."""
    integration = _integration(integration_id)
    return redirect(href_of(integration, STEPS[drafts.first_open_page(integration)]), 303)


@blueprint.get("/<page>")
def show(integration_id: int, page: str) -> ResponseReturnValue:
    """One page with what was last typed."""
    integration, step = _integration(integration_id), step_of(page)
    if not drafts.reachable(integration, page):
        flash("The pages before this one come first.", "info")
        return redirect(href_of(integration, STEPS[drafts.first_open_page(integration)]), 303)
    if unfinished := shown_again(integration, step):
        form, notice = unfinished
        return render_page(integration, step, form, notice, _KEPT_AS_TYPED)
    return render_page(integration, step, _form_as_kept(integration, step))


@blueprint.post("/<page>")
@shown_on("wizard.show")
def save(integration_id: int, page: str) -> ResponseReturnValue:
    """Next, Save or Finish: keep the values, and go on if Verify passed for exactly these."""
    integration, step = _ordered(integration_id, page)
    form, refused = _keep(integration, step)
    if refused:
        return refused
    integration = _integration(integration_id)
    form = _form_as_kept(integration, step)
    if not drafts.is_verified(integration, page):
        return render_page(integration, step, form, _UNVERIFIED), 422
    return _go_on(integration, step, form)


@blueprint.post("/<page>/verify")
@shown_on("wizard.show")
def verify(integration_id: int, page: str) -> ResponseReturnValue:
    """Keep the values and ask the UEM whether they work; the answer stands on the page."""
    integration, step = _ordered(integration_id, page)
    if page in drafts.WITHOUT_VERIFY:
        abort(404)
    form, refused = _keep(integration, step)
    if refused:
        return refused
    if request.args.get("then") != "next":
        verification.begin(integration_id, page)
    elif verify_page(integration_id, page):
        return _past_warnings(_integration(integration_id), step, form)
    elif step.judge(form := _form_as_kept(_integration(integration_id), step), _integration(integration_id)):
        return render_page(_integration(integration_id), step, form, outcome=_NOT_VERIFIED), 422
    return redirect(href_of(integration, step) + "#verification", 303)


@blueprint.post("/<page>/clear")
@shown_on("wizard.show")
def clear(integration_id: int, page: str) -> ResponseReturnValue:
    """Clear one stored secret; what else was typed stays on the page."""
    integration, step = _ordered(integration_id, page)
    field = request.args.get("field", "")
    if page != SERVER or field not in SECRET_FIELDS:
        abort(404)
    drafts.clear_secret(integration_id, field)
    form = step.form(request.form)
    return render_page(
        integration, step, form, f"The stored {form[field].label.text} is cleared.", kept_id=""
    )


@blueprint.post("/tagging/create")
@shown_on("wizard.show", page=TAGGING)
def create_tags(integration_id: int) -> ResponseReturnValue:
    """Keep the values, make the tags that are missing in the UEM, and look again what is there."""
    integration, step = _ordered(integration_id, TAGGING)
    if integration.state != IntegrationState.DRAFT:
        abort(409, "The worker creates the tags of an integration that runs: save the page instead.")
    _form, refused = _keep(integration, step)
    if refused:
        return refused
    made = make_missing(integration_id, g.user.name, now())
    for level, text in tag_text.of_making(made):
        flash(text, level)
    verify_page(integration_id, TAGGING)
    return redirect(href_of(_integration(integration_id), step) + "#verification", 303)


@blueprint.post("/deployment/token")
@shown_on("wizard.show", page=DEPLOYMENT)
def new_token(integration_id: int) -> ResponseReturnValue:
    """Make another token; apps that carry the former one can then no longer register."""
    integration, step = _ordered(integration_id, DEPLOYMENT)
    drafts.renew_token(integration_id)
    return redirect(href_of(integration, step), 303)


@blueprint.post("/synchronization/android-enterprise-groups")
@shown_on("wizard.show", page=SYNCHRONIZATION)
def android_enterprise_groups(integration_id: int) -> ResponseReturnValue:
    """The part of the Synchronization page that offers only the groups chosen above it."""
    integration, step = _ordered(integration_id, SYNCHRONIZATION)
    context = page_context(integration, step, step.form(request.form))
    return render_template("setup/_android_enterprise_groups.html", **context)


def _keep(integration: Integration, step: Step) -> tuple[Form, ResponseReturnValue | None]:
    """Read and store the form; the second value is the answer when that was not possible."""
    form = step.form(values_sent(integration, step))
    valid = form.validate()
    # Read in any case: what it complains of belongs into the same answer.
    record = step.read(form, integration)
    if record is None or not valid:
        return form, (render_page(integration, step, form), 422)
    try:
        drafts.save(integration.id, step.name, record, request.form.get("edition", 0, int))
    except drafts.EditedElsewhere:
        return form, (render_page(_integration(integration.id), step, form, CONFLICT), 409)
    return form, None


def _form_as_kept(integration: Integration, step: Step) -> Form:
    """The form of the draft: what follows from other values, as names do from their prefix, has followed."""
    return step.form(data=step.fill(steps.record_of(integration, step)))


def _past_warnings(integration: Integration, step: Step, form: Form) -> ResponseReturnValue:
    """Stop once at what Verify warns of; whoever has seen just these warnings goes on."""
    warnings = warnings_of(integration, step.name)
    if warnings and request.form.get("seen") != warnings:
        flash(_WARNED.format("Save" if integration.state != IntegrationState.DRAFT else "Next"), "warning")
        return redirect(href_of(integration, step) + "#verification", 303)
    return _go_on(integration, step, form)


def _go_on(integration: Integration, step: Step, form: Form) -> ResponseReturnValue:
    """Go to the next page or put this one in force; say on the page why that cannot be."""
    try:
        return _advance(integration, step)
    except apply.Overlapping as overlapping:
        notice = f"These values are kept, but not in force. {overlapping.sentence}"
    except apply.NotVerified:  # somebody saved other values in the meantime
        notice = _UNVERIFIED
    return render_page(_integration(integration.id), step, form, notice), 422


def _advance(integration: Integration, step: Step) -> ResponseReturnValue:
    """To the next page of a draft; an integration that runs takes the page in force at once."""
    following = steps.after(step)
    if integration.state == IntegrationState.DRAFT:
        return redirect(href_of(integration, following), 303) if following else _finish(integration)
    if step.name == TAGGING and leaving(integration):
        return redirect(url_for("leaving.show", integration_id=integration.id), 303)
    cleared = apply.save(integration.id, step.name, g.user.name, now())
    when = _TAGS_NOW if step.name == TAGGING else "It applies from the next sync."
    flash(f"{step.title} saved. {when}{_cleared(cleared)}", "success")
    enqueue(TICK)
    return redirect(url_for("integrations.show", integration_id=integration.id), 303)


def _cleared(devices: int) -> str:
    if not devices:
        return ""
    whose = "1 device" if devices == 1 else f"{devices:,} devices"
    return f" The personal data that is no longer imported was cleared from {whose}."


def _finish(integration: Integration) -> ResponseReturnValue:
    apply.finish(integration.id, g.user.name, now())
    enqueue(SYNC, integration.id)
    return redirect(url_for("integrations.show", integration_id=integration.id), 303)


def render_page(
    integration: Integration, step: Step, form: Form, notice: str = "", outcome: str = "", **more: Any
) -> str:
    """The page of a step with its form as it is, `notice` on top, `outcome`: what became of wrong values."""
    context: dict[str, Any] = page_context(integration, step, form) | more
    return render_template(step.template, notice=notice, outcome=outcome, **context)


def href_of(integration: Integration, step: Step) -> str:
    """The address of a step's page."""
    return url_for("wizard.show", integration_id=integration.id, page=step.name)


def _integration(integration_id: int) -> Integration:
    return connected_or_404(integration_id)


def step_of(page: str) -> Step:
    """The step of that name. Aborts with 404."""
    return STEPS.get(page) or abort(404)


def _ordered(integration_id: int, page: str) -> tuple[Integration, Step]:
    """The page, unless pages before it are still open: their order is part of the promise."""
    integration, step = _integration(integration_id), step_of(page)
    if not drafts.reachable(integration, page):
        abort(409, "The pages before this one are not verified yet; nothing was saved.")
    return integration, step
