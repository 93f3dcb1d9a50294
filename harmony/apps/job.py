"""The app sync: reads the apps of iOS devices from the UEM, within a share of its daily calls."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from time import sleep

from sqlalchemy.orm import Session

from harmony.apps import outcome as app_outcome
from harmony.apps import store as app_store
from harmony.apps import targets
from harmony.apps.outcome import OVERTAKEN, PAUSED, STOPPED, AppSyncCounts, Doubts, PlannedOutcome
from harmony.apps.reader import AppListReader, DeviceAppList
from harmony.clock import monotonic, now
from harmony.config import current_settings
from harmony.db import db, release, write
from harmony.jobs import call_share, control, lease
from harmony.jobs.heartbeat import LOOK_SECONDS, Interrupted, LeaseKeeper
from harmony.jobs.kinds import JobKind
from harmony.jobs.lease import Lease
from harmony.jobs.presence import identity
from harmony.jobs.progress import show_progress
from harmony.jobs.quota import Share, is_scarce
from harmony.jobs.runner import Outcomes, attempt, recording_outcome
from harmony.jobs.uem_client import ClientFactory, open_client
from harmony.models import Integration, JobRun
from harmony.models.configuration import SERVER, ServerDetails, from_row
from harmony.uem.client import UemClient
from harmony.uem.errors import UemError
from harmony.uem.http.rate_limit import LeakyBucket
from harmony.uem.records import Quota

log = logging.getLogger(__name__)

# Many apps are one commit; few devices are enough to show that something moves.
_APPS_PER_WRITE = 600
_LONGEST_KEPT_BACK = timedelta(seconds=1)
# A device sync that starts meanwhile finds a third of the calls a minute free, and need not wait for ours.
_SHARE_OF_A_MINUTE = 2 / 3
_CALLS_AT_ONCE = 60
_NAME = "app sync"


@dataclass(slots=True)
class _AppSync:
    """One run under way."""

    lease: Lease
    kind: str
    server: ServerDetails
    share: Share
    percent: int
    should_stop: Callable[[], bool]
    spread: LeakyBucket
    must_end: Callable[[], bool] = lambda: False
    counts: AppSyncCounts = field(default_factory=AppSyncCounts)
    doubts: Doubts = field(default_factory=Doubts)
    others_counted: bool = False
    calls: int = 0
    quota: Quota | None = None

    def may_call(self, client: UemClient, under_way: int) -> bool:
        """Tell whether one more call is within the share, and enough of the day's calls are left to others.

        Waits for its turn in the minute, at the usual pace a tenth of a second at most.
        """
        self.calls, self.quota = client.calls(), client.quota()
        if self.quota is not None:
            self.share = app_outcome.with_quota(self.share, self.quota, self.percent)
            if is_scarce(self.quota.remaining, self.quota.limit):
                return False
        if self.calls + under_way >= self.share.left:
            return False
        return self._turn()

    def _turn(self) -> bool:
        until = monotonic() + self.spread.book()
        while (left := until - monotonic()) > 0:
            if self.must_end():
                return False
            sleep(min(left, LOOK_SECONDS))
        return True


def sync_apps(
    integration_id: int, should_stop: Callable[[], bool] = lambda: False, opener: ClientFactory = open_client
) -> None:
    """Do the job if it is due and free. Every end is written to its run's row."""
    claimed = lease.claim(integration_id, JobKind.APPS, identity(), now())
    if claimed is None:
        return
    work = _load(claimed, should_stop)
    end = _attempt(work, opener)
    with recording_outcome(_NAME, work):
        _finish(work, end)


def _load(claimed: Lease, should_stop: Callable[[], bool]) -> _AppSync:
    settings = current_settings()
    integration = db.session.get_one(Integration, claimed.integration_id)
    page = integration.page(SERVER)
    server = from_row(ServerDetails, page.applied if page else None)
    percent = settings.apps_quota_percent
    share = call_share.of_apps(integration.id, percent, now())
    spread = LeakyBucket(settings.calls_per_minute * _SHARE_OF_A_MINUTE, _CALLS_AT_ONCE, monotonic)
    work = _AppSync(claimed, integration.kind, server, share, percent, should_stop, spread)
    work.counts.waiting = targets.waiting(integration.id)
    release()
    return work


def _attempt(work: _AppSync, opener: ClientFactory) -> PlannedOutcome:
    def renew(session: Session, current_time: datetime) -> None:
        lease.renew(session, work.lease, current_time)

    def take(client: UemClient, watch: LeaseKeeper) -> PlannedOutcome:
        return _take(work, client, watch)

    def ended(error: UemError) -> PlannedOutcome:
        return app_outcome.of_error(error, work.counts, work.server.use_oauth2)

    outcomes = Outcomes(
        _NAME, app_outcome.of_locked, app_outcome.of_database, STOPPED, PAUSED, OVERTAKEN, ended
    )
    return attempt(work, opener, renew, take, outcomes)


def _take(work: _AppSync, client: UemClient, watch: LeaseKeeper) -> PlannedOutcome:
    """Read and write what the share allows; a run that must end asks for no more, and raises."""
    work.must_end = watch.must_end
    try:
        if work.counts.waiting and work.share.left:
            _read(work, client)
    finally:
        work.calls, work.quota = client.calls(), client.quota()
    watch.go_on()
    return app_outcome.of_reading(work.counts, work.doubts, work.share, work.quota)


def _read(work: _AppSync, client: UemClient) -> None:
    found = targets.targets(work.lease.integration_id, work.counts.waiting)
    ever_read = targets.was_read(work.lease.integration_id)
    release()
    reader = AppListReader(client, lambda under_way: work.may_call(client, under_way), ever_read)
    for batch in _batches(reader.read(found)):
        if work.should_stop():
            raise Interrupted
        _write(work, batch)


def _batches(listed: Iterator[DeviceAppList]) -> Iterator[list[DeviceAppList]]:
    """A few devices at a time; also what came before an error is kept."""
    batch: list[DeviceAppList] = []
    since = now()
    try:
        for app_list in listed:
            batch.append(app_list)
            heavy = sum(len(each.apps.apps if each.apps else ()) + 10 for each in batch) >= _APPS_PER_WRITE
            if heavy or now() - since >= _LONGEST_KEPT_BACK:
                yield batch
                batch, since = [], now()
    except UemError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _write(work: _AppSync, batch: list[DeviceAppList]) -> None:
    current_time, counts = now(), work.counts
    work.others_counted = work.others_counted or any(app_store.announces(each.apps) for each in batch)
    with write() as session:
        lease.renew(session, work.lease, current_time)
        stored = app_store.store(
            session, work.lease.integration_id, batch, current_time, others_counted=work.others_counted
        )
        counts.changed += stored.changed
        counts.read += sum(1 for each in batch if each.apps is not None)
        counts.skipped += sum(1 for each in batch if each.apps is None)
        counts.waiting = max(0, counts.waiting - len(batch))
        counts.incomplete += work.doubts.note(stored.outcomes)
        _show(session, work, current_time)
    work.doubts.note_error(next((each.error for each in batch if each.error), None))


def _show(session: Session, work: _AppSync, current_time: datetime) -> None:
    left, limit = (work.quota.remaining, work.quota.limit) if work.quota else (None, None)
    show_progress(
        session, work.lease.run_id, current_time, step="Reading the apps of devices",
        counts=asdict(work.counts), calls=work.calls, quota_left=left, quota_limit=limit,
    )  # fmt: skip


def _finish(work: _AppSync, end: PlannedOutcome) -> None:
    """Close the run, plan the next one, and wait for a person where only one can help."""
    current_time, claimed = now(), work.lease
    with write() as session:
        _show(session, work, current_time)
        if end.park:
            lease.park(session, claimed, f"{end.outcome.reason} {end.outcome.advice}".strip())
        integration = session.get(Integration, claimed.integration_id)
        if integration is None:
            return
        started = session.get_one(JobRun, claimed.run_id).started_at
        planned = control.usual_time(integration, claimed.kind, started, current_time)
        lease.settle(
            session,
            claimed,
            end.outcome,
            end.next_at(planned, current_time),
            current_time,
            done_up_to=started,
        )
    log.info("App sync %d of integration %d: %s.", claimed.run_id, claimed.integration_id, end.outcome.state)
