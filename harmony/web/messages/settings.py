"""The settings of messages: the mail server, the channels, and a test message for each."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db
from harmony.mail.envelope import DeliveryError
from harmony.messages import settings
from harmony.messages.channel import Way
from harmony.models import ChannelKind, MessageChannel
from harmony.relay import connectors
from harmony.security.auth import needs_recent_proof, shown_on
from harmony.security.permissions import Permission, needs
from harmony.web.messages.forms import ChannelForm, MailServerForm, TrialForm, filled
from harmony.web.shared.fields import keep_unsent
from harmony.web.shared.ids import number

blueprint = Blueprint("message_settings", __name__, url_prefix="/settings/messages/settings")

_CONFLICT = (
    "Somebody else saved these settings meanwhile. Your values are shown; send them again to replace theirs."
)
_SENT = "The server took the test message and answered: "


@blueprint.get("")
@needs(Permission.ADMINISTER)
def show() -> ResponseReturnValue:
    """Show the mail server and the channels."""
    return _page()


@blueprint.post("")
@shown_on("message_settings.show")
@needs_recent_proof
def save() -> ResponseReturnValue:
    """Save the mail server."""
    form = MailServerForm(request.form)
    keep_unsent(form.connector, _saved_connector())
    if form.validate() and not _lacks_password(form):
        try:
            settings.save_mail_server(form.values(), _edition(), g.user.name, now())
        except settings.ChangedMeanwhile:
            return _page(mail=form, notice=_CONFLICT), 409
        flash("The mail server was saved. Send a test message to see whether it works.", "success")
        return _back()
    return _page(mail=form), 422


@blueprint.post("/remove")
@needs_recent_proof
def remove() -> ResponseReturnValue:
    """Remove the mail server."""
    settings.remove_mail_server(g.user.name, now())
    flash("The mail server was removed.", "success")
    return _back()


@blueprint.post("/test")
@shown_on("message_settings.show")
def test_mail() -> ResponseReturnValue:
    """Send a test message by mail."""
    return _test(Way(ChannelKind.EMAIL))


@blueprint.post("/channels")
@shown_on("message_settings.show")
@needs_recent_proof
def add_channel() -> ResponseReturnValue:
    """Add a gateway."""
    form = ChannelForm(request.form)
    valid = form.validate()
    if not form.url.data:
        form.url.errors = ["Enter the address of the gateway."]
    if not valid or form.url.errors:
        return _page(channel=form), 422
    kind = ChannelKind(form.kind.data)
    settings.add_channel(kind, form.name.data or "", form.url.data or "", g.user.name, now())
    flash("The channel was added. Send a test message to see whether it works.", "success")
    return _back()


@blueprint.get("/channels/<int:channel_id>")
@needs(Permission.ADMINISTER)
def channel(channel_id: int) -> ResponseReturnValue:
    """Show one gateway: its name, a new address, a test message."""
    row = db.get_or_404(MessageChannel, channel_id)
    return _channel_page(row, ChannelForm(kind=row.kind, name=row.name))


@blueprint.post("/channels/<int:channel_id>")
@shown_on("message_settings.channel")
@needs_recent_proof
def save_channel(channel_id: int) -> ResponseReturnValue:
    """Save one gateway; an empty address keeps the saved one."""
    row = db.get_or_404(MessageChannel, channel_id)
    form = ChannelForm(request.form, kind=row.kind)
    form.kind.data = row.kind
    if not form.validate():
        return _channel_page(row, form), 422
    try:
        typed = (form.name.data or "", form.url.data or "")
        settings.save_channel(channel_id, *typed, _edition(), by=g.user.name, now=now())
    except settings.ChangedMeanwhile:
        return _channel_page(db.get_or_404(MessageChannel, channel_id), form, notice=_CONFLICT), 409
    flash("The channel was saved.", "success")
    return _back()


@blueprint.post("/channels/<int:channel_id>/remove")
@needs_recent_proof
def remove_channel(channel_id: int) -> ResponseReturnValue:
    """Remove one gateway."""
    db.get_or_404(MessageChannel, channel_id)
    settings.remove_channel(channel_id, g.user.name, now())
    flash("The channel was removed.", "success")
    return _back()


@blueprint.post("/channels/<int:channel_id>/test")
@shown_on("message_settings.channel")
def test_channel(channel_id: int) -> ResponseReturnValue:
    """Send a test message over a gateway."""
    row = db.get_or_404(MessageChannel, channel_id)
    return _test(Way(ChannelKind(row.kind), channel_id), row)


def _test(way: Way, row: MessageChannel | None = None) -> ResponseReturnValue:
    form = TrialForm(request.form)
    shown = ChannelForm(kind=row.kind, name=row.name) if row else None
    if not form.complete(way.kind):
        page = _channel_page(row, shown, trial=form) if row and shown else _page(trial=form)
        return page, 422
    try:
        flash(_SENT + settings.send_test(way, form.to.data or "", now()), "success")
    except DeliveryError as error:
        flash(str(error), "danger")
    if row is None:
        return _back()
    return redirect(url_for("message_settings.channel", channel_id=way.channel_id), 303)


def _lacks_password(form: MailServerForm) -> bool:
    values = form.values()
    saved = settings.mail_server(db.session())
    if values.username and not values.password and not settings.keeps_password(saved, values):
        moved = saved is not None and saved.connector != values.connector
        again = "The Connector was changed: enter the password again."
        form.password.errors = [again if moved else "Enter the password of this user for this server."]
        return True
    return False


def _saved_connector() -> str:
    server = settings.mail_server(db.session())
    return server.connector if server else ""


def _edition() -> int:
    return number(request.form.get("edition", "")) or 0


def _page(notice: str = "", **forms: Any) -> str:
    server = settings.mail_server(db.session())
    channels = db.session.scalars(
        select(MessageChannel).order_by(MessageChannel.name, MessageChannel.id)
    ).all()
    mail = forms.get("mail") or filled(server)
    mail.connector.choices = connectors.offered(_saved_connector(), "None: sent directly")
    channel_form, trial = forms.get("channel") or ChannelForm(), forms.get("trial") or TrialForm()
    return render_template(
        "messages/settings.html", server=server, channels=channels, mail=mail, channel=channel_form,
        trial=trial, notice=notice,
    )  # fmt: skip


def _channel_page(
    row: MessageChannel, form: ChannelForm, *, trial: TrialForm | None = None, notice: str = ""
) -> str:
    return render_template(
        "messages/channel.html", row=row, form=form, trial=trial or TrialForm(), notice=notice
    )


def _back() -> ResponseReturnValue:
    return redirect(url_for("message_settings.show"), 303)
