"""What Harmony once made or adopted in a UEM, known also when the integration that did so is gone."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.db import db
from harmony.models import FormerTag, Integration, UemTag
from harmony.models.configuration import SERVER, ServerDetails, from_row
from harmony.tagging.names import tag_key
from harmony.uem.trust.address import origin_of


def remember(session: Session, integration: Integration, server: ServerDetails, now: datetime) -> None:
    """Write down the tags of an integration at `server`, inside the caller's `write()`, before it goes on."""
    origin = origin_of(server.server_address)
    mine = (UemTag.integration_id == integration.id, UemTag.external_id.is_not(None), UemTag.proven)
    for tag in session.scalars(select(UemTag).where(*mine)).all() if origin else ():
        session.merge(FormerTag(server=origin, external_id=tag.external_id, name=tag.name, at=now))


def remember_all(session: Session, integration_id: int, now: datetime) -> None:
    """The same for the server that an integration has in force, or for that of its draft."""
    integration = session.get_one(Integration, integration_id)
    remember(session, integration, _server(integration), now)


def at_same_uem(integration_id: int) -> frozenset[tuple[str, str]]:
    """Ids and names (`tag_key`) of all that Harmony made or adopted in the UEM of this draft, for others."""
    integration = db.session.get_one(Integration, integration_id)
    row = integration.page(SERVER)
    origin = origin_of(from_row(ServerDetails, row.draft if row else None).server_address)
    if not origin:
        return frozenset()
    former = select(FormerTag.external_id, FormerTag.name).where(FormerTag.server == origin)
    others = select(UemTag.external_id, UemTag.name).where(
        UemTag.integration_id.in_(_others(integration_id, origin)),
        UemTag.external_id.is_not(None),
        UemTag.proven,
    )
    rows = (*db.session.execute(former), *db.session.execute(others))
    return frozenset((id_, tag_key(name)) for id_, name in rows if id_)


def _others(integration_id: int, origin: str) -> list[int]:
    """The ids of the other integrations of that UEM."""
    every = db.session.scalars(select(Integration).where(Integration.id != integration_id)).all()
    return [other.id for other in every if origin_of(_server(other).server_address) == origin]


def _server(integration: Integration) -> ServerDetails:
    row = integration.page(SERVER)
    return from_row(ServerDetails, (row.applied or row.draft) if row else None)
