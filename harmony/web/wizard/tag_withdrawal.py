"""The question, on Save of Tagging, what happens to tags that are switched off or renamed on devices."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import Form, HiddenField, RadioField

from harmony.clock import now
from harmony.jobs.kinds import JobKind
from harmony.jobs.queue import enqueue
from harmony.models.configuration import TAGGING
from harmony.security.auth import shown_on
from harmony.security.permissions import Permission, needs
from harmony.setup import apply
from harmony.setup.edits import left_behind
from harmony.setup.wizard_state import WizardState
from harmony.tagging.names import is_managed, name_of
from harmony.web.deletions.text import counted
from harmony.web.shared import typed
from harmony.web.tags import queries as tag_queries
from harmony.web.wizard.steps import STEPS, href_of, load

blueprint = Blueprint(
    "leaving", __name__, url_prefix="/integrations/<int:integration_id>/setup/tagging/leaving"
)

TAKE_OFF, LEAVE = "take_off", "leave"
_SAVED = {
    TAKE_OFF: "Tagging saved. The worker removes the former tags from {} now.",
    LEAVE: "Tagging saved. The former tags stay on {}; they are no longer updated.",
}
_MEANWHILE = "Tagging has been changed by somebody else. Check the values below and decide again."


class _TagForm(Form):
    """The choice for tags that are left; `edition` is that of the page it was asked for."""

    tags = RadioField("These tags", default=TAKE_OFF)
    edition = HiddenField()


@dataclass(frozen=True, slots=True)
class _LeftTag:
    """One tag that is left behind, its devices, and its name from now on; None when it is switched off."""

    name: str
    key: str
    devices: int
    later: str | None


def left_tags(state: WizardState) -> list[_LeftTag]:
    """Return the tags that Save of the Tagging page would leave on devices; none when nothing is to ask."""
    before, after = state.in_force.tagging, state.draft.tagging
    lines = {line.tag.key: line for line in tag_queries.lines(state.id) if line.counts.present}
    return [
        _LeftTag(
            lines[key].tag.name, key, lines[key].counts.present,
            name_of(key, after) if is_managed(key, after) else None,
        )
        for key in left_behind(before, after, lines)
    ]  # fmt: skip


@blueprint.get("")
@needs(Permission.ADMINISTER)
def show(integration_id: int) -> ResponseReturnValue:
    """Ask what happens to the tags."""
    state = load(integration_id)
    tags = left_tags(state)
    if not tags:
        return redirect(href_of(integration_id, STEPS[TAGGING]), 303)
    return _render(state, tags, _form(state, tags))


@blueprint.post("")
@shown_on("leaving.show")
def save(integration_id: int) -> ResponseReturnValue:
    """Put the page in force, and have the tags taken off or left."""
    state = load(integration_id)
    tags = left_tags(state)
    form = _form(state, tags)
    if not form.validate():
        form.tags.errors = ["Choose what happens to the tags."]
        return _render(state, tags, form), 422
    if form.edition.data != str(state.edition(TAGGING)) or TAGGING not in state.verified:
        flash(_MEANWHILE, "warning")
        return redirect(href_of(integration_id, STEPS[TAGGING]), 303)
    take_off, devices = form.tags.data == TAKE_OFF, _devices(state, tags)
    apply.save(integration_id, TAGGING, g.user.name, now(), take_off=take_off)
    enqueue(JobKind.TAGGING, integration_id)
    flash(_SAVED[form.tags.data].format(devices), "success")
    page = "tags.index" if take_off else "integrations.show"
    return redirect(url_for(page, integration_id=integration_id), 303)


def _form(state: WizardState, tags: list[_LeftTag]) -> _TagForm:
    form, devices = _TagForm(typed.sent(), data={"edition": state.edition(TAGGING)}), _devices(state, tags)
    form.tags.choices = [
        (TAKE_OFF, f"Remove them from {devices}. The worker starts at once; you can follow its progress."),
        (LEAVE, f"Leave them on {devices}. UEM rules keep acting on them, but they are no longer updated."),
    ]
    return form


def _devices(state: WizardState, tags: list[_LeftTag]) -> str:
    return counted(tag_queries.devices_with(state.id, [tag.key for tag in tags]))


def _render(state: WizardState, tags: list[_LeftTag], form: _TagForm) -> str:
    return render_template("setup/leaving.html", integration=state.integration, form=form, leaving=tags)
