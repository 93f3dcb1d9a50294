"""Findings in the public API: threat factors on devices, open ones or all, newest first."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, select

from harmony.api.collection import Collection, personal, risk_word
from harmony.api.schemas import FindingItem
from harmony.models import Device, Finding, Risk
from harmony.protection.catalogue import CATALOGUE, factor_of
from harmony.security.permissions import Permission
from harmony.security.principal import Principal
from harmony.web.shared.filters import ChoiceFilter, ConditionFilter, Filter, Filters, IdFilter, words_of
from harmony.web.shared.hidden import shown
from harmony.web.shared.paging import Order, Query
from harmony.web.shared.scope import in_scope

_COLUMNS = (
    Finding.id, Finding.device_id, Device.integration_id, Device.name, Finding.code, Finding.subject,
    Finding.profile, Finding.risk, Finding.opened_at, Finding.closed_at,
)  # fmt: skip
_RISKS = {risk.name.lower(): int(risk) for risk in Risk}
_FILTERS: tuple[Filter, ...] = (
    IdFilter("device", Finding.device_id),
    IdFilter("integration", Device.integration_id),
    ChoiceFilter("factor", Finding.code, words_of(CATALOGUE)),
    ChoiceFilter("risk", Finding.risk, _RISKS),
    ConditionFilter("state", {"open": Finding.closed_at.is_(None), "closed": Finding.closed_at.is_not(None)}),
)
_NEWEST_FIRST = Order(Finding.id)


def _query(filters: Filters) -> tuple[Query, Order]:
    rows: Query = select(*_COLUMNS).join(Device, Device.id == Finding.device_id)
    live = Device.deleted_at.is_(None)
    visible = (live, *shown(Device.integration_id), *in_scope())
    return rows.where(*visible, *filters.conditions()), _NEWEST_FIRST


def _record(row: Row[Any], principal: Principal) -> FindingItem:
    factor = factor_of(row.code)
    return FindingItem(
        id=row.id,
        device_id=row.device_id,
        integration_id=row.integration_id,
        device=personal(row.name, principal),
        code=row.code,
        name=factor.name,
        vector=factor.vector,
        subject=row.subject,
        profile=row.profile or None,
        risk=risk_word(row.risk),  # type: ignore[arg-type]  # the words are those of the schema
        opened_at=row.opened_at,
        closed_at=row.closed_at,
    )


FINDINGS = Collection(
    name="findings",
    noun="finding",
    record=FindingItem,
    permission=Permission.VIEW,
    query=_query,
    record_of=_record,
    filters=_FILTERS,
)
