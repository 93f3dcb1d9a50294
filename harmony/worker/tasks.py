"""What the worker is asked to do. Bodies of three lines; the work itself stands in the rooms below."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from flask import Flask
from huey import SqliteHuey, crontab

from harmony.apps import exceptions as app_exceptions
from harmony.apps import install_base
from harmony.apps import job as app_job
from harmony.clock import now, steady
from harmony.config import current_settings
from harmony.jobs import control, device_sync, lease, recovery, shared_state
from harmony.jobs.queue import APPS, EXCEPTIONS, RATE, REMOVE, RINGS, SYNC, TAGGING, TICK, ring, stopping
from harmony.models import DutyName
from harmony.protection import policy_rollout
from harmony.protection import sweep as devices
from harmony.security import kept_forms, rate_limit, sessions
from harmony.sync import integration_removal, redaction
from harmony.sync import job as sync_job
from harmony.tagging import job as tagging_run
from harmony.worker import retention

_DUTIES = (DutyName.APPS, DutyName.TAGGING)
# A ring that waited longer than this has been answered by a tick.
_RING_EXPIRES_SECONDS = 300


def register(queue: SqliteHuey, app: Flask) -> None:
    """Make the tasks known to `queue`, each run inside the application's context."""

    def job(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def inside(*arguments: int) -> None:
            with app.app_context():
                function(*arguments)

        return inside

    rings = app.extensions[RINGS]
    rings[SYNC] = queue.task(name=SYNC, expires=_RING_EXPIRES_SECONDS)(job(sync))
    rings[REMOVE] = queue.task(name=REMOVE, expires=_RING_EXPIRES_SECONDS)(job(remove))
    rings[RATE] = queue.task(name=RATE, expires=_RING_EXPIRES_SECONDS)(job(rate))
    rings[APPS] = queue.task(name=APPS, expires=_RING_EXPIRES_SECONDS)(job(apps))
    rings[TAGGING] = queue.task(name=TAGGING, expires=_RING_EXPIRES_SECONDS)(job(tagging))
    rings[EXCEPTIONS] = queue.task(name=EXCEPTIONS, expires=_RING_EXPIRES_SECONDS)(job(exceptions))
    rings[TICK] = queue.task(name="tick-now", expires=_RING_EXPIRES_SECONDS)(job(tick))
    queue.periodic_task(crontab(minute="*"), name=TICK, expires=_RING_EXPIRES_SECONDS)(job(tick))
    queue.periodic_task(crontab(minute="17"), name="sweep", expires=_RING_EXPIRES_SECONDS)(job(sweep))


def sync(integration_id: int) -> None:
    """Sync one integration if it is due or asked for; otherwise do nothing."""
    sync_job.sync(integration_id, stopping().is_set)
    # A sync that somebody asked for meanwhile need not wait for the next tick, nor what follows a sync.
    if integration_id in device_sync.due(now()) and not stopping().is_set():
        ring(SYNC, integration_id)
    ring_for_duties()


def remove(integration_id: int) -> None:
    """Delete a removed integration with its devices; otherwise do nothing."""
    integration_removal.carry_out(integration_id, stopping().is_set)


def rate() -> None:
    """Rate every device under the newest policy, or go on with it; otherwise do nothing."""
    policy_rollout.rate_all(now(), stopping().is_set)


def apps(integration_id: int) -> None:
    """Read the apps of an integration's devices if that is due or asked for; otherwise do nothing."""
    app_job.sync_apps(integration_id, stopping().is_set)
    # One that somebody asked for meanwhile need not wait for the next tick.
    if (integration_id, DutyName.APPS) in lease.due(now()) and not stopping().is_set():
        ring(APPS, integration_id)


def tagging(integration_id: int) -> None:
    """Bring the tags in the UEM to what is wanted if that is due or asked for; otherwise do nothing."""
    tagging_run.tag(integration_id, stopping().is_set)
    if (integration_id, DutyName.TAGGING) in lease.due(now()) and not stopping().is_set():
        ring(TAGGING, integration_id)


def exceptions() -> None:
    """Bring devices in line with the app exceptions that were set or lifted; otherwise do nothing."""
    app_exceptions.carry_out(stopping().is_set)


def tick() -> None:
    """Ask the database what there is to do: put right, ring for what is due, finish what was begun."""
    _put_right()
    for task, due in ((SYNC, device_sync.due(now())), (REMOVE, integration_removal.pending(now()))):
        for integration_id in due:
            ring(task, integration_id)
    ring_for_duties()
    if policy_rollout.pending():
        ring(RATE)
    if app_exceptions.pending():
        ring(EXCEPTIONS)
    redaction.finish_pending()
    devices.sweep(now(), stopping().is_set)


def ring_for_duties() -> None:
    """Ring for the duties that are due; the worker does so between two ticks too, so that no tag waits."""
    for integration_id, name in lease.due(now()):
        if name in _DUTIES:
            ring(name, integration_id)


def _put_right() -> None:
    recovery.mend(now())
    recovery.reap(now())
    control.mend(now())
    lease.reap(now())


def sweep() -> None:
    """Forget what has expired, and what is older than the settings keep."""
    sessions.sweep(steady())
    kept_forms.sweep(steady())
    rate_limit.sweep(now())
    shared_state.sweep(now())
    install_base.count_anew()
    retention.sweep(now(), current_settings(), stopping().is_set)
