"""The worker's beat and SQLite's WAL (rung: shell on a file)."""

from __future__ import annotations

from pathlib import Path
from threading import Event

from flask import Flask

from harmony.clock import now
from harmony.db import db, write
from harmony.jobs.worker import _live
from harmony.models import Worker


class OneBeat(Event):
    """Lets the worker's watch beat once."""

    def wait(self, timeout: float | None = None) -> bool:
        beaten = self.is_set()
        self.set()
        return beaten


def test_with_each_sign_of_life_the_worker_moves_what_was_written_into_the_file(app: Flask) -> None:
    said = "said by a device, written by the dashboard"
    with app.app_context():
        with write() as session:
            session.add(Worker(identity=said, started_at=now(), seen_at=now()))
        db.session.remove()
        file = Path(str(db.engine.url.database))
        assert said.encode() not in file.read_bytes()
        _live(app, OneBeat())
        assert said.encode() in file.read_bytes()
