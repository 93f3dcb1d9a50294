"""The rows behind the app pages: versions of apps by name, the devices that have one, its decisions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import url_for
from sqlalchemy import ColumnElement, Row, Select, and_, func, select, tuple_

from harmony.db import db, release
from harmony.models import App, AppDecision, AppException, Device, InstalledApp, Protection
from harmony.protect.factors import ANDROID, IOS
from harmony.web import listing
from harmony.web.ids import number
from harmony.web.listing import BATCH, PAGE_SIZE, Cursor
from harmony.web.newest import Page as DevicePage
from harmony.web.newest import Place, Query
from harmony.web.newest import page_of as newest_page
from harmony.web.searching import search

# The words for the platforms.
PLATFORMS = {IOS: "iOS", ANDROID: "Android"}
DECISIONS_SHOWN = 50
SAME = and_(AppException.platform == App.platform, AppException.identifier == App.identifier)
COLUMNS = (
    App.id, App.name, App.name_key, App.identifier, App.version, App.platform, App.installs,
    AppException.action,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AppFilters:
    """What the address asks for; nonsense in it is ignored rather than answered with an error."""

    text: str = ""
    platform: str | None = None
    excepted: bool = False
    device_id: int | None = None
    after: Cursor | None = None
    before: Cursor | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> AppFilters:
        platform = query.get("platform")
        after, before = listing.place(query)
        return cls(
            query.get("q", "").strip()[:200],
            platform if platform in PLATFORMS else None,
            query.get("excepted") == "1",
            number(query.get("device", "")),
            after,
            before,
        )

    @property
    def narrowed(self) -> bool:
        """Whether anything but the place in the list was asked for."""
        return bool(self.text or self.platform or self.excepted or self.device_id is not None)

    def href(self, endpoint: str = "apps.index", after: str | None = None, before: str | None = None) -> str:
        """The address of the same list at another place or in another form."""
        excepted = "1" if self.excepted else None
        asked: dict[str, Any] = {"q": self.text or None, "platform": self.platform, "excepted": excepted}
        return url_for(endpoint, **asked, device=self.device_id, after=after, before=before)


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of versions with the addresses of its neighbours, and how many the filter finds."""

    rows: Sequence[Row[Any]]
    total: int
    previous_href: str | None
    next_href: str | None


def list_apps(filters: AppFilters) -> Listed:
    """The page that `filters` asks for."""
    found = list(db.session.execute(statement(filters, filters.after, filters.before)))
    page = listing.page_of(found, filters.after, filters.before)
    total = select(func.count()).select_from(App).outerjoin(AppException, SAME).where(*_kept(filters))
    return Listed(
        page.rows,
        db.session.scalar(total) or 0,
        filters.href(before=page.before) if page.before else None,
        filters.href(after=page.after) if page.after else None,
    )


def statement(
    filters: AppFilters, after: Cursor | None, before: Cursor | None, size: int = PAGE_SIZE
) -> Query:
    """One page by name, and one row more, so that we know whether there is a next one."""
    query: Query = select(*COLUMNS).outerjoin(AppException, SAME).where(*_kept(filters)).limit(size + 1)
    place = tuple_(App.name_key, App.id)
    if before is not None:
        return query.where(place < before).order_by(App.name_key.desc(), App.id.desc())
    if after is not None:
        query = query.where(place > after)
    return query.order_by(App.name_key, App.id)


def every(filters: AppFilters) -> Iterator[Row[Any]]:
    """All versions by name; nothing is held open between two batches, however slow the reader is."""
    after: Cursor | None = None
    rows: list[Row[Any]] = []
    while not rows or len(rows) > BATCH:
        rows = list(db.session.execute(statement(filters, after, None, BATCH)))
        release()
        if not rows:
            return
        yield from rows[:BATCH]
        after = (rows[:BATCH][-1].name_key, rows[:BATCH][-1].id)


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
    return db.session.scalars(newest.limit(DECISIONS_SHOWN)).all()


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


def _kept(filters: AppFilters) -> list[ColumnElement[bool]]:
    kept: list[ColumnElement[bool]] = []
    if filters.text:
        kept += search(App.search_text, filters.text)
    if filters.platform:
        kept.append(App.platform == filters.platform)
    if filters.excepted:
        kept.append(AppException.id.is_not(None))
    if filters.device_id is not None:
        kept.append(App.id.in_(_of_device(filters.device_id)))
    return kept


def _of_device(device_id: int) -> Select[int]:
    return select(InstalledApp.app_id).where(InstalledApp.device_id == device_id)
