"""Find out from the rows whether two integrations read the same groups of one server."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from harmony.db import db
from harmony.jobs.uem_client import address_policy
from harmony.models import Integration, IntegrationState
from harmony.models.configuration import ChosenGroup
from harmony.setup.overlap import Reader, overlap
from harmony.setup.wizard_state import WizardState
from harmony.uem.errors import BlockedByPolicy
from harmony.uem.records import GroupKind
from harmony.uem.trust.address import parse_server

_RUNNING = (IntegrationState.ACTIVE, IntegrationState.PAUSED)


def overlap_of(state: WizardState, chosen: Sequence[ChosenGroup] | None = None) -> str | None:
    """Say in a sentence what another running integration already reads of `chosen`; None when nothing.

    Without `chosen`, of the groups that are in force here; for a draft, of those last typed.
    """
    server = _server(state)
    others = [other for other in map(WizardState, _others(state.id)) if _server(other) == server]
    if not others:
        return None
    return overlap(_reader(state, chosen), [_reader(other, None) for other in others])


def _others(integration_id: int) -> Sequence[Integration]:
    others = select(Integration).where(Integration.id != integration_id, Integration.state.in_(_RUNNING))
    return db.session.scalars(others.order_by(Integration.id).options(selectinload(Integration.pages))).all()


def _reader(state: WizardState, chosen: Sequence[ChosenGroup] | None) -> Reader:
    parents = {
        group.external_id: group.parent_id for group in state.groups if group.kind == GroupKind.ORGANIZATION
    }
    groups = state.effective.synchronization.groups if chosen is None else chosen
    return Reader(state.integration.name, _server(state), groups, parents)


def _server(state: WizardState) -> str:
    """Return `host:port` of the server that counts."""
    address = state.effective.server.server_address
    try:
        parsed = parse_server(address, address_policy())
    except BlockedByPolicy:  # Verify refuses such an address; until then it is like itself only
        return address.casefold()
    return f"{parsed.host}:{parsed.port}"
