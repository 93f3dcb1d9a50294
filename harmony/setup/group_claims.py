"""Asks the rows which integrations read which groups of which server, for `overlap`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec
from sqlalchemy import select

from harmony.db import db
from harmony.jobs.uem_client import outbound_policy
from harmony.models import Integration, IntegrationState
from harmony.models.configuration import (
    SERVER,
    SYNCHRONIZATION,
    ChosenGroup,
    ServerDetails,
    Synchronization,
    from_row,
)
from harmony.setup import groups
from harmony.setup.overlap import Reader, overlap
from harmony.uem.errors import BlockedByPolicy
from harmony.uem.records import GroupKind
from harmony.uem.trust.address import parse_server

Record = TypeVar("Record", bound=msgspec.Struct)

# Those whose pages are in force.
IN_FORCE = (IntegrationState.ACTIVE, IntegrationState.PAUSED)


def overlap_of(integration: Integration, chosen: Sequence[ChosenGroup] | None = None) -> str | None:
    """What another integration in force already reads of `chosen`, in a sentence; None when nothing.

    Without `chosen`, of the groups that are in force here; for a draft, of those last typed.
    """
    others = select(Integration).where(Integration.id != integration.id, Integration.state.in_(IN_FORCE))
    every = db.session.scalars(others.order_by(Integration.id)).all()
    return overlap(_reader(integration, chosen), [_reader(other, None) for other in every])


def _reader(integration: Integration, chosen: Sequence[ChosenGroup] | None) -> Reader:
    if chosen is None:
        chosen = _known(integration, SYNCHRONIZATION, Synchronization).groups
    server = _known(integration, SERVER, ServerDetails)
    tree = {
        one.external_id: one.parent_id
        for one in groups.known(integration.id)
        if one.kind == GroupKind.ORGANIZATION
    }
    return Reader(integration.name, _host_and_port(server.server_address), chosen, tree)


def _host_and_port(address: str) -> str:
    try:
        parsed = parse_server(address, outbound_policy())
    except BlockedByPolicy:  # Verify refuses such an address; until then it is like itself only
        return address.casefold()
    return f"{parsed.host}:{parsed.port}"


def _known(integration: Integration, page: str, kind: type[Record]) -> Record:
    row = integration.page(page)
    return from_row(kind, (row.applied or row.draft) if row else None)
