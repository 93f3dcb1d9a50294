"""The worker process: Huey's consumer, its heartbeat, and a clean end."""

from __future__ import annotations

import gc
import logging
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from flask import Flask

from harmony.clock import monotonic, now
from harmony.db import db
from harmony.db.bulk import checkpoint
from harmony.db.postgresql import look_at_clock
from harmony.jobs import presence, shared_queue
from harmony.jobs.queue import STOPPING, TICK, enqueue, queue_of
from harmony.models import Worker
from harmony.worker.child_process import run_child
from harmony.worker.tasks import enqueue_due_jobs

log = logging.getLogger(__name__)

_THREADS = 4
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_SIGN_OF_LIFE_SECONDS = 10
# A run that is told to stop cuts its calls; what may take longer is a write that waits for its turn.
_STOP_WITHIN_SECONDS = 25
# Python's own is 700. So many small objects take a few megabytes.
_NEW_OBJECTS = 20_000
_NO_HEARTBEAT = "The heartbeat could not be written."


def _run(app: Flask) -> None:
    """Work until SIGTERM or SIGINT; a task under way ends between two pages."""
    collect_seldom()
    # A fixed short poll: the default backs off to ten seconds, and Sync Now must start at once.
    consumer = queue_of(app).create_consumer(
        workers=_THREADS,
        initial_delay=0.1,
        backoff=1,
        max_delay=0.1,
        graceful_signal="TERM",
        shutdown_timeout=_STOP_WITHIN_SECONDS,
    )
    app.extensions[STOPPING] = consumer.stop_flag
    shared_queue.quiet_connection_errors()
    with app.app_context():
        _try(record_heartbeat, _NO_HEARTBEAT)
        enqueue(TICK)
    threading.Thread(target=_live, args=(app, consumer.stop_flag), daemon=True, name="heartbeat").start()
    _consume(consumer)
    with app.app_context():
        _try(lambda: presence.note_stop(Worker, now()), _NO_HEARTBEAT)


def collect_seldom() -> None:
    """Leave what was imported out of garbage collections, and have fewer of them.

    A sync makes millions of tuples, none of them in cycles. With Python's thresholds, looking through them
    and through all modules again and again took a fifth of the main thread of a first sync.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 20, 20)


def _consume(consumer: Any) -> None:
    """Huey's own `run()`, but deaf to a second signal: that one would cut a run off in the middle.

    systemd signals the whole group, and then the supervisor does; Ctrl+C is the same.
    """
    stop_requested = threading.Event()
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    consumer.start()  # installs handlers of its own, and its threads leave the signals to this one
    for number in _STOP_SIGNALS:
        signal.signal(number, lambda *_: stop_requested.set())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
    looked = monotonic()
    while not stop_requested.is_set():
        looked = consumer.loop(looked)
    consumer.stop(graceful=True)


def record_heartbeat() -> None:
    """Write that this process is alive, and forget processes that were silent for a day."""
    presence.note_alive(Worker, now())


def _follow_clock() -> None:
    """Follow the clock of the database, where it is on a server."""
    look_at_clock(db.engine)


def _live(app: Flask, stop: threading.Event) -> None:
    while not stop.wait(_SIGN_OF_LIFE_SECONDS):
        with app.app_context():
            for act, failed in _EACH_HEARTBEAT:
                _try(act, failed)


def _try(act: Callable[[], object], failed: str) -> None:
    try:
        act()
    except Exception:  # a locked or full database must end nothing; the next beat tries again
        log.warning(failed, exc_info=True)


# `checkpoint`: nobody's commit has to move the pages that check-ins left, not even on a day without a sync.
_EACH_HEARTBEAT: tuple[tuple[Callable[[], object], str], ...] = (
    (_follow_clock, "The clock of the database could not be read."),
    (record_heartbeat, _NO_HEARTBEAT),
    (enqueue_due_jobs, "Nobody could look for what is due."),
    (checkpoint, "The WAL could not be checkpointed."),
)


def main() -> int:
    """Work as `python -m harmony.worker.process`. Return the exit code."""
    return run_child("harmony-worker", _run)


if __name__ == "__main__":
    sys.exit(main())
