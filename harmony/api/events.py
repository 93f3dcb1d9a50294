"""Events and versions of apps in the public API, with the filters of their pages."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from harmony.api.collection import Collection, personal
from harmony.api.schemas import AppItem, EventItem
from harmony.security.permissions import Permission
from harmony.security.principal import Principal
from harmony.web.apps import queries as app_queries
from harmony.web.events import queries as event_queries


def _event(row: Row[Any], principal: Principal) -> EventItem:
    return EventItem(
        id=row.id,
        at=row.at,
        severity=row.severity,
        event=row.verb,
        vector=row.vector,
        factor=row.factor,
        detail=row.detail,
        device_id=row.device_id,
        device=personal(row.device, principal),
        integration_id=row.integration_id,
        integration=row.integration,
    )


def _app(row: Row[Any], _principal: Principal) -> AppItem:
    return AppItem(
        id=row.id,
        name=row.name,
        identifier=row.identifier,
        version=row.version,
        platform=row.platform,
        devices=row.installs,
        exception=row.action,
    )


EVENTS = Collection(
    name="events",
    noun="event",
    record=EventItem,
    permission=Permission.VIEW,
    query=lambda filters: (event_queries.events(filters), event_queries.NEWEST_FIRST),
    record_of=_event,
    filters=event_queries.FILTERS,
)
APPS = Collection(
    name="apps",
    noun="version of an app",
    record=AppItem,
    permission=Permission.VIEW,
    query=lambda filters: (app_queries.apps(filters), app_queries.BY_NAME),
    record_of=_app,
    filters=app_queries.FILTERS,
)
