"""Remember the tags made or adopted in a UEM beyond the integration that did so."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from harmony.db import db
from harmony.models import FormerTag, Integration, UemTag
from harmony.models.configuration import ServerDetails
from harmony.setup.wizard_state import WizardState
from harmony.tagging.names import tag_key
from harmony.uem.trust.address import origin_of


def remember(session: Session, integration: Integration, server: ServerDetails, now: datetime) -> None:
    """Write down the tags of an integration at `server`, inside the caller's `write()`, before it goes on."""
    origin = origin_of(server.server_address)
    if not origin:
        return
    own = (UemTag.integration_id == integration.id, UemTag.external_id.is_not(None), UemTag.proven)
    for tag in session.scalars(select(UemTag).where(*own)).all():
        session.merge(FormerTag(server=origin, external_id=tag.external_id, name=tag.name, at=now))


def remember_all(session: Session, integration_id: int, now: datetime) -> None:
    """Do the same at the server that an integration has in force, or at that of its draft."""
    integration = session.get_one(Integration, integration_id)
    remember(session, integration, WizardState(integration).effective.server, now)


def at_same_uem(state: WizardState) -> frozenset[tuple[str, str]]:
    """Return ids and names (`tag_key`) of all that Harmony made or adopted in the draft's UEM, for others."""
    origin = origin_of(state.draft.server.server_address)
    if not origin:
        return frozenset()
    former = select(FormerTag.external_id, FormerTag.name).where(FormerTag.server == origin)
    others = select(UemTag.external_id, UemTag.name).where(
        UemTag.integration_id.in_(_others(state.id, origin)),
        UemTag.external_id.is_not(None),
        UemTag.proven,
    )
    rows = (*db.session.execute(former), *db.session.execute(others))
    return frozenset((id_, tag_key(name)) for id_, name in rows if id_)


def _others(integration_id: int, origin: str) -> list[int]:
    """Return the ids of the other integrations of that UEM."""
    others = select(Integration).where(Integration.id != integration_id)
    states = map(WizardState, db.session.scalars(others.options(selectinload(Integration.pages))))
    return [state.id for state in states if origin_of(state.effective.server.server_address) == origin]
