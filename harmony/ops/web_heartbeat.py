"""The web process's heartbeat; it follows the clock of the database, and counts the other dashboards."""

from __future__ import annotations

import logging
import threading

from flask import Flask

from harmony.clock import now
from harmony.db import db
from harmony.db.postgresql import look_at_clock
from harmony.jobs import presence
from harmony.models import WebProcess

log = logging.getLogger(__name__)

_EVERY_SECONDS = 10.0


def start(app: Flask, stop: threading.Event) -> threading.Thread:
    """Send a heartbeat at once, and every ten seconds until `stop` is set."""
    thread = threading.Thread(target=_live, args=(app, stop), daemon=True, name="web-heartbeat")
    thread.start()
    return thread


def record_heartbeat(app: Flask) -> None:
    """Send one heartbeat."""
    with app.app_context():
        try:
            look_at_clock(db.engine)
            presence.note_alive(WebProcess, now())
            among = presence.dashboards(presence.processes(db.session()), now())
            app.extensions["harmony.protect"].limits.share(among)
            app.extensions["harmony.api"].share(among)
        except Exception:  # a locked or silent database must end nothing; the next beat tries again
            log.warning("The heartbeat of the dashboard could not be written.", exc_info=True)
        finally:
            db.session.remove()


def _live(app: Flask, stop: threading.Event) -> None:
    record_heartbeat(app)
    while not stop.wait(_EVERY_SECONDS):
        record_heartbeat(app)
    with app.app_context():
        try:
            presence.note_stop(WebProcess, now())
        except Exception:  # as above
            log.warning("Nobody could write that the dashboard stops.", exc_info=True)
        finally:
            db.session.remove()
