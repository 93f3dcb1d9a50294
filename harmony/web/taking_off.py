"""Whether tags of an integration stand on devices, and how far taking them all off has come."""

from __future__ import annotations

from sqlalchemy import select

from harmony.db import db
from harmony.models import Integration, IntegrationState, UemTag
from harmony.models.configuration import TAGGING, Tagging, from_row
from harmony.web import tag_rows
from harmony.web.tag_words import switched_on

FINISHED = {IntegrationState.ACTIVE, IntegrationState.PAUSED}


def tagged(integration: Integration) -> int:
    """On how many devices at least one tag stands, as far as is known; 0 where nobody could change that."""
    return tag_rows.tagged_devices(integration.id) if integration.state in FINISHED else 0


def possible(integration: Integration) -> bool:
    """Whether the worker may talk to the UEM at all."""
    return integration.state == IntegrationState.ACTIVE and integration.stopped_why is None


def begun(integration: Integration) -> bool:
    """Whether somebody asked to take every tag off: tagging is off, and tags are being retired."""
    page = integration.page(TAGGING)
    retired = select(UemTag.key).where(
        UemTag.integration_id == integration.id, UemTag.retired_at.is_not(None)
    )
    off = not switched_on(from_row(Tagging, page.applied if page else None))
    return off and db.session.scalar(retired.limit(1)) is not None
