"""Notices: what the signed-in user wants to be told of, and where."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from harmony.clock import now
from harmony.config import current_settings
from harmony.db import db
from harmony.jobs.queue import NOTICES, enqueue
from harmony.messages.notices import subscriptions
from harmony.messages.notices.kinds import WORDS
from harmony.models import MailServer
from harmony.security.auth import shown_on
from harmony.security.permissions import Permission, needs
from harmony.web.notices.forms import NoticesForm

blueprint = Blueprint("notices", __name__, url_prefix="/settings/notices")

_SAVED = "Notices saved."
_SENT = "A test notice is on its way."
_NOWHERE = "Save an address or a chat room first."


@blueprint.get("")
@needs(Permission.VIEW_ALL)
def show() -> ResponseReturnValue:
    """Show what the user asked for."""
    line = subscriptions.subscription_of(db.session(), g.user.id)
    form = NoticesForm(data={"address": line.address, "kinds": line.kinds, "channels": line.channel_ids})
    return _page(form)


@blueprint.post("")
@shown_on("notices.show")
@needs(Permission.VIEW_ALL)
def save() -> ResponseReturnValue:
    """Store what the user asks for."""
    form = NoticesForm(request.form)
    form.offer(subscriptions.chat_channels(db.session()))
    if not form.validate():
        return _page(form), 422
    chosen = (form.address.data or "", form.kinds.data or [], form.channels.data or [])
    subscriptions.subscribe(g.user, *chosen, now())
    flash(_SAVED, "success")
    return redirect(url_for("notices.show"), 303)


@blueprint.post("/test")
@needs(Permission.VIEW_ALL)
def test() -> ResponseReturnValue:
    """Send a test notice to where the user's notices go."""
    if subscriptions.send_test(g.user, now()):
        enqueue(NOTICES)
        flash(_SENT, "success")
    else:
        flash(_NOWHERE, "warning")
    return redirect(url_for("notices.show"), 303)


def _page(form: NoticesForm) -> str:
    form.offer(rooms := subscriptions.chat_channels(db.session()))
    return render_template(
        "notices/show.html",
        form=form,
        words=WORDS,
        rooms=rooms,
        has_mail_server=db.session.get(MailServer, 1) is not None,
        has_address=bool(current_settings().public_url),
    )
