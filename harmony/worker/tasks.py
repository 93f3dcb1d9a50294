"""The tasks of the worker. Bodies of three lines; the work itself stands in the rooms below."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from flask import Flask
from huey import Huey, crontab

from harmony.apps import exceptions as app_exceptions
from harmony.apps import install_base
from harmony.apps import job as app_job
from harmony.audit import verify as audit_trail
from harmony.backup import schedule
from harmony.clock import now, steady
from harmony.config import current_settings
from harmony.jobs import control, lease, presence, recovery, shared_state
from harmony.jobs.kinds import JobKind
from harmony.jobs.queue import (
    BACKUP,
    DESTINATIONS,
    EXCEPTIONS,
    NOTICES,
    RATE,
    REMOVE,
    TASKS,
    TICK,
    enqueue,
    stopping,
)
from harmony.messages import delivery, outbox
from harmony.messages import job as message_run
from harmony.messages.notices import watch
from harmony.messages.registration import recipients
from harmony.oidc import flow, logout, trial
from harmony.outbound import claims
from harmony.outbound import delivery as outbound_delivery
from harmony.protection import policy, policy_rollout
from harmony.protection import sweep as devices
from harmony.relay import connectors
from harmony.security import invitations, kept_forms, known_addresses, rate_limit, sessions
from harmony.security.factors import passkeys, pending
from harmony.sync import (
    indexing,
    integration_removal,
    lifecycle,
    redaction,
    rollback_detection,
    unlisted_expiry,
)
from harmony.sync import job as sync_job
from harmony.tagging import job as tagging_run
from harmony.worker import retention

# The work of each kind of job; it claims the job, or finds that there is nothing to do.
RUNNERS: dict[JobKind, Callable[[int, Callable[[], bool]], None]] = {
    JobKind.DEVICES: sync_job.sync,
    JobKind.APPS: app_job.sync_apps,
    JobKind.TAGGING: tagging_run.tag,
    JobKind.MESSAGES: message_run.send_messages,
}
# A task that waited longer than this has been answered by a tick.
_EXPIRES_SECONDS = 300


def register(queue: Huey, app: Flask) -> None:
    """Make the tasks known to `queue`, each run inside the application's context."""

    def task(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def inside(*arguments: int) -> None:
            with app.app_context():
                function(*arguments)

        return inside

    tasks = app.extensions[TASKS]
    tasks[REMOVE] = queue.task(name=REMOVE, expires=_EXPIRES_SECONDS)(task(remove))
    tasks[RATE] = queue.task(name=RATE, expires=_EXPIRES_SECONDS)(task(rate))
    for kind in RUNNERS:
        tasks[kind] = queue.task(name=kind.value, expires=_EXPIRES_SECONDS)(task(_task_of(kind)))
    tasks[EXCEPTIONS] = queue.task(name=EXCEPTIONS, expires=_EXPIRES_SECONDS)(task(exceptions))
    tasks[BACKUP] = queue.task(name=BACKUP, expires=_EXPIRES_SECONDS)(task(backup))
    tasks[NOTICES] = queue.task(name=NOTICES, expires=_EXPIRES_SECONDS)(task(notices))
    tasks[DESTINATIONS] = queue.task(name=DESTINATIONS, expires=_EXPIRES_SECONDS)(task(destinations))
    tasks[TICK] = queue.task(name="tick-now", expires=_EXPIRES_SECONDS)(task(tick))
    queue.periodic_task(crontab(minute="*"), name=TICK, expires=_EXPIRES_SECONDS)(task(tick))
    queue.periodic_task(crontab(minute="17"), name="sweep", expires=_EXPIRES_SECONDS)(task(sweep))


def remove(integration_id: int) -> None:
    """Delete, hide or bring back a removed integration with its devices; otherwise do nothing."""
    integration_removal.carry_out(integration_id, stopping().is_set)
    install_base.recount()
    enqueue_due_jobs(integration_id)


def rate() -> None:
    """Rate every device under the newest policy, or go on with it; otherwise do nothing."""
    policy_rollout.roll_out(now(), stopping().is_set)


def run_job(kind: JobKind, integration_id: int) -> None:
    """Do a job of an integration if it is due or asked for; otherwise do nothing."""
    RUNNERS[kind](integration_id, stopping().is_set)
    # What somebody asked for meanwhile need not wait for the next tick, nor what follows a sync.
    if not stopping().is_set():
        enqueue_due_jobs(integration_id)
    if kind is JobKind.DEVICES:
        indexing.catch_up(stopping().is_set)


def _task_of(kind: JobKind) -> Callable[[int], None]:
    def run(integration_id: int) -> None:
        run_job(kind, integration_id)

    return run


def exceptions() -> None:
    """Bring devices in line with the app exceptions that were set or lifted; otherwise do nothing."""
    app_exceptions.carry_out(stopping().is_set)


def notices() -> None:
    """Send the messages that belong to no integration, if any are due; otherwise do nothing."""
    delivery.deliver_general(stopping().is_set)


def backup() -> None:
    """Make a backup of the database if the schedule asks for one; otherwise do nothing."""
    schedule.run_when_due(now())


def destinations() -> None:
    """Send what waits for the destinations that are due; otherwise do nothing."""
    outbound_delivery.deliver_due(stopping().is_set)


def tick() -> None:
    """Ask the database what there is to do: put right, enqueue what is due, finish what was begun."""
    _put_right()
    enqueue_due_jobs()
    for integration_id in integration_removal.pending(now()):
        enqueue(REMOVE, integration_id)
    policy.end_expired(now())
    app_exceptions.end_expired(now())
    if policy_rollout.pending():
        enqueue(RATE)
    if app_exceptions.pending():
        enqueue(EXCEPTIONS)
    watch.queue_due_notices(now())
    if delivery.is_general_due():
        enqueue(NOTICES)
    if schedule.is_due_now(now()):
        enqueue(BACKUP)
    redaction.finish_pending()
    indexing.catch_up(stopping().is_set)
    devices.sweep(now(), stopping().is_set)
    rollback_detection.catch_up()
    presence.note_tick(now())


def enqueue_due_jobs(of_integration: int | None = None) -> None:
    """Enqueue the jobs that are due; the worker does so between two ticks too, so that no tag waits."""
    for integration_id, kind in lease.due(now()):
        if of_integration in {None, integration_id}:
            enqueue(kind, integration_id)
    if claims.due_ids(now()):
        enqueue(DESTINATIONS)


def _put_right() -> None:
    recovery.mend(now())
    recovery.reap(now())
    control.schedule_missing(now())
    outbox.plan_forgotten(now())
    recipients.queue_new_devices(now())


def sweep() -> None:
    """Forget what has expired, and what is older than the settings keep."""
    sessions.sweep(steady())
    invitations.sweep(now())
    kept_forms.sweep(steady())
    flow.sweep(steady())
    trial.sweep(steady())
    logout.sweep(now())
    rate_limit.sweep(now())
    known_addresses.sweep(now())
    pending.sweep(steady())
    passkeys.sweep(steady())
    shared_state.sweep(now())
    connectors.forget_silent(now())
    install_base.recount()
    unlisted_expiry.expire(now())
    lifecycle.remove_expired(now())
    retention.sweep(now(), current_settings(), stopping().is_set)
    if not stopping().is_set():
        audit_trail.verify_when_due(now())
