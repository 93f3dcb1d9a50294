"""Remove an integration: a page that says what goes, asks what becomes of the devices, and for the name."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import Form, RadioField, StringField

from harmony.clock import now
from harmony.db import db
from harmony.jobs.queue import ring
from harmony.jobs.tasks import REMOVE
from harmony.models import Integration, IntegrationState
from harmony.sync import lifecycle
from harmony.web import overview
from harmony.web.forms import stripped

blueprint = Blueprint("removal", __name__, url_prefix="/integrations/<int:integration_id>/remove")

KEEP, DELETE = "keep", "delete"
SAID = {
    KEEP: "{} was removed. Its devices stay in the list and are no longer updated.",
    DELETE: "{} is being removed with its devices. The worker deletes them now; nothing in the UEM changes.",
}


class RemoveForm(Form):
    """The name, typed, so that nobody removes the wrong one; keeping the devices is what can be undone."""

    devices = RadioField("Its devices", default=KEEP)
    name = StringField("Name of the integration", filters=[stripped])


@blueprint.get("")
def show(integration_id: int) -> ResponseReturnValue:
    """What would go."""
    integration = db.get_or_404(Integration, integration_id)
    if integration.state == IntegrationState.REMOVING:
        return redirect(url_for("integrations.show", integration_id=integration_id), 303)
    return _render(integration, _form(integration))


@blueprint.post("")
def remove(integration_id: int) -> ResponseReturnValue:
    """Remove it, if the name was typed; a draft holds nothing worth the question."""
    integration = db.get_or_404(Integration, integration_id)
    form, state, name = _form(integration), integration.state, integration.name
    if state != IntegrationState.DRAFT and not _valid(form, name):
        return _render(integration, form), 422
    keep = form.devices.data == KEEP and state != IntegrationState.REMOVED
    if state != IntegrationState.REMOVING:
        lifecycle.remove(integration_id, g.user.name, now(), keep_devices=keep)
    ring(REMOVE, integration_id)
    text = "{} was discarded." if state == IntegrationState.DRAFT else SAID[KEEP if keep else DELETE]
    flash(text.format(name), "success")
    return redirect(url_for("integrations.index"), 303)


def _form(integration: Integration) -> RemoveForm:
    form = RemoveForm(request.form)
    count = overview.device_count(integration.id)
    devices = "the device" if count == 1 else f"the {count:,} devices"
    form.devices.choices = [
        (KEEP, f"Keep {devices}: marked as removed, no longer updated; you can delete them later."),
        (DELETE, f"Delete {devices} with their history. This cannot be undone."),
    ]
    return form


def _valid(form: RemoveForm, name: str) -> bool:
    if not form.validate():
        form.devices.errors = ["Choose what becomes of the devices."]
    if form.name.data != name:
        form.name.errors = [f"Type {name} exactly as it is written here."]
    return not form.errors


def _render(integration: Integration, form: RemoveForm) -> str:
    devices = overview.device_count(integration.id)
    return render_template("integrations/remove.html", integration=integration, form=form, devices=devices)
