"""Asks the rows about the tags of an integration: whose they are, and on how many devices each goes."""

from __future__ import annotations

from sqlalchemy import func, select

from harmony.db import db
from harmony.models import Device, DeviceStatus, Finding, Protection, Risk, UemTag
from harmony.setup import former_tags
from harmony.setup.tag_preview import Ours
from harmony.tagging.names import factor_key, risk_key, tag_key


def ours(integration_id: int) -> Ours:
    """The tags that this integration made or adopted; one that it was about to make is known by its name."""
    tags = db.session.scalars(select(UemTag).where(UemTag.integration_id == integration_id)).all()
    begun = {tag.name for tag in tags if tag.external_id is None and tag.organization_group_id is not None}
    ids = [(id_, tag) for tag in tags for id_ in (tag.external_id, tag.former_id) if id_]
    return Ours(
        ids=frozenset(id_ for id_, tag in ids if tag.proven),
        unproven=frozenset((id_, tag_key(tag.name)) for id_, tag in ids if not tag.proven),
        begun=frozenset(begun),
        earlier=former_tags.at_same_uem(integration_id),
    )


def devices_by_key(integration_id: int) -> dict[str, int]:
    """On how many devices each tag would be put now, counted in the database; any other on none."""
    mine = (Device.integration_id == integration_id, Device.deleted_at.is_(None))
    live = (*mine, Device.external_id.is_not(None))
    status = func.coalesce(Protection.status, DeviceStatus.PROVISIONED.value)
    risk = func.coalesce(Protection.risk, int(Risk.NONE))
    both = select(status, risk, func.count()).select_from(Device).outerjoin(Protection)
    found: dict[str, int] = {}
    for one, level, count in db.session.execute(both.where(*live).group_by(status, risk)):
        for key in (f"status:{one}", risk_key(level)):
            found[key] = found.get(key, 0) + count
    number = func.count(Finding.device_id.distinct())
    factors = select(Finding.code, number).join(Device, Device.id == Finding.device_id)
    by_code = factors.where(*live, Finding.closed_at.is_(None)).group_by(Finding.code)
    return found | {factor_key(code): count for code, count in db.session.execute(by_code)}
