"""Shows how far a run has come, in its row, with each of its writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from harmony.db import bulk

# With each write of a run: the ORM takes many times as long for it.
UPDATE_RUN_PROGRESS = """UPDATE job_run SET heartbeat_at = ?, step = ?, counts = ?, calls = ?,
 quota_left = coalesce(?, quota_left), quota_limit = coalesce(?, quota_limit) WHERE id = ?"""


def show_progress(
    session: Session,
    run_id: int,
    now: datetime,
    *,
    step: str,
    counts: Mapping[str, int],
    calls: int,
    quota_left: int | None = None,
    quota_limit: int | None = None,
) -> None:
    """Write it inside the caller's `write()`. A quota that is not known stays as it was."""
    row = (bulk.encode_time(now), step, json.dumps(dict(counts)), calls, quota_left, quota_limit, run_id)
    bulk.execute(session, UPDATE_RUN_PROGRESS, row)
