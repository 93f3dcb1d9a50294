"""What becomes of tags on devices when the Tagging page switches them off, or gives them other names."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.jobs import control
from harmony.jobs.kinds import JobKind
from harmony.models import Integration, UemTag
from harmony.models.configuration import Tagging, from_row
from harmony.setup.edits import left_behind
from harmony.tagging import removal as tagging_removal
from harmony.tagging.names import OLD, is_managed

_Row = dict[str, Any]


def settle(  # noqa: PLR0917 - two rows of the page, and what was decided when and by whom
    session: Session,
    integration: Integration,
    before: _Row,
    after: _Row,
    take_off: bool,
    by: str,
    now: datetime,
) -> None:
    """Have tags that are left behind taken off, or left, inside the caller's `write()`; tagging is due.

    The worker takes a renamed tag off by itself, and leaves one that is switched off, unless told otherwise.
    """
    old, new = from_row(Tagging, before), from_row(Tagging, after)
    own = select(UemTag).where(UemTag.integration_id == integration.id, UemTag.external_id.is_not(None))
    rows = {tag.key: tag for tag in session.scalars(own)}
    left = left_behind(old, new, rows)
    off = [key for key in left if not is_managed(key, new)]
    if take_off and off:
        tagging_removal.retire(session, integration, off, by, now)
    elif not take_off:
        for key in left:
            rows[key].kept_off = False
        _remember(rows[key] for key in left if key not in off)
    control.restart(session, integration.id, JobKind.TAGGING, now)


def _remember(renamed: Iterable[UemTag]) -> None:
    """Former tags that are not taken off: all that is known of them is that they are ours."""
    for tag in renamed:
        tag.key = f"{OLD}{tag.external_id}"
