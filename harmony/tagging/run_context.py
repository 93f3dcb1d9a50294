"""One tagging run under way: what it may do, what it has done, and how it shows that it lives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from harmony.clock import now
from harmony.jobs import lease
from harmony.jobs.heartbeat import Interrupted
from harmony.jobs.lease import Lease
from harmony.jobs.progress import show_progress
from harmony.models.configuration import ServerDetails, Tagging
from harmony.tagging.call_size import CallSize
from harmony.tagging.outcome import Counts
from harmony.uem.client import UemClient
from harmony.uem.records import Quota


@dataclass(slots=True)
class RunContext:
    """`began` is when it looked at the devices, at all of them or at those that changed after `since`.

    `next_at` is when there will be something to do even if nothing changes. `declined` names a few tags that
    the UEM declined, `doubts` says in sentences what it answered that contradicts what is known; `doubtful`
    are the keys of the tags these are still about.
    """

    lease: Lease
    kind: str
    server: ServerDetails
    tagging: Tagging
    should_stop: Callable[[], bool]
    began: datetime
    since: datetime | None = None
    failures: int = 0
    next_at: datetime | None = None
    step: str = ""
    counts: Counts = field(default_factory=Counts)
    calls: int = 0
    quota: Quota | None = None
    size: CallSize = field(default_factory=CallSize)
    declined: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    doubtful: set[str] = field(default_factory=set)

    @property
    def id(self) -> int:
        """The integration."""
        return self.lease.integration_id

    def renew_lease(self, session: Session) -> None:
        """Renew the lease and show the progress, inside the caller's `write()`. Raises LeaseLost."""
        current_time = now()
        lease.renew(session, self.lease, current_time)
        self.show(session, current_time)

    def show(self, session: Session, current_time: datetime) -> None:
        """Write the progress into the run's row."""
        left, limit = (self.quota.remaining, self.quota.limit) if self.quota else (None, None)
        show_progress(
            session, self.lease.run_id, current_time, step=self.step, counts=asdict(self.counts),
            calls=self.calls, quota_left=left, quota_limit=limit,
        )  # fmt: skip

    def note_usage(self, client: UemClient) -> None:
        """Take over what the client knows of calls and quota."""
        self.calls, self.quota = client.calls(), client.quota()

    def go_on(self) -> None:
        """Between two calls. Raises Interrupted."""
        if self.should_stop():
            raise Interrupted
