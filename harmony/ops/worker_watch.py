"""Looks from the web process for a worker that fell silent: it cannot tell so itself."""

from __future__ import annotations

import logging
import threading

from flask import Flask

from harmony.clock import now
from harmony.db import db
from harmony.jobs.presence import worker_seen_at
from harmony.messages import delivery
from harmony.messages.notices import watch
from harmony.messages.notices.troubles import WORKER_SILENT_AFTER

log = logging.getLogger(__name__)

_EVERY_SECONDS = 60.0


def start(app: Flask, stop: threading.Event) -> threading.Thread:
    """Look once a minute until `stop` is set."""
    thread = threading.Thread(target=_live, args=(app, stop), daemon=True, name="worker-watch")
    thread.start()
    return thread


def _look(app: Flask, stop: threading.Event) -> None:
    """Tell and deliver notices in the worker's place while it is silent; else do nothing."""
    with app.app_context():
        try:
            seen = worker_seen_at(now())
            if seen is not None and now() - seen > WORKER_SILENT_AFTER:
                watch.queue_due_notices(now())
                delivery.deliver_general(stop.is_set)
        except Exception:  # a locked database must not end the watch
            log.warning("Nobody could look whether the worker is silent.", exc_info=True)
        finally:
            db.session.remove()


def _live(app: Flask, stop: threading.Event) -> None:
    while not stop.wait(_EVERY_SECONDS):
        _look(app, stop)
