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
from harmony.tagging.names import is_managed

_ASKED = "Asked to take tags off the devices"
OFF = {"tag_status": False, "tag_risk": False, "tag_factors": False}


class _TakingOff(NamedTuple):
    """What is still to be taken off: so many tags, and how often they are on a device as far as is known."""

    tags: int
    links: int


def retire(integration_id: int, keys: Collection[str], by: str, now: datetime) -> None:
    """Take the tags of these keys off every device. One that is needed again stays on."""
    with write() as session:
        retire_in(session, session.get_one(Integration, integration_id), keys, by, now)


def retire_all(integration_id: int, by: str, now: datetime) -> None:
    """Switch everything off and take every tag off, as before the integration is removed."""
    with write() as session:
        integration = session.get_one(Integration, integration_id)
        page = integration.page(TAGGING)
        if page is not None:
            off = msgspec.structs.replace(from_row(Tagging, page.applied), **OFF)
            page.draft = page.applied = to_row(off)
            integration.version += 1
        mine = select(UemTag.key).where(UemTag.integration_id == integration_id)
        retire_in(session, integration, session.scalars(mine).all(), by, now)


def no_longer_on(integration_id: int, before: Tagging, after: Tagging) -> list[str]:
    """The keys of the tags in the UEM that these settings put on devices before and do not any more."""
    mine = (UemTag.integration_id == integration_id, UemTag.external_id.is_not(None))
    keys = db.session.scalars(select(UemTag.key).where(*mine).order_by(UemTag.key))
    return [key for key in keys if is_managed(key, before) and not is_managed(key, after)]


def taking_off(integration_id: int) -> _TakingOff:
    """How much is left of it; nothing once the runs are through."""
    mine = (UemTag.integration_id == integration_id, UemTag.retired_at.is_not(None))
    keys = db.session.scalars(select(UemTag.key).where(*mine)).all()
    there = (TagLink.integration_id == integration_id, TagLink.key.in_(keys), TagLink.present)
    count = db.session.scalar(select(func.count()).select_from(TagLink).where(*there))
    return _TakingOff(len(keys), count or 0)


def retire_in(
    session: Session, integration: Integration, keys: Collection[str], by: str, now: datetime
) -> None:
    """The same as `retire`, inside the caller's `write()`."""
    mine = (UemTag.integration_id == integration.id, UemTag.key.in_(keys), UemTag.external_id.is_not(None))
    # Looking who carries them finds also those that have been forgotten.
    session.execute(update(UemTag).where(*mine).values(retired_at=now, checked_at=None, kept_off=True))
    names = session.scalars(select(UemTag.name).where(*mine).order_by(UemTag.name)).all()
    audit(session, by, _ASKED, now, integration, detail=", ".join(names))
    control.again(session, integration.id, JobKind.TAGGING, now)
