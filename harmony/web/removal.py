"""Remove an integration: a page that says what goes, and asks for the name."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import Form, StringField

from harmony.db import db
from harmony.models import Integration, IntegrationState
from harmony.sync import lifecycle
from harmony.web import overview
from harmony.web.forms import stripped

blueprint = Blueprint("removal", __name__, url_prefix="/integrations/<int:integration_id>/remove")


class RemoveForm(Form):
    """The name, typed, so that nobody removes the wrong one."""

    name = StringField("Name of the integration", filters=[stripped])


@blueprint.get("")
def show(integration_id: int) -> ResponseReturnValue:
    """What would go."""
    return _render(db.get_or_404(Integration, integration_id), RemoveForm())


@blueprint.post("")
def remove(integration_id: int) -> ResponseReturnValue:
    """Remove it, if the name was typed; a draft holds nothing worth the question."""
    integration = db.get_or_404(Integration, integration_id)
    form = RemoveForm(request.form)
    if integration.state != IntegrationState.DRAFT and form.name.data != integration.name:
        form.name.errors = [f"Type {integration.name} exactly as it is written here."]
        return _render(integration, form), 422
    name = integration.name
    lifecycle.remove(integration_id)
    flash(f"{name} was removed.", "success")
    return redirect(url_for("integrations.index"), 303)


def _render(integration: Integration, form: RemoveForm) -> str:
    devices = overview.device_count(integration.id)
    return render_template("integrations/remove.html", integration=integration, form=form, devices=devices)
