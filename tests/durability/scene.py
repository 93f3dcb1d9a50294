"""One integration on a real file, its syncs against a UEM in memory, and what must be true in the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta

from harmony.clock import now
from harmony.db import db, release
from harmony.jobs import lease, recovery
from harmony.jobs.kinds import JobKind
from harmony.jobs.lease import LEASE
from harmony.models import Integration, JobRun
from harmony.sync import job as sync_job
from tests.builders import FakeUem, a_device
from tests.durability import story
from tests.invariants import check_invariants
from tests.stored import last_sync

KNOWN = range(100, 120)
MANY = range(100, 3100)
CANARY = "canary phone of kim"


class Scene:
    """`lasting` is left when the trouble is over."""

    def __init__(self, integration_id: int) -> None:
        self.id = integration_id
        self.lasting = ExitStack()

    def sync(self, numbers: range = MANY, on_page: Callable[[int], None] | None = None) -> JobRun:
        """Sync now; the run's row, however it ended."""
        lease.request(self.id, JobKind.DEVICES, "test", now())
        sync_job.sync(self.id, opener=lambda *_: a_uem(numbers, on_page))
        return self.last_run()

    def last_run(self) -> JobRun:
        """The newest run."""
        return last_sync()

    def learn(self) -> None:
        """A sync before the trouble."""
        assert self.sync(KNOWN).state == "ok"

    def integration(self) -> Integration:
        """Its row, read again."""
        release()
        return db.session.get_one(Integration, self.id)

    def recover(self) -> None:
        """The trouble is over: whatever was left open is closed, and the next sync brings all of it."""
        self.lasting.close()
        recovery.reap(now() + LEASE + timedelta(seconds=1))
        release()
        done = self.sync()
        assert (done.state, done.count("missing")) == ("ok", 0), done.reason
        check_invariants()
        held = story.dump()
        assert [row[0] for row in held["device"]] == [str(number) for number in MANY]
        assert {row[-4:] for row in held["device"]} == {(None, "", 0, None)}
        assert len(held["membership"]) == len(MANY)
        assert self.sync().count("unchanged") == len(MANY)


def a_uem(numbers: range, on_page: Callable[[int], None] | None = None) -> FakeUem:
    """A UEM that lists these devices, each with personal data."""
    listed = [a_device(external_id=str(number), udid=f"{number:06}", name=CANARY) for number in numbers]
    return FakeUem({"570": listed}, page_size=50, on_page=on_page)
