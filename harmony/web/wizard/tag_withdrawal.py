"""Save of the Tagging page asks first what becomes of tags on devices that are switched off or renamed."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import Form, HiddenField, RadioField

from harmony.clock import now
from harmony.jobs.kinds import JobKind
from harmony.jobs.queue import enqueue
from harmony.models import Integration
from harmony.models.configuration import TAGGING, Tagging, from_row
from harmony.security.auth import shown_on
from harmony.setup import apply, drafts
from harmony.setup.edits import left_behind
from harmony.tagging.names import is_managed, name_of
from harmony.web.deletions.text import counted
from harmony.web.shared import typed
from harmony.web.shared.integrations import connected_or_404
from harmony.web.tags import queries as tag_queries

blueprint = Blueprint(
    "leaving", __name__, url_prefix="/integrations/<int:integration_id>/setup/tagging/leaving"
)

TAKE_OFF, LEAVE = "take_off", "leave"
_SAVED = {
    TAKE_OFF: "Tagging saved. The worker takes the former tags off {} now.",
    LEAVE: "Tagging saved. The former tags stay on {}; nobody updates them any more.",
}
_MEANWHILE = "Tagging was changed meanwhile. This is what it is about now; decide again."


class _LeavingForm(Form):
    """What becomes of the tags; `edition` is that of the page it was asked for."""

    tags = RadioField("These tags", default=TAKE_OFF)
    edition = HiddenField()


@dataclass(frozen=True, slots=True)
class Leaving:
    """One tag that is left behind, its devices, and its name from now on; None when it is switched off."""

    name: str
    key: str
    devices: int
    later: str | None


def leaving(integration: Integration) -> list[Leaving]:
    """What Save of the Tagging page would leave on devices; nothing when nobody has to be asked."""
    page = integration.page(TAGGING)
    before, after = (from_row(Tagging, row) for row in ((page.applied, page.draft) if page else (None, None)))
    standing = {line.tag.key: line for line in tag_queries.lines(integration.id) if line.counts.present}
    return [
        Leaving(
            standing[key].tag.name, key, standing[key].counts.present,
            name_of(key, after) if is_managed(key, after) else None,
        )
        for key in left_behind(before, after, standing)
    ]  # fmt: skip


@blueprint.get("")
def show(integration_id: int) -> ResponseReturnValue:
    """The question."""
    integration = connected_or_404(integration_id)
    if not leaving(integration):
        return redirect(url_for("wizard.show", integration_id=integration_id, page=TAGGING), 303)
    return _render(integration, _form(integration))


@blueprint.post("")
@shown_on("leaving.show")
def save(integration_id: int) -> ResponseReturnValue:
    """Put the page in force, and have the tags taken off or left."""
    integration = connected_or_404(integration_id)
    form, keys = _form(integration), [one.key for one in leaving(integration)]
    if not form.validate():
        form.tags.errors = ["Choose what becomes of the tags."]
        return _render(integration, form), 422
    if form.edition.data != _edition(integration) or not drafts.is_verified(integration, TAGGING):
        flash(_MEANWHILE, "warning")
        return redirect(url_for("wizard.show", integration_id=integration_id, page=TAGGING), 303)
    devices = counted(tag_queries.devices_with(integration_id, keys))
    take_off = form.tags.data == TAKE_OFF
    apply.save(integration_id, TAGGING, g.user.name, now(), take_off=take_off)
    enqueue(JobKind.TAGGING, integration_id)
    flash(_SAVED[form.tags.data].format(devices), "success")
    page = "tags.index" if take_off else "integrations.show"
    return redirect(url_for(page, integration_id=integration_id), 303)


def _form(integration: Integration) -> _LeavingForm:
    form = _LeavingForm(typed.sent(), data={"edition": _edition(integration)})
    devices = counted(tag_queries.devices_with(integration.id, [one.key for one in leaving(integration)]))
    form.tags.choices = [
        (TAKE_OFF, f"Take them off {devices}. The worker does it at once, and you can follow it."),
        (LEAVE, f"Leave them on {devices}. Rules in the UEM go on acting on them; nobody updates them."),
    ]
    return form


def _edition(integration: Integration) -> str:
    page = integration.page(TAGGING)
    return str(page.edition) if page else ""


def _render(integration: Integration, form: _LeavingForm) -> str:
    return render_template(
        "setup/leaving.html", integration=integration, form=form, leaving=leaving(integration)
    )
