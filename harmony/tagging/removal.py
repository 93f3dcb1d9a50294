"""Takes tags off all devices: for a part that was switched off, or before an integration is removed.

The next runs of tagging do it. What is switched off and not taken off stays there and is forgotten.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.db import db, write
from harmony.jobs import control
from harmony.jobs.kinds import JobKind
from harmony.models import Integration, TagLink, UemTag
from harmony.models.configuration import TAGGING, Tagging, from_row, to_row
from harmony.sync.removal_undo import remember_tagging

_ASKED = "Asked to take tags off the devices"
_OFF = {"tag_status": False, "tag_risk": False, "tag_factors": False}


class _TakingOff(NamedTuple):
    """The removal still to do: so many tags, on so many devices as far as is known."""

    tags: int
    links: int


def retire_all(integration_id: int, by: str, now: datetime) -> None:
    """Switch everything off and take every tag off, as before the integration is removed."""
    with write() as session:
        integration = session.get_one(Integration, integration_id)
        page = integration.page(TAGGING)
        if page is not None:
            remember_tagging(integration)
            off = msgspec.structs.replace(from_row(Tagging, page.applied), **_OFF)
            page.draft = page.applied = to_row(off)
            integration.version += 1
        own_tags = select(UemTag.key).where(UemTag.integration_id == integration_id)
        retire(session, integration, session.scalars(own_tags).all(), by, now)


def taking_off(integration_id: int) -> _TakingOff:
    """Return how much is left of it; nothing once the runs are through."""
    own_tags = (UemTag.integration_id == integration_id, UemTag.retired_at.is_not(None))
    keys = db.session.scalars(select(UemTag.key).where(*own_tags)).all()
    there = (TagLink.integration_id == integration_id, TagLink.key.in_(keys), TagLink.present)
    count = db.session.scalar(select(func.count()).select_from(TagLink).where(*there))
    return _TakingOff(len(keys), count or 0)


def retire(session: Session, integration: Integration, keys: Collection[str], by: str, now: datetime) -> None:
    """Take the tags of these keys off every device, inside the caller's `write()`."""
    own_tags = (
        UemTag.integration_id == integration.id,
        UemTag.key.in_(keys),
        UemTag.external_id.is_not(None),
    )
    # Looking who carries them finds also those that have been forgotten.
    session.execute(update(UemTag).where(*own_tags).values(retired_at=now, checked_at=None, kept_off=True))
    names = session.scalars(select(UemTag.name).where(*own_tags).order_by(UemTag.name)).all()
    audit(session, by, _ASKED, now, integration, detail=", ".join(names))
    control.restart(session, integration.id, JobKind.TAGGING, now)
