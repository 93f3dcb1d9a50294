"""Integrations, managed tags and the policy in the public API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row, select

from harmony.api.collection import Collection, risk_word
from harmony.api.schemas import FactorRisk, IntegrationItem, PolicyItem, TagItem
from harmony.db import db
from harmony.models import Integration, IntegrationState, PolicyRecord
from harmony.protection import policy
from harmony.protection.catalogue import CATALOGUE
from harmony.protection.policy_differences import risk_of
from harmony.security.permissions import Permission
from harmony.security.principal import Principal
from harmony.sync.deletion import soft_delete
from harmony.web.shared.filters import ChoiceFilter, Filters, words_of
from harmony.web.shared.hidden import shown
from harmony.web.shared.integrations import connected_integrations
from harmony.web.shared.paging import Order, Query
from harmony.web.tags import queries as tag_queries

# Of a removed one that can be undone nothing shows.
_STATES = [state for state in IntegrationState if state is not IntegrationState.HIDDEN]
_NEWEST_FIRST = Order(Integration.id)


def _query(filters: Filters) -> tuple[Query, Order]:
    rows: Query = select(Integration.id, Integration)
    return rows.where(*filters.conditions(), *shown(Integration.id)), _NEWEST_FIRST


def _integration_record(integration: Integration) -> IntegrationItem:
    """Return the record of an integration, which costs a count of its devices."""
    return IntegrationItem(
        id=integration.id,
        name=integration.name,
        state=IntegrationState(integration.state),
        condition=integration.condition,
        reason=integration.stopped_reason,
        created_at=integration.created_at,
        fresh_as_of=integration.fresh_as_of,
        next_sync_at=integration.sync_job.next_at,
        failures=integration.sync_job.failures,
        devices=soft_delete.live(integration.id),
    )


def _record(row: Row[Any], _principal: Principal) -> IntegrationItem:
    return _integration_record(row.Integration)


def tags(integration_id: int | None) -> list[TagItem]:
    """Return the managed tags of every integration in force, or of that, with how many devices have them."""
    asked = [row.id for row in connected_integrations() if integration_id in {None, row.id}]
    return [_tag(line) for id_ in asked for line in tag_queries.lines(id_)]


def _tag(line: tag_queries.TagLine) -> TagItem:
    return TagItem(
        integration_id=line.tag.integration_id,
        key=line.tag.key,
        name=line.tag.name,
        wanted=line.counts.wanted,
        present=line.counts.present,
        pending=line.counts.pending,
        failed=line.counts.failed,
        problem=line.tag.problem,
    )


def policy_in_force() -> PolicyItem:
    """Return the policy in force, with the risk of every threat factor that the catalogue knows."""
    version, record = policy.in_force(db.session())
    return PolicyItem(
        version=version,
        inactive_days=record.inactive_days,
        silent_days=record.silent_days,
        silent_risk=risk_word(record.silent_risk),  # type: ignore[arg-type]  # the words of the schema
        minimum_os=record.minimum_os,
        minimum_client=record.minimum_client,
        factors=list(_factors(record)),
    )


def _factors(record: PolicyRecord) -> Iterator[FactorRisk]:
    for code, factor in CATALOGUE.items():
        override = record.overrides.get(code) if code in record.risks else None
        yield FactorRisk(
            code=code,
            name=factor.name,
            vector=factor.vector,
            risk=risk_word(risk_of(record, code)),  # type: ignore[arg-type]  # the words of the schema
            ends_on=override.ends_on if override else None,
        )


INTEGRATIONS = Collection(
    name="integrations",
    noun="integration",
    record=IntegrationItem,
    permission=Permission.VIEW_ALL,
    query=_query,
    record_of=_record,
    filters=(ChoiceFilter("state", Integration.state, words_of(_STATES)),),
)
