"""The outbox on its page: filters, send now, cancel, and what is forgotten in time (rung: web)."""

from __future__ import annotations

from datetime import timedelta

from flask.testing import FlaskClient
from sqlalchemy import select, update

from harmony.clock import now
from harmony.db import db, write
from harmony.messages import outbox
from harmony.messages.outbox import NewMessage
from harmony.models import ChannelKind, Message, MessageKind, MessageState
from harmony.worker import retention
from tests.builders import an_integration
from tests.stored import store


def queued(client: FlaskClient, *keys: str) -> list[int]:
    messages = [NewMessage(MessageKind.NOTICE, ChannelKind.EMAIL, key, "kim") for key in keys]
    with client.application.app_context():
        with write() as session:
            outbox.queue(session, messages, now())
        return list(db.session.scalars(select(Message.id).order_by(Message.id)))


def ended(client: FlaskClient, id_: int, state: MessageState, answer: str) -> None:
    with client.application.app_context(), write() as session:
        session.execute(update(Message).where(Message.id == id_).values(state=state, answer=answer))


def test_the_page_lists_messages_with_their_state_and_reason(signed_in: FlaskClient) -> None:
    assert "No message yet" in signed_in.get("/settings/messages").text
    first, _second = queued(signed_in, "a", "b")
    ended(signed_in, first, MessageState.FAILED, "550 no such mailbox")
    page = signed_in.get("/settings/messages").text
    assert "550 no such mailbox" in page
    assert "550 no such mailbox" not in signed_in.get("/settings/messages?state=queued").text
    assert "No message matches" in signed_in.get("/settings/messages?state=sent").text


def test_a_message_that_was_given_up_is_sent_again_and_one_that_waits_cancelled(
    signed_in: FlaskClient,
) -> None:
    first, second = queued(signed_in, "a", "b")
    ended(signed_in, first, MessageState.FAILED, "550 no")
    assert signed_in.post(f"/settings/messages/{first}/retry").status_code == 303
    assert signed_in.post(f"/settings/messages/{second}/cancel").status_code == 303
    with signed_in.application.app_context():
        states = dict(db.session.execute(select(Message.id, Message.state)).all())
    assert states == {first: MessageState.QUEUED, second: MessageState.CANCELLED}


def test_a_message_that_has_left_is_neither_cancelled_nor_sent_again(signed_in: FlaskClient) -> None:
    (first,) = queued(signed_in, "a")
    ended(signed_in, first, MessageState.SENT, "250 queued")
    for action in ("retry", "cancel"):
        answer = signed_in.post(f"/settings/messages/{first}/{action}", follow_redirects=True)
        assert "This message has left" in answer.text


def test_messages_that_ended_are_forgotten_except_those_of_a_device(signed_in: FlaskClient) -> None:
    first, second, third = queued(signed_in, "old", "waiting", "of a device")
    for id_ in (first, third):
        ended(signed_in, id_, MessageState.SENT, "250")
    with signed_in.application.app_context():
        id_ = an_integration()
        store(id_, 1)
        device_id = db.session.scalar(db.text("SELECT id FROM device"))
        with write() as session:
            session.execute(update(Message).where(Message.id == third).values(device_id=device_id))
        assert retention.forget_messages(now() - timedelta(days=1)) == 0
        assert retention.forget_messages(now() + timedelta(days=1)) == 1
        assert set(db.session.scalars(select(Message.id))) == {second, third}
