"""The outbox on a page: what waits, what left, and why something did not; newest first."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from harmony.audit import audit
from harmony.clock import now
from harmony.config import current_settings
from harmony.db import db, write
from harmony.jobs.kinds import JobKind
from harmony.jobs.queue import NOTICES, enqueue
from harmony.messages import outbox
from harmony.models import ChannelKind, Device, Integration, Message, MessageKind, MessageState
from harmony.security.permissions import Permission, needs
from harmony.web.shared.filters import ChoiceFilter, Filter, Filters, IdFilter, words_of
from harmony.web.shared.hidden import shown
from harmony.web.shared.paging import Order, Query

blueprint = Blueprint("messages", __name__, url_prefix="/settings/messages")

# Each state with its word and its badge.
STATES = {
    MessageState.QUEUED: ("Waiting", "pending"),
    MessageState.SENDING: ("Leaving", "running"),
    MessageState.SENT: ("Sent", "ok"),
    MessageState.FAILED: ("Given up", "failed"),
    MessageState.CANCELLED: ("Not sent", "cancelled"),
}
_KINDS = {
    MessageKind.REGISTRATION: "Registration",
    MessageKind.NOTICE: "Notice",
    MessageKind.SUMMARY: "Summary",
    MessageKind.TEST: "Test",
}
_CHANNELS = {ChannelKind.EMAIL: "Mail", ChannelKind.SMS: "SMS", ChannelKind.CHAT: "Chat"}
FILTERS: tuple[Filter, ...] = (
    ChoiceFilter("state", Message.state, words_of(STATES)),
    ChoiceFilter("kind", Message.kind, words_of(_KINDS)),
    ChoiceFilter("channel", Message.channel, words_of(_CHANNELS)),
    IdFilter("integration", Message.integration_id),
    IdFilter("device", Message.device_id),
)
_NEWEST_FIRST = Order(Message.id)
_GONE = "This message has left, or is leaving right now."


@blueprint.get("")
def index() -> ResponseReturnValue:
    """Show a page of messages."""
    filters, place = Filters.from_query(FILTERS, request.args), _NEWEST_FIRST.place(request.args)
    integrations = db.session.execute(
        select(Integration.id, Integration.name).where(*shown(Integration.id)).order_by(Integration.name)
    ).all()
    return render_template(
        "messages/index.html", filters=filters, place=place, states=STATES, kinds=_KINDS, channels=_CHANNELS,
        page=_NEWEST_FIRST.page(_messages(filters), place), integrations=integrations,
        kept_days=current_settings().messages_kept_days,
    )  # fmt: skip


@blueprint.post("/<int:message_id>/retry")
@needs(Permission.OPERATE_ALL)
def retry(message_id: int) -> ResponseReturnValue:
    """Try a message at once that waits or was not sent."""
    integration_id = db.get_or_404(Message, message_id).integration_id
    with write() as session:
        done = outbox.retry(session, [message_id], now())
        if done:
            audit(
                session, g.user.name, "Asked for a message to be sent", now(), detail=f"Message {message_id}"
            )
    if done and integration_id is not None:
        enqueue(JobKind.MESSAGES, integration_id)
    elif done:
        enqueue(NOTICES)
    return _back(done, "The message is tried again now.")


@blueprint.post("/<int:message_id>/cancel")
@needs(Permission.OPERATE_ALL)
def cancel(message_id: int) -> ResponseReturnValue:
    """Cancel a message that waits."""
    db.get_or_404(Message, message_id)
    with write() as session:
        why = f"Cancelled by {g.user.name}."
        done = outbox.cancel(session, Message.id == message_id, why=why, now=now())
        if done:
            audit(session, g.user.name, "Cancelled a message", now(), detail=f"Message {message_id}")
    return _back(done, "The message was cancelled.")


def _messages(filters: Filters) -> Query:
    """Return the messages that `filters` asks for, with the names of what they are about."""
    query: Query = (
        select(
            Message.id, Message.kind, Message.channel, Message.state, Message.attempts, Message.next_at,
            Message.created_at, Message.sent_at, Message.answer, Message.integration_id, Message.device_id,
            Integration.name.label("integration"), Device.name.label("device"),
        )
        .outerjoin(Integration, Integration.id == Message.integration_id)
        .outerjoin(Device, Device.id == Message.device_id)
    )  # fmt: skip
    return query.where(*filters.conditions(), *shown(Message.integration_id))


def _back(done: int, said: str) -> ResponseReturnValue:
    flash(said if done else _GONE, "success" if done else "warning")
    return redirect(url_for("messages.index"), 303)
