"""The rows behind the app pages: versions of apps by name, the devices that have one, its decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import abort
from sqlalchemy import ColumnElement, Row, Select, and_, func, select

from harmony.db import db
from harmony.models import App, AppDecision, AppException, Device, InstalledApp
from harmony.protection.catalogue import ANDROID, IOS
from harmony.web.devices.assessment import RISK
from harmony.web.shared.filters import (
    ChoiceFilter,
    ConditionFilter,
    Filter,
    Filters,
    IdFilter,
    TextFilter,
    words_of,
)
from harmony.web.shared.index_hints import Led
from harmony.web.shared.paging import Order, Page, Place, Query
from harmony.web.shared.scope import current_scope, device_in_scope, in_scope

# The words for the platforms.
PLATFORMS = {IOS: "iOS", ANDROID: "Android"}
_DECISIONS_SHOWN = 50
_SAME = and_(AppException.platform == App.platform, AppException.identifier == App.identifier)
_COLUMNS = (
    App.id, App.name, App.name_key, App.identifier, App.version, App.platform, AppException.action,
)  # fmt: skip

BY_NAME = Order(App.id, App.name_key)
DEVICES_NEWEST_FIRST = Order(InstalledApp.device_id)


class _DeviceFilter(IdFilter):
    """The apps of one device, by its id."""

    def condition(self, value: int, led: Led) -> ColumnElement[bool]:
        matches: ColumnElement[bool] = led(self.column).in_(_of_device(value))
        return matches


FILTERS: tuple[Filter, ...] = (
    TextFilter("q", App.search_text, label="Search"),
    ChoiceFilter("platform", App.platform, words_of(PLATFORMS), label="OS"),
    ConditionFilter("excepted", {"1": AppException.id.is_not(None)}, label="Show"),
    _DeviceFilter("device", App.id),
)


def total(filters: Filters) -> int:
    """Count the versions that `filters` asks for."""
    where = (*filters.conditions(), *_installed_in_scope())
    rows = select(func.count()).select_from(App).outerjoin(AppException, _SAME).where(*where)
    return db.session.scalar(rows) or 0


def apps(filters: Filters) -> Query:
    """Return the versions of all pages."""
    query: Query = select(*_COLUMNS, _installs_in_scope().label("installs")).outerjoin(AppException, _SAME)
    query = query.where(*filters.conditions(), *_installed_in_scope())
    return query


def _installs_in_scope() -> Any:
    """Return on how many devices a version is: the number that is kept, or counted within a scope."""
    if current_scope() is None:
        return App.installs
    live = (InstalledApp.app_id == App.id, Device.deleted_at.is_(None), *in_scope())
    rows = select(func.count(InstalledApp.device_id.distinct())).join(
        Device, Device.id == InstalledApp.device_id
    )
    return rows.where(*live).correlate(App).scalar_subquery()


def _installed_in_scope() -> tuple[ColumnElement[bool], ...]:
    """Return the condition that a device within the scope has the version; none without a scope."""
    limited = device_in_scope(InstalledApp.device_id)
    return (App.id.in_(select(InstalledApp.app_id).where(*limited)),) if limited else ()


def app_or_404(app_id: int) -> App:
    """Return a version that a device within the scope has."""
    app = db.session.scalar(select(App).where(App.id == app_id, *_installed_in_scope()))
    return app or abort(404)


def versions(app: App) -> Sequence[Row[Any]]:
    """Return every version of the app, the most installed first."""
    same = (App.platform == app.platform, App.identifier == app.identifier, *_installed_in_scope())
    installs = _installs_in_scope().label("installs")
    query = select(App.id, App.version, App.first_seen_at, installs).where(*same)
    return db.session.execute(query.order_by(installs.desc(), App.id.desc())).all()


def exception(app: App) -> AppException | None:
    """Return the exception that is in force for the app."""
    same = (AppException.platform == app.platform, AppException.identifier == app.identifier)
    return db.session.scalar(select(AppException).where(*same))


def decisions(app: App) -> Sequence[AppDecision]:
    """Return the newest decisions on it, newest first."""
    same = (AppDecision.platform == app.platform, AppDecision.identifier == app.identifier)
    newest = select(AppDecision).where(*same).order_by(AppDecision.id.desc())
    return db.session.scalars(newest.limit(_DECISIONS_SHOWN)).all()


def devices(app_ids: Sequence[int], place: Place) -> Page:
    """Return a page of the live devices with one of these versions, each once; the newest devices first."""
    query: Query = (
        select(
            InstalledApp.device_id.label("id"), Device.name, Device.user_name, Device.model,
            func.max(App.version).label("version"), RISK,
        )
        .join(Device, Device.id == InstalledApp.device_id)
        .join(App, App.id == InstalledApp.app_id)
        .where(InstalledApp.app_id.in_(app_ids), Device.deleted_at.is_(None), *in_scope())
        .group_by(
            InstalledApp.device_id, Device.name, Device.user_name, Device.model, Device.status, Device.risk
        )
    )  # fmt: skip
    return DEVICES_NEWEST_FIRST.page(query, place)


def count_on(device_id: int) -> int:
    """Count the apps of a device, each version once."""
    rows = select(func.count()).select_from(App).where(App.id.in_(_of_device(device_id)))
    return db.session.scalar(rows) or 0


def _of_device(device_id: int) -> Select[int]:
    own = (InstalledApp.device_id == device_id, *device_in_scope(InstalledApp.device_id))
    return select(InstalledApp.app_id).where(*own)
