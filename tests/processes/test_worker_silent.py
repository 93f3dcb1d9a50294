"""kill -9 of the only worker is told by mail, and so is that it is back (rung K, with a real SMTP server)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, update

from harmony import create_app
from harmony.clock import now
from harmony.config import Settings
from harmony.db import db, write
from harmony.jobs.queue import TICK, enqueue
from harmony.messages import settings
from harmony.messages.notices import subscriptions, watch
from harmony.messages.notices.kinds import NoticeKind
from harmony.messages.notices.rules import SETTLED_AFTER
from harmony.messages.notices.troubles import WORKER_SILENT_AFTER
from harmony.messages.settings import MailServerValues
from harmony.models import NoticeState, Worker
from harmony.models.access import Role
from harmony.ops.migrate import migrate
from harmony.security.users import create_user
from tests import preloaded
from tests.messages.test_mail import Handler, served
from tests.processes.product import WORKER, Product, kill, running
from tests.waiting import wait_for

pytestmark = pytest.mark.processes

# A worker looks once a minute by itself, too.
A_FEW_LOOKS = 180
ALLOW = {"HARMONY_OUTBOUND_ALLOW": "127.0.0.0/8"}
# What the web process does once a minute.
LOOK = """
import os, threading
from harmony import create_app
from harmony.config import Settings
from harmony.ops import worker_watch

worker_watch._look(create_app(Settings.from_environment(os.environ)), threading.Event())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def look_from_the_web_process(folder: Path) -> None:
    assert preloaded.run("-c", LOOK, HARMONY_DATA_DIR=str(folder), **ALLOW) == 0


def subjects(handler: Handler) -> list[str]:
    return [message_from_bytes(raw, policy=policy.default)["Subject"] for _recipients, raw in handler.kept]


def ask_for_notices(port: int) -> None:
    migrate(now())
    user = create_user("kim", "eleven quiet lanterns over Oslo", Role.ADMINISTRATOR, now())
    subscriptions.subscribe(user, "ops@example.com", [NoticeKind.WORKER.value], [], now())
    server = MailServerValues("127.0.0.1", port, "none", "", "harmony@example.org", "", "")
    settings.save_mail_server(server, 0, "kim", now())


@contextmanager
def working(folder: Path, app: Flask) -> Iterator[Product]:
    """A worker that has sent its heartbeat."""
    started = now()
    with running(folder, WORKER, HARMONY_DEMO="0", **ALLOW) as product:
        with app.app_context():
            wait_for(lambda: seen_since(started), "a heartbeat")
        yield product


def seen_since(moment: object) -> bool:
    db.session.rollback()
    return db.session.scalar(select(Worker).where(Worker.seen_at >= moment)) is not None


def test_a_killed_worker_is_told_by_mail_and_so_is_its_return(folder: Path) -> None:
    handler, app = Handler(), create_app(Settings(data_dir=folder))
    with served(handler) as access:
        with app.app_context():
            ask_for_notices(access.port)
            watch.queue_due_notices(now())
        with working(folder, app) as product:
            kill(product.worker())
            product.process.wait(30)
        look_from_the_web_process(folder)
        assert subjects(handler) == []
        with app.app_context(), write() as session:
            session.execute(update(Worker).values(seen_at=now() - WORKER_SILENT_AFTER - timedelta(minutes=1)))
        for _ in range(2):
            look_from_the_web_process(folder)
        assert subjects(handler) == ["Harmony: The worker is silent"]
        with working(folder, app), app.app_context():
            enqueue(TICK)
            wait_for(is_gone, "the end to be noticed", A_FEW_LOOKS)
            move_back(SETTLED_AFTER)
            enqueue(TICK)
            mails = wait_for(lambda: subjects(handler)[1:], "the mail that it is back", A_FEW_LOOKS)
            assert mails == ["Harmony: Over: The worker is silent"]


def is_gone() -> bool:
    """Tell whether the worker saw that the trouble is gone; only looks, so that it can write."""
    db.session.rollback()
    return db.session.scalar(select(NoticeState).where(NoticeState.gone_at.is_not(None))) is not None


def move_back(long: timedelta) -> None:
    with write() as session:
        gone = update(NoticeState).where(NoticeState.gone_at.is_not(None))
        session.execute(gone.values(gone_at=now() - long))
