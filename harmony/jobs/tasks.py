"""What the worker is asked to do. Bodies of three lines; the work itself stands in the rooms below."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from flask import Flask
from huey import SqliteHuey, crontab

from harmony.clock import now
from harmony.jobs.queue import RINGS, ring, stopping
from harmony.security import sessions, throttle
from harmony.sync import run, schedule

SYNC = "sync"
TICK = "tick"
# A ring that waited longer than this has been answered by a tick.
RING_EXPIRES_SECONDS = 300


def register(queue: SqliteHuey, app: Flask) -> None:
    """Make the tasks known to `queue`, each run inside the application's context."""

    def job(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def inside(*arguments: int) -> None:
            with app.app_context():
                function(*arguments)

        return inside

    rings = app.extensions[RINGS]
    rings[SYNC] = queue.task(name=SYNC, expires=RING_EXPIRES_SECONDS)(job(sync))
    rings[TICK] = queue.task(name="tick-now", expires=RING_EXPIRES_SECONDS)(job(tick))
    queue.periodic_task(crontab(minute="*"), name=TICK, expires=RING_EXPIRES_SECONDS)(job(tick))
    queue.periodic_task(crontab(minute="17"), name="sweep", expires=RING_EXPIRES_SECONDS)(job(sweep))


def sync(integration_id: int) -> None:
    """Sync one integration if it is due or asked for; otherwise do nothing."""
    run.sync(integration_id, stopping().is_set)


def tick() -> None:
    """Ask the database what is due: close the runs of dead workers, then ring for each due integration."""
    schedule.reap(now())
    for integration_id in schedule.due(now()):
        ring(SYNC, integration_id)


def sweep() -> None:
    """Forget what has expired."""
    sessions.sweep(now())
    throttle.sweep(now())
