"""kill -9 of a worker between sending a mail and recording it (rung K): at least once, one Message-ID."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes
from pathlib import Path

import pytest
from sqlalchemy import select

from harmony import create_app
from harmony.clock import now
from harmony.config import Settings
from harmony.db import db, write
from harmony.messages import outbox, settings
from harmony.messages.outbox import NewMessage
from harmony.messages.schedule import LEASE
from harmony.messages.settings import MailServerValues
from harmony.models import ChannelKind, Message, MessageKind, MessageState
from harmony.ops.migrate import migrate
from tests import preloaded
from tests.messages.test_mail import Handler, served

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]
# A worker that sends what is due, and with "die" is killed when it would record the answer.
WORKER = """
import os, signal, sys
from harmony import create_app
from harmony.config import Settings
from harmony.messages import claims, composers, delivery
from harmony.mail.envelope import Envelope
from harmony.models import MessageKind

composers.COMPOSERS[MessageKind.NOTICE] = lambda _session, _message: Envelope("kim@example.com", "text", "Hi")
if sys.argv[1] == "die":
    claims.end = lambda *_arguments: os.kill(os.getpid(), signal.SIGKILL)
with create_app(Settings.from_environment(os.environ)).app_context():
    delivery.deliver_general(lambda: False)
"""


def work(folder: Path, how: str) -> int:
    allowed = {"HARMONY_OUTBOUND_ALLOW": "127.0.0.0/8"}
    return preloaded.run("-c", WORKER, how, HARMONY_DATA_DIR=str(folder), **allowed)


def states() -> list[tuple[str, int]]:
    db.session.rollback()
    return [(row.state, row.attempts) for row in db.session.scalars(select(Message).order_by(Message.id))]


def test_a_mail_whose_worker_was_killed_is_sent_again_under_the_same_message_id(tmp_path: Path) -> None:
    handler = Handler()
    app = create_app(Settings(data_dir=tmp_path))
    with served(handler) as access, app.app_context():
        migrate(now())
        server = MailServerValues(access.host, access.port, "none", "", access.sender, "", "")
        settings.save_mail_server(server, 0, "kim", now())
        with write() as session:
            outbox.queue(session, NewMessage(MessageKind.NOTICE, ChannelKind.EMAIL, "a", "kim"), now())
        assert work(tmp_path, "die") == -9
        assert states() == [(MessageState.SENDING, 1)]
        assert work(tmp_path, "live") == 0
        assert len(handler.kept) == 1  # its claim has not ended yet
        with write() as session:
            session.scalars(select(Message)).one().next_at -= LEASE + timedelta(seconds=1)
        assert work(tmp_path, "live") == 0
        assert states() == [(MessageState.SENT, 2)]
        assert work(tmp_path, "live") == 0
    ids = [message_from_bytes(raw)["Message-ID"] for _recipients, raw in handler.kept]
    assert len(ids) == 2
    assert len(set(ids)) == 1
