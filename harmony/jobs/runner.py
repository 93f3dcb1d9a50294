"""The frame of every run: a watch beside it, a client if it asks the UEM, and an end in words."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from sqlalchemy.exc import DBAPIError, PendingRollbackError

from harmony import logs
from harmony.db import db, release
from harmony.jobs.heartbeat import Interrupted, LeaseKeeper, Renew, watched
from harmony.jobs.lease import LeaseLost
from harmony.jobs.uem_client import ClientFactory
from harmony.models import Integration, IntegrationState
from harmony.models.configuration import ServerDetails
from harmony.security.vault import VaultLocked
from harmony.uem.client import UemClient
from harmony.uem.errors import UemError

log = logging.getLogger(__name__)

_E = TypeVar("_E")
_Take = Callable[[UemClient, LeaseKeeper], _E]


class _RunLease(Protocol):
    """The lease that a run was claimed with."""

    @property
    def integration_id(self) -> int: ...
    @property
    def run_id(self) -> int: ...


class RunningJob(Protocol):
    """One run under way."""

    @property
    def lease(self) -> _RunLease: ...
    @property
    def should_stop(self) -> Callable[[], bool]: ...


class RunWithUem(RunningJob, Protocol):
    """One that calls the UEM: a device sync, an app sync or a tagging run."""

    @property
    def kind(self) -> str: ...
    @property
    def server(self) -> ServerDetails: ...


@dataclass(frozen=True, slots=True)
class EarlyOutcomes(Generic[_E]):
    """The outcomes of a run that something ends early; `name` is for the log."""

    name: str
    of_locked: Callable[[str, str], _E]
    of_database: Callable[[str], _E]
    stopped: _E
    paused: _E
    overtaken: _E


@dataclass(frozen=True, slots=True)
class Outcomes(EarlyOutcomes[_E]):
    """The outcomes of a run that calls the UEM."""

    of_error: Callable[[UemError], _E]


def attempt(
    work: RunWithUem, opener: ClientFactory, renew: Renew, take: _Take[_E], outcomes: Outcomes[_E]
) -> _E:
    """Let `take` do the work with a client while its lease is renewed; every failure is an outcome."""

    def with_client() -> _E:
        try:
            with closing(opener(work.lease.integration_id, work.kind, work.server)) as client:
                return _watched(work, client, renew, take)
        except UemError as error:
            return outcomes.of_error(error)

    return _with_log_fields(work, with_client, outcomes)


def attempt_without_uem(
    work: RunningJob, renew: Renew, take: Callable[[LeaseKeeper], _E], outcomes: EarlyOutcomes[_E]
) -> _E:
    """Let `take` do work without the UEM while its lease is renewed; every failure is an outcome."""

    def beside_its_watch() -> _E:
        with watched(renew, work.should_stop, lambda: None) as watch:
            return take(watch)

    return _with_log_fields(work, beside_its_watch, outcomes)


def _with_log_fields(work: RunningJob, run: Callable[[], _E], outcomes: EarlyOutcomes[_E]) -> _E:
    claimed = work.lease
    with logs.fields(integration=claimed.integration_id, job=outcomes.name, run_id=claimed.run_id):
        return _outcome_of(work, run, outcomes)


def _outcome_of(work: RunningJob, run: Callable[[], _E], outcomes: EarlyOutcomes[_E]) -> _E:
    claimed = work.lease
    try:
        return run()
    except VaultLocked as locked:
        return outcomes.of_locked(locked.sentence, locked.advice)
    except Interrupted:
        return outcomes.stopped
    except LeaseLost:
        return outcomes.paused if _is_paused(claimed.integration_id) else outcomes.overtaken
    except Exception as error:  # a run must end with a word on the page, whatever went wrong
        log.exception("%s %d failed.", outcomes.name.capitalize(), claimed.run_id)
        return outcomes.of_database(trouble(error))


@contextmanager
def recording_outcome(name: str, work: RunningJob) -> Iterator[None]:
    """Around the write that closes the run. When it fails, the reaper closes it once its lease has ended."""
    try:
        yield
    except DBAPIError as error:  # a full disk, say
        log.error("The end of %s %d could not be written: %s.", name, work.lease.run_id, error.orig)


# PostgreSQL's SQLSTATE of a connection that failed.
_CONNECTION_LOST = "08006"


def trouble(error: BaseException) -> str:
    """Return the database's name of an error: SQLite's name or PostgreSQL's SQLSTATE; "" for others.

    One that only says that the transaction is broken tells of the error that broke it.
    """
    if isinstance(error, PendingRollbackError) and error.__context__ is not None:
        return trouble(error.__context__)
    cause = getattr(error, "orig", None) or error
    if type(cause).__module__.startswith("psycopg") and type(cause).__name__ == "OperationalError":
        return _CONNECTION_LOST  # the server, or the network, took it away without a word
    return getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or ""


def _watched(work: RunWithUem, client: UemClient, renew: Renew, take: _Take[_E]) -> _E:
    with watched(renew, work.should_stop, client.close) as watch:
        try:
            return take(client, watch)
        except UemError:
            watch.go_on()  # a call that was cut off says nothing of the UEM, only that the run must end
            raise


def _is_paused(integration_id: int) -> bool:
    integration = db.session.get(Integration, integration_id)
    release()
    return integration is not None and integration.state == IntegrationState.PAUSED
