"""One integration that knows its devices, and a way to sync it against whatever a test put in its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, select

from harmony.clock import now
from harmony.db import db, write
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.jobs.uem_client import ClientFactory, connection
from harmony.models import (
    AccessToken,
    Device,
    Integration,
    JobRun,
    SyncRunState,
    WaitRow,
)
from harmony.models.configuration import SERVER, ServerDetails, from_row, to_row
from harmony.security.credentials import SECRET_FIELDS, seal_secrets
from harmony.setup import drafts
from harmony.sync import job as sync_job
from harmony.tagging import job as tagging
from harmony.uem.client import UemClient
from harmony.uem.http import rate_limit
from harmony.uem.http.client import CallLimits, TimeSource
from harmony.uem.workspace_one.client import WorkspaceOne
from tests.faults.faulty import FaultyServer
from tests.faults.fleet import Faults, Fleet
from tests.invariants import check_invariants, what_is_known
from tests.stored import last_sync

PASSWORD, API_KEY, SECRET = "canary+password/1", "canary+key/2", "canary+secret/3"
CANARIES = (PASSWORD, API_KEY, SECRET, f"api.harmony:{PASSWORD}", "bearer-of-the-test")
QUICK = CallLimits(request_seconds=10.0, total_seconds=20.0)
# For faults that only a deadline ends: two tries of a quarter of a second.
HASTY = CallLimits(request_seconds=0.25, total_seconds=20.0, attempts=2)


@dataclass(frozen=True)
class Case:
    """One row of the matrix: what breaks, how the run ends, and what the page says about it."""

    row: int
    id: str
    faults: Faults
    state: SyncRunState
    says: str
    limits: CallLimits = QUICK
    oauth: bool = False
    setup: Callable[[pytest.MonkeyPatch], None] | None = None


def cases(*every: Case) -> Any:
    """Parametrize a test with these."""
    return pytest.mark.parametrize("case", every, ids=lambda case: f"{case.row}-{case.id}")


@dataclass
class Scene:
    """See the module. `slept` holds the client's waits; its clock goes on by them, and nobody waited."""

    integration_id: int
    logs: Callable[[], str]
    fleet: Fleet
    server: FaultyServer
    pem: str
    limits: CallLimits = QUICK
    fetchers: int = 2
    clock: Callable[[], datetime] = now
    slept: list[float] = field(default_factory=list)
    clear: dict[str, str] = field(default_factory=dict)

    def point(self, **changes: Any) -> None:
        """Put other Server Details in force; secrets come in clear text and are sealed."""
        with write() as session:
            integration = session.get_one(Integration, self.integration_id)
            row = integration.page(SERVER)
            assert row is not None
            details = msgspec.structs.replace(from_row(ServerDetails, row.applied), **changes)
            self.clear |= {name: value for name, value in changes.items() if name in SECRET_FIELDS}
            # Sealed anew for these addresses: whoever puts them in force has typed the secrets for them.
            details = seal_secrets(self.integration_id, msgspec.structs.replace(details, **self.clear))
            row.draft = row.applied = to_row(details)
            said = integration.verification(SERVER)
            assert said is not None
            said.digest = drafts.digest(row.draft)

    def by_password(self) -> None:
        """Sign in with user name, password and API key."""
        self.point(use_oauth2=False, username="api.harmony", password=PASSWORD, api_key=API_KEY)

    def by_oauth(self, **changes: str) -> None:
        """Sign in with client credentials at the same server."""
        own = {"token_address": f"{self.server.url}/connect/token", "client_secret": SECRET}
        self.point(**({"use_oauth2": True, "client_id": "harmony"} | own | changes))

    def forget_tokens(self) -> None:
        """The next call needs a token from the token service."""
        with write() as session:
            session.execute(delete(AccessToken))

    def sync(self) -> JobRun:
        """Sync now, any wait that was asked for being over; the run's row."""
        self._end_waits()
        assert lease.request(self.integration_id, JobKind.DEVICES, "test", now())
        sync_job.sync(self.integration_id, opener=self.opener)
        return self.last_run()

    def tag(self, *, whole: bool = True, opener: ClientFactory | None = None) -> JobRun:
        """Bring the tags in the UEM to what is wanted, now, any wait being over; the run's row."""
        self._end_waits()
        assert lease.request(self.integration_id, JobKind.TAGGING, "test", now(), whole=whole)
        tagging.tag(self.integration_id, opener=opener or self.opener)
        db.session.rollback()
        mine = select(JobRun).where(JobRun.integration_id == self.integration_id, JobRun.kind == "tagging")
        return db.session.scalars(mine.order_by(JobRun.id.desc()).limit(1)).one()

    def last_run(self) -> JobRun:
        """The newest device sync of the integration."""
        return last_sync(self.integration_id)

    def integration(self) -> Integration:
        """Its row, read again."""
        db.session.rollback()
        return db.session.get_one(Integration, self.integration_id)

    def devices(self) -> dict[str, bool]:
        """Every known device by the UEM's id, and whether it is missing."""
        found = select(Device.external_id, Device.missing_since)
        mine = Device.integration_id == self.integration_id
        return {id_: since is not None for id_, since in db.session.execute(found.where(mine))}

    def learn(self) -> None:
        """A sync before a fault, or after it is gone: it must be a good one."""
        done = self.sync()
        assert (done.state, done.count("missing")) == (SyncRunState.OK, 0), done.reason
        assert self.devices(), "nothing was learnt"

    def suffer(self, state: SyncRunState, says: str) -> JobRun:
        """Sync into the fault: it ends as told, in these words, and every known device stays as it was."""
        before, devices = what_is_known(), self.devices()
        done = self.sync()
        assert done.state == state, f"{done.state}: {done.reason}"
        assert says in f"{done.reason} {done.advice}", f"{done.reason} {done.advice}"
        assert "remote words" not in f"{done.reason} {done.advice}"
        assert {id_: missing for id_, missing in self.devices().items() if id_ in devices} == devices
        check_invariants(before, canaries=CANARIES, logs=self.logs())
        return done

    def recover(self) -> None:
        """The fault is gone: the next sync is good again, and a second one changes nothing."""
        before = what_is_known()
        self.learn()
        check_invariants(before, canaries=CANARIES, logs=self.logs(), again=self.sync)

    def prove(self, case: Case, monkeypatch: pytest.MonkeyPatch) -> JobRun:
        """Learn, break the fleet, sync into it, heal, sync again."""
        if case.oauth:
            self.by_oauth()
        self.learn()
        self.forget_tokens()
        self.fleet.break_with(case.faults)
        self.limits = case.limits
        with monkeypatch.context() as patched:
            if case.setup:
                case.setup(patched)
            done = self.suffer(case.state, case.says)
        self.fleet.break_with({})
        self.limits = QUICK
        if done.state != SyncRunState.OK and self.integration().stopped_why is None:
            self.learn()
        return done

    def _end_waits(self) -> None:
        with write() as session:
            session.execute(delete(WaitRow))
        rate_limit.reset()

    def opener(self, integration_id: int, kind: str, server: ServerDetails) -> UemClient:
        """Open the client of a run, with the waits of this scene."""
        target = connection(integration_id, server)
        before = sum(self.slept)

        def later() -> datetime:
            return self.clock() + timedelta(seconds=sum(self.slept) - before)

        times = TimeSource(now=later, sleep=self.slept.append, random=lambda: 1.0)
        return WorkspaceOne(target, self.fetchers, self.limits, times)


def epoch(moment: datetime) -> int:
    """A moment as the UEM's headers write it."""
    return int(moment.astimezone(UTC).timestamp())
