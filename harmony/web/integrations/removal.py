"""The page that removes an integration: what is deleted, what to do with devices and tags, the name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select
from wtforms import RadioField, StringField

from harmony.clock import now
from harmony.db import db, write
from harmony.jobs.kinds import JobKind
from harmony.jobs.queue import REMOVE, enqueue
from harmony.models import Device, Event, Integration, IntegrationState, Registration
from harmony.security.auth import needs_recent_proof, shown_on
from harmony.security.permissions import Permission, needs
from harmony.setup import former_tags
from harmony.sync import lifecycle, removal_undo
from harmony.sync.deletion import soft_delete
from harmony.tagging.removal import retire_all
from harmony.web.integrations import overview
from harmony.web.integrations.tags_left import FINISHED, tags_left
from harmony.web.runs import job_status
from harmony.web.shared.banners import why_no_sync
from harmony.web.shared.pasted import stripped
from harmony.web.shared.typed import ConsoleForm

blueprint = Blueprint("removal", __name__, url_prefix="/integrations/<int:integration_id>/remove")

KEEP, HIDE, DELETE = "keep", "hide", "delete"
TAKE_OFF, LEAVE = "take_off", "leave"
_SAID = {
    KEEP: "{} was removed. Its devices stay in the list and are no longer updated.",
    HIDE: "{} was removed with its devices. You can undo this for 30 days under Removed integrations.",
    DELETE: "{} is being removed with its devices. The worker deletes them now; nothing in the UEM changes.",
}


_STILL = "They are still on {}. Wait until they are removed, or leave them there."


class _RemoveForm(ConsoleForm):
    """The name, typed, so that nobody removes the wrong one; what can be undone is the default."""

    tags = RadioField("Its tags in the UEM", default=TAKE_OFF)
    devices = RadioField("Its devices", default=HIDE)
    name = StringField("Name of the integration", filters=[stripped])


@blueprint.get("")
@needs(Permission.ADMINISTER)
def show(integration_id: int) -> ResponseReturnValue:
    """Show what would go."""
    integration = db.get_or_404(Integration, integration_id)
    if integration.state == IntegrationState.REMOVING:
        return redirect(url_for("integrations.show", integration_id=integration_id), 303)
    return _render(integration, _form(integration))


@blueprint.get("/tags")
@needs(Permission.ADMINISTER)
def tags(integration_id: int) -> ResponseReturnValue:
    """The part of the page that follows while tags are taken off."""
    integration = db.get_or_404(Integration, integration_id)
    return render_template("integrations/_taking_off.html", **_taking_off(integration))


@blueprint.post("")
@shown_on("removal.show")
@needs_recent_proof
def remove(integration_id: int) -> ResponseReturnValue:
    """Remove it, if the name was typed, its tags first if so wished; a draft is not worth the question."""
    integration = db.get_or_404(Integration, integration_id)
    form, state = _form(integration), integration.state
    if state != IntegrationState.DRAFT and not _valid(form, integration):
        return _render(integration, form), 422
    if form.tags and form.tags.data == TAKE_OFF:
        retire_all(integration_id, g.user.name, now())
        enqueue(JobKind.TAGGING, integration_id)
        typed = {"devices": form.devices.data, "name": form.name.data}
        return redirect(url_for("removal.show", integration_id=integration_id, **typed), 303)
    return _cut(integration, form.devices.data if state in FINISHED else DELETE)


def _cut(integration: Integration, how: str) -> ResponseReturnValue:
    """The end of the link to the UEM."""
    id_, state, name = integration.id, integration.state, integration.name
    if state != IntegrationState.REMOVING:
        with write() as session:
            former_tags.remember_all(session, id_, now())
        if how == HIDE:
            removal_undo.hide(id_, g.user.name, now())
        else:
            lifecycle.remove(id_, g.user.name, now(), keep_devices=how == KEEP)
    enqueue(REMOVE, id_)
    text = "{} was discarded." if state == IntegrationState.DRAFT else _SAID[how]
    flash(text.format(name), "success")
    return redirect(url_for("integrations.index"), 303)


def _form(integration: Integration) -> _RemoveForm:
    form = _RemoveForm(request.form or None, data=request.args)
    devices = _the_devices(overview.device_count(integration.id))
    form.devices.choices = [
        (HIDE, f"Remove {devices} too. You can undo this for {removal_undo.UNDO_FOR.days} days."),
        (
            KEEP,
            f"Keep {devices} in the list, no longer updated. Credentials are deleted at once: no undo.",
        ),
    ]
    form.tags.choices = list(_ways(integration))
    if not form.tags.choices:
        del form.tags
    return form


def _ways(integration: Integration) -> Iterator[tuple[str, str]]:
    """What can become of the tags; nothing where there are none to ask about."""
    left = tags_left(integration)
    if not left:
        return
    devices = _the_devices(left.devices)
    if left.possible:
        yield TAKE_OFF, f"Remove the tags from {devices} first, then press Remove again."
    yield LEAVE, f"Leave them on {devices}. UEM rules keep acting on them, but they are no longer updated."


def _the_devices(count: int) -> str:
    return "the device" if count == 1 else f"the {count:,} devices"


def _valid(form: _RemoveForm, integration: Integration) -> bool:
    form.validate()
    if form.devices.errors:
        form.devices.errors = ["Choose what happens to the devices."]
    if form.tags and form.tags.errors:
        form.tags.errors = ["Choose what happens to the tags."]
    elif form.tags and form.tags.data == TAKE_OFF and (left := tags_left(integration)).begun:
        form.tags.errors = [_STILL.format(_the_devices(left.devices))]
    if form.name.data != integration.name:
        form.name.errors = [f"Type {integration.name} exactly as it is written here."]
    return not form.errors


def _taking_off(integration: Integration) -> dict[str, Any]:
    """How far it has come; the part of the page that follows it needs no more."""
    return {
        "integration": integration,
        "left": tags_left(integration),
        "pushes": job_status.job_status(integration, JobKind.TAGGING),
    }


def _consequences(integration_id: int) -> dict[str, int]:
    """Count what goes with the integration."""
    own = Device.integration_id == integration_id
    apps = select(func.count()).select_from(Registration).join(Device, Device.id == Registration.device_id)
    events = select(func.count()).select_from(Event).where(Event.integration_id == integration_id)
    return {
        "devices": soft_delete.all_of(integration_id),
        "registrations": db.session.scalar(apps.where(own, Registration.ended_at.is_(None))) or 0,
        "events": db.session.scalar(events) or 0,
    }


def _render(integration: Integration, form: _RemoveForm) -> str:
    context = _taking_off(integration)
    possible = context["left"].possible
    return render_template(
        "integrations/remove.html",
        form=form,
        **_consequences(integration.id),
        until=removal_undo.UNDO_FOR,
        tags_help=None if possible else why_no_sync(integration, "They cannot be taken off now"),
        **context,
    )
