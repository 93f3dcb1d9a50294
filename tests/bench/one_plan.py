"""`python -m tests.bench.one_plan FOLDER`: what every device should carry, and the batches of it, timed."""

from __future__ import annotations

import sys
from pathlib import Path

from sqlalchemy.orm import Session

from harmony.clock import monotonic, now
from harmony.db import db
from harmony.models.configuration import Tagging
from harmony.tagging import outbox
from harmony.tagging.desired_state import Desire
from harmony.tagging.links import refresh_all
from harmony.tagging.plan import batches, in_order
from tests.bench.commits import Commits
from tests.bench.dashboard import INTEGRATION, opened
from tests.bench.process import say


def main(arguments: list[str]) -> int:
    """Plan and say how long it took, and how long of that the commits."""
    with opened(Path(arguments[0])):
        commits = Commits(db.engine)
        began = monotonic()
        refresh_all(Desire(INTEGRATION, Tagging()), now(), _nothing)
        calls = sum(
            _calls(key, add) for add in (True, False) for key in in_order(outbox.open_keys(INTEGRATION))
        )
        ended = monotonic()
    say(ended - began, calls=calls, **commits.told())
    return 0


def _calls(key: str, add: bool) -> int:
    return sum(1 for _ in batches(key, add, outbox.targets(INTEGRATION, key, add, now())))


def _nothing(_session: Session) -> None:
    return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
