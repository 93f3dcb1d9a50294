"""The rows behind the app pages: versions of apps by name, the devices that have one, its decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, select

from harmony.db import db
from harmony.models import App, AppDecision, AppException, Device, InstalledApp, Protection
from harmony.protection.catalogue import ANDROID, IOS
from harmony.web.shared import by_name
from harmony.web.shared.by_name import Key
from harmony.web.shared.filters import Choice, Conditions, Filter, Filters, Text
from harmony.web.shared.ids import number
from harmony.web.shared.newest_first import Page as DevicePage
from harmony.web.shared.newest_first import Place, Query
from harmony.web.shared.newest_first import page_of as newest_page

# The words for the platforms.
PLATFORMS = {IOS: "iOS", ANDROID: "Android"}
_DECISIONS_SHOWN = 50
SAME = and_(AppException.platform == App.platform, AppException.identifier == App.identifier)
COLUMNS = (
    App.id, App.name, App.name_key, App.identifier, App.version, App.platform, App.installs,
    AppException.action,
)  # fmt: skip


BY_NAME = Key(App.name_key, App.id)  # type: ignore[arg-type] # columns


@dataclass(frozen=True, slots=True)
class _OnDevice:
    """The apps of one device, by its id."""

    name: str = "device"

    def read(self, text: str) -> int | None:
        return number(text)

    def condition(self, value: int) -> ColumnElement[bool]:
        return App.id.in_(_of_device(value))


FILTERS: tuple[Filter, ...] = (
    Text("q", App.search_text),
    Choice("platform", {platform: platform for platform in PLATFORMS}, App.platform),
    Conditions("excepted", {"1": AppException.id.is_not(None)}),
    _OnDevice(),
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of versions, and how many the filters find."""

    page: by_name.Page
    total: int


def list_apps(filters: Filters, place: by_name.Place) -> Listed:
    """The page that `filters` asks for."""
    where = filters.conditions()
    total = select(func.count()).select_from(App).outerjoin(AppException, SAME).where(*where)
    return Listed(by_name.page_of(_query(filters), BY_NAME, place), db.session.scalar(total) or 0)


def every(filters: Filters) -> Iterator[Row[Any]]:
    """All versions by name."""
    return by_name.every(_query(filters), BY_NAME)


def _query(filters: Filters) -> Query:
    query: Query = select(*COLUMNS).outerjoin(AppException, SAME).where(*filters.conditions())
    return query


def versions(app: App) -> Sequence[App]:
    """Every version of the app, the most installed first."""
    same = (App.platform == app.platform, App.identifier == app.identifier)
    return db.session.scalars(select(App).where(*same).order_by(App.installs.desc(), App.id.desc())).all()


def exception(app: App) -> AppException | None:
    """What is in force for it."""
    same = (AppException.platform == app.platform, AppException.identifier == app.identifier)
    return db.session.scalar(select(AppException).where(*same))


def decisions(app: App) -> Sequence[AppDecision]:
    """The newest decisions on it, newest first."""
    same = (AppDecision.platform == app.platform, AppDecision.identifier == app.identifier)
    newest = select(AppDecision).where(*same).order_by(AppDecision.id.desc())
    return db.session.scalars(newest.limit(_DECISIONS_SHOWN)).all()


def devices(app_ids: Sequence[int], place: Place) -> DevicePage:
    """A page of the live devices that have one of these versions, each once; the newest devices first."""
    query: Query = (
        select(
            InstalledApp.device_id.label("id"), Device.name, Device.user_name, Device.model,
            func.max(App.version).label("version"), func.coalesce(Protection.risk, 0).label("risk"),
        )
        .join(Device, Device.id == InstalledApp.device_id)
        .join(App, App.id == InstalledApp.app_id)
        .outerjoin(Protection, Protection.device_id == InstalledApp.device_id)
        .where(InstalledApp.app_id.in_(app_ids), Device.deleted_at.is_(None))
        .group_by(InstalledApp.device_id, Device.name, Device.user_name, Device.model, Protection.risk)
    )  # fmt: skip
    return newest_page(query, InstalledApp.device_id, place)


def count_on(device_id: int) -> int:
    """How many apps a device has, each version once."""
    mine = select(func.count()).select_from(App).where(App.id.in_(_of_device(device_id)))
    return db.session.scalar(mine) or 0


def _of_device(device_id: int) -> Select[int]:
    return select(InstalledApp.app_id).where(InstalledApp.device_id == device_id)
