"""Devices in the public API: the filters and orders of their page, and the record of a row."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from harmony.api.collection import Collection, personal, risk_word
from harmony.api.schemas import DeviceItem
from harmony.models import Device
from harmony.security.permissions import Permission
from harmony.security.principal import Principal
from harmony.web.devices.assessment import RISK
from harmony.web.devices.queries import FILTERS, ORDERS, STATUS, devices
from harmony.web.shared.filters import Filters
from harmony.web.shared.paging import Order, Query

_COLUMNS = (
    Device.id, Device.integration_id, Device.name, Device.user_name, Device.email, Device.phone,
    Device.platform, Device.model, Device.os_version, Device.serial, Device.udid, Device.group_name, STATUS,
    RISK, Device.last_seen_at, Device.missing_since, Device.deleted_at,
)  # fmt: skip
# What an order finds its place by, and a record does not show.
_KEYS = (Device.name_key, Device.status_rank, Device.risk_rank)


def _query(filters: Filters) -> tuple[Query, Order]:
    query, order = devices(filters)
    return query.with_only_columns(*_COLUMNS, *_KEYS), order


def _record(row: Row[Any], principal: Principal) -> DeviceItem:
    return DeviceItem(
        id=row.id,
        integration_id=row.integration_id,
        name=personal(row.name, principal),
        user_name=personal(row.user_name, principal),
        email=personal(row.email, principal),
        phone=personal(row.phone, principal),
        platform=row.platform,
        model=row.model,
        os_version=row.os_version,
        serial=row.serial,
        udid=row.udid,
        group=row.group_name,
        status=row.status,
        risk=risk_word(row.risk),  # type: ignore[arg-type]  # the words are those of the schema
        last_seen_at=row.last_seen_at,
        missing_since=row.missing_since,
        deleted_at=row.deleted_at,
    )


DEVICES = Collection(
    name="devices",
    noun="device",
    record=DeviceItem,
    permission=Permission.VIEW,
    query=_query,
    record_of=_record,
    filters=FILTERS,
    orders=ORDERS,
    personal=frozenset({"q", "name"}),
    impersonal="group",
)
