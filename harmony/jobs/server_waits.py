"""Which integrations may not start anything now, because their server asked everybody to wait."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.db import db
from harmony.models import Integration, SetupPage, WaitRow
from harmony.models.configuration import SERVER, ServerDetails, from_row
from harmony.uem.http.server_wait import ServerWait
from harmony.uem.trust.address import origin_of


def standing(session: Session, integration_id: int, now: datetime) -> ServerWait | None:
    """Return the wait that keeps this integration from starting anything; the one that ends last."""
    lasting = _lasting(session, now)
    return _longest(session, integration_id, lasting) if lasting else None


def waiting(ids: Iterable[int], now: datetime) -> set[int]:
    """Return those of the integrations `ids` that have to wait."""
    lasting = _lasting(db.session(), now)
    return {id_ for id_ in ids if _longest(db.session(), id_, lasting)} if lasting else set()


def why_waiting(integration: Integration, now: datetime) -> str | None:
    """Say why nothing of this integration starts yet; None when nothing keeps it."""
    wait = standing(db.session(), integration.id, now)
    return None if wait is None else wait.sentence(now)


def _lasting(session: Session, now: datetime) -> dict[str, ServerWait]:
    rows = session.scalars(select(WaitRow).where(WaitRow.until > now)).all()
    waits = [ServerWait(row.origin, row.since, row.until, row.quota) for row in rows]
    return {wait.origin: wait for wait in waits if wait.lasts(now)}


def _longest(session: Session, integration_id: int, lasting: dict[str, ServerWait]) -> ServerWait | None:
    page = session.get(SetupPage, (integration_id, SERVER))
    server = from_row(ServerDetails, page.applied if page else None)
    addresses = [server.server_address] + ([server.token_address] if server.use_oauth2 else [])
    waits = (lasting.get(origin_of(address)) for address in addresses)
    return max((wait for wait in waits if wait), key=lambda wait: wait.until, default=None)
