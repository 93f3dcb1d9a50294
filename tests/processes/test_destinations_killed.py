"""kill -9 of a worker between sending records and recording it (rung K): at least once, one id."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from harmony import create_app
from harmony.clock import now
from harmony.config import Settings
from harmony.db import db, write
from harmony.models import Destination
from harmony.ops.migrate import migrate
from harmony.outbound import destinations
from harmony.outbound.destinations import DestinationValues
from harmony.outbound.schedule import LEASE
from tests import preloaded
from tests.messages.test_gateways import running
from tests.outbound.senders import events

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]
# A worker that sends what is due, and with "die" is killed when it would record the answer.
WORKER = """
import os, signal, sys
from dataclasses import replace
from harmony import create_app
from harmony.config import Settings
from harmony.outbound import claims, delivery

if sys.argv[1] == "die":
    claims.advance = lambda *_arguments: os.kill(os.getpid(), signal.SIGKILL)
with create_app(replace(Settings.from_environment(os.environ), demo=True)).app_context():
    delivery.deliver_due()
"""


def work(folder: Path, how: str) -> int:
    return preloaded.run("-c", WORKER, how, HARMONY_DATA_DIR=str(folder))


def test_records_whose_worker_was_killed_are_sent_again_under_the_same_ids(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path, demo=True))
    with running() as receiver, app.app_context():
        migrate(now())
        values = DestinationValues("Hook", "webhook", ("event",), "information", url=receiver.url)
        destinations.add("webhook", values, False, "kim", now())
        events(3)
        assert work(tmp_path, "die") == -9
        assert len(receiver.received) == 3
        assert work(tmp_path, "live") == 0
        assert len(receiver.received) == 3, "its lease has not ended yet"
        with write() as session:
            ended = now() - LEASE - timedelta(seconds=1)
            session.execute(update(Destination).values(lease_until=ended))
        assert work(tmp_path, "live") == 0
        assert work(tmp_path, "live") == 0
        assert db.session.scalars(select(Destination.sent)).one() == 3
    ids = [body["data"]["id"] for _path, body, _key in receiver.received]  # type: ignore[index]
    assert ids[:3] == ids[3:]
    assert len(set(ids)) == 3
