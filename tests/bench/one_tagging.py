"""`python -m tests.bench.one_tagging FOLDER`: one tagging run in this process, timed without its start."""

from __future__ import annotations

import cProfile
import sys
from pathlib import Path

from sqlalchemy import select

from harmony.clock import monotonic, now
from harmony.db import db
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import JobRun
from harmony.tagging import job as tagging_job
from tests.bench.commits import Commits
from tests.bench.dashboard import INTEGRATION, opened
from tests.bench.process import say


def main(arguments: list[str]) -> int:
    """Tag and say how it went; a second argument names a file for cProfile's statistics."""
    with opened(Path(arguments[0])):
        lease.request(INTEGRATION, JobKind.TAGGING, "bench", now(), whole=False)
        commits = Commits(db.engine)
        profile = cProfile.Profile() if len(arguments) > 1 else None
        began = monotonic()
        if profile is None:
            tagging_job.tag(INTEGRATION)
        else:
            profile.runcall(tagging_job.tag, INTEGRATION)
        ended = monotonic()
        if profile is not None:
            profile.dump_stats(arguments[1])
        last = db.session.scalars(
            select(JobRun).where(JobRun.kind == "tagging").order_by(JobRun.id.desc()).limit(1)
        ).one()
        said = {"state": last.state, "reason": last.reason, "counts": last.counts, "calls": last.calls}
    say(ended - began, **said, **commits.told())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
