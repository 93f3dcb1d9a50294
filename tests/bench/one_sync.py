"""`python -m tests.bench.one_sync FOLDER`: one sync in this process, timed without start and imports."""

from __future__ import annotations

import cProfile
import sys
from pathlib import Path
from time import process_time

from harmony.clock import monotonic, now
from harmony.db import db
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.sync import job as sync_job
from harmony.worker.process import collect_seldom
from tests.bench.commits import Commits
from tests.bench.dashboard import INTEGRATION, opened
from tests.bench.process import say
from tests.stored import last_sync

COUNTS = ("pages_read", "added", "updated", "unchanged", "missing", "deleted")


def main(arguments: list[str]) -> int:
    """Sync as the worker does, and say how it went; a second argument names a file for cProfile's figures."""
    with opened(Path(arguments[0])):
        lease.request(INTEGRATION, JobKind.DEVICES, "bench", now())
        commits = Commits(db.engine)
        collect_seldom()
        profile = cProfile.Profile() if len(arguments) > 1 else None
        began, cpu = monotonic(), process_time()
        if profile is None:
            sync_job.sync(INTEGRATION)
        else:
            profile.runcall(sync_job.sync, INTEGRATION)
        ended, cpu = monotonic(), process_time() - cpu
        if profile is not None:
            profile.dump_stats(arguments[1])
        last = last_sync()
        found = {"kind": last.sync_kind, "state": last.state, "reason": last.reason}
        counts = {name: last.count(name) for name in COUNTS}
    say(
        ended - began,
        **found,
        **counts,
        began=began,
        ended=ended,
        cpu_seconds=round(cpu, 3),
        **commits.told(),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
