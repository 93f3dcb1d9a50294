"""What the worker is asked to do. Bodies of three lines; the work itself stands in the rooms below."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from flask import Flask, current_app
from huey import SqliteHuey, crontab

from harmony.clock import now
from harmony.jobs.queue import RINGS, ring, stopping
from harmony.ops import retention
from harmony.protect import rating
from harmony.protect import sweep as devices
from harmony.security import sessions, throttle
from harmony.sync import recovery, redaction, removal, run, schedule

SYNC = "sync"
TICK = "tick"
REMOVE = "remove"
RATE = "rate"
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
    rings[REMOVE] = queue.task(name=REMOVE, expires=RING_EXPIRES_SECONDS)(job(remove))
    rings[RATE] = queue.task(name=RATE, expires=RING_EXPIRES_SECONDS)(job(rate))
    rings[TICK] = queue.task(name="tick-now", expires=RING_EXPIRES_SECONDS)(job(tick))
    queue.periodic_task(crontab(minute="*"), name=TICK, expires=RING_EXPIRES_SECONDS)(job(tick))
    queue.periodic_task(crontab(minute="17"), name="sweep", expires=RING_EXPIRES_SECONDS)(job(sweep))


def sync(integration_id: int) -> None:
    """Sync one integration if it is due or asked for; otherwise do nothing."""
    run.sync(integration_id, stopping().is_set)
    # A sync that somebody asked for meanwhile need not wait for the next tick.
    if integration_id in schedule.due(now()) and not stopping().is_set():
        ring(SYNC, integration_id)


def remove(integration_id: int) -> None:
    """Delete a removed integration with its devices; otherwise do nothing."""
    removal.carry_out(integration_id, stopping().is_set)


def rate() -> None:
    """Rate every device under the newest policy, or go on with it; otherwise do nothing."""
    rating.rate_all(now(), stopping().is_set)


def tick() -> None:
    """Ask the database what there is to do: put right, ring for what is due, finish what was begun."""
    recovery.mend(now())
    recovery.reap(now())
    for task, due in ((SYNC, schedule.due(now())), (REMOVE, removal.pending(now()))):
        for integration_id in due:
            ring(task, integration_id)
    if rating.pending():
        ring(RATE)
    redaction.finish_pending()
    devices.sweep(now(), stopping().is_set)


def sweep() -> None:
    """Forget what has expired, and what is older than the settings keep."""
    sessions.sweep(now())
    throttle.sweep(now())
    retention.sweep(now(), current_app.extensions["harmony.settings"], stopping().is_set)
