"""Filters of the device list by what belongs to a device: platform, group, tag, app, profile of Protect.

Where few devices meet one, they are looked up by their keys; else each is asked while the list is walked.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, ColumnExpressionArgument, Select, exists, func, select

from harmony.db import db
from harmony.models import App, Device, Finding, InstalledApp, Profile, Registration, TagLink, UemTag
from harmony.protection.catalogue import ANDROID, CATALOGUE, IOS
from harmony.protection.risk import APPLE
from harmony.web.shared.filters import Filter, NameFilter
from harmony.web.shared.ids import number
from harmony.web.shared.index_hints import Led, indexed
from harmony.web.shared.integrations import CONNECTED, connected_integrations
from harmony.web.shared.scope import device_in_scope, in_scope, integrations_in_scope

# Up to so many devices are sorted; of more, the index of the order is walked.
FEW = 5000
# Of so many devices with a status or a risk, the index of the order needs as long to find a page of them.
FEW_TO_SORT = 2000
OTHER = "other"
PLATFORMS = {IOS: "Apple", ANDROID: "Android", OTHER: "Other"}
PROFILES = {
    Profile.DEVICE: "Whole device",
    Profile.PERSONAL: "Personal profile",
    Profile.WORK: "Work profile",
}
# As they stand in the column: PostgreSQL knows how frequent these are, and nothing of a folded form.
SPELLINGS = {
    IOS: (*APPLE, "Apple", "iOS", "iPadOS"),
    ANDROID: (ANDROID, "Android", "Android Enterprise"),
}
KNOWN_SPELLINGS = frozenset(word for words in SPELLINGS.values() for word in words)
LONGEST_KEY = 80


def are_few(ids: Select[Any]) -> bool:
    """Return True when `ids` finds few devices; looks no further than it takes to know."""
    return _are_at_most(FEW, ids)


def are_few_to_sort(ids: Select[Any]) -> bool:
    """Return True likewise, for what is in the index of the order as well."""
    return _are_at_most(FEW_TO_SORT, ids)


def _are_at_most(most: int, ids: Select[Any]) -> bool:
    some = ids.limit(most + 1).subquery()
    return (db.session.scalar(select(func.count()).select_from(some)) or 0) <= most


@dataclass(frozen=True, slots=True)
class PlatformFilter(Filter):
    """Apple or Android, as UEMs and Protect spell them, or any other platform that a UEM lists."""

    def choices(self) -> Collection[str]:
        return PLATFORMS.keys()

    def read(self, text: str) -> str | None:
        return text if text in PLATFORMS else None

    def condition(self, value: str, led: Led) -> ColumnElement[bool]:
        spellings = SPELLINGS[value] if value in SPELLINGS else _other_platforms()
        found: ColumnElement[bool] = led(Device.platform).in_(spellings)
        return found

    def is_few(self, value: str) -> bool:
        return are_few(select(Device.id).where(self.condition(value, indexed)))

    def word(self, value: str) -> str:
        return PLATFORMS[value]


@dataclass(frozen=True, slots=True)
class GroupFilter(NameFilter):
    """The organization group that the UEM has the device in, by its name."""

    def is_few(self, value: str) -> bool:
        return are_few(select(Device.id).where(Device.group_name == value))


@dataclass(frozen=True, slots=True)
class _RelatedFilter(Filter):
    """Devices to which a row of another table belongs."""

    @abstractmethod
    def rows(self, value: Any) -> tuple[Any, Sequence[ColumnExpressionArgument[bool]]]:
        """Return the column with the device's id, and what its row must meet."""

    def condition(self, value: Any, led: Led) -> ColumnElement[bool]:
        device_id, where = self.rows(value)
        if led is indexed:
            found: ColumnElement[bool] = Device.id.in_(select(device_id).where(*where))
            return found
        return exists().where(device_id == Device.id, *where)

    def is_few(self, value: Any) -> bool:
        device_id, where = self.rows(value)
        return are_few(select(device_id).where(*where))


@dataclass(frozen=True, slots=True)
class TagFilter(_RelatedFilter):
    """Devices on which a tag stands in the UEM, or should stand, by its key."""

    column: Any

    def read(self, text: str) -> str | None:
        return text if 0 < len(text) <= LONGEST_KEY else None

    def rows(self, value: str) -> tuple[Any, Sequence[ColumnExpressionArgument[bool]]]:
        ids = [integration.id for integration in connected_integrations()]
        return TagLink.device_id, (TagLink.integration_id.in_(ids), TagLink.key == value, self.column)

    def word(self, value: str) -> str:
        return dict(tag_choices()).get(value, value)


@dataclass(frozen=True, slots=True)
class AppFilter(_RelatedFilter):
    """Devices that have an app, in any of its versions; its value is the id of one of them."""

    def read(self, text: str) -> int | None:
        return number(text)

    def rows(self, value: int) -> tuple[Any, Sequence[ColumnExpressionArgument[bool]]]:
        named = select(App.platform, App.identifier).where(App.id == value).subquery()
        versions = select(App.id).join(
            named, (App.platform == named.c.platform) & (App.identifier == named.c.identifier)
        )
        return InstalledApp.device_id, (InstalledApp.app_id.in_(versions),)

    def word(self, value: int) -> str:
        limited = device_in_scope(InstalledApp.device_id)
        seen = (App.id.in_(select(InstalledApp.app_id).where(*limited)),) if limited else ()
        app = db.session.scalar(select(App).where(App.id == value, *seen))
        return (app.name or app.identifier) if app else str(value)


@dataclass(frozen=True, slots=True)
class FactorFilter(_RelatedFilter):
    """Devices on which a threat factor is open, by its code."""

    def choices(self) -> Collection[str]:
        return CATALOGUE.keys()

    def read(self, text: str) -> str | None:
        return text if text in CATALOGUE else None

    def rows(self, value: str) -> tuple[Any, Sequence[ColumnExpressionArgument[bool]]]:
        return Finding.device_id, (Finding.code == value, Finding.closed_at.is_(None))

    def word(self, value: str) -> str:
        return CATALOGUE[value].name


@dataclass(frozen=True, slots=True)
class ProfileFilter(_RelatedFilter):
    """Devices with a Protect app in a profile."""

    def choices(self) -> Collection[str]:
        return tuple(Profile)

    def read(self, text: str) -> Profile | None:
        return Profile(text) if text in set(Profile) else None

    def rows(self, value: Profile) -> tuple[Any, Sequence[ColumnExpressionArgument[bool]]]:
        live = Registration.ended_at.is_(None)
        return Registration.device_id, (live, Registration.profile == value.value)

    def word(self, value: Profile) -> str:
        return PROFILES[value]


def tag_choices() -> list[tuple[str, str]]:
    """Return key and name of each tag that Harmony may use, each once."""
    rows = db.session.execute(_TAGS.where(*integrations_in_scope(UemTag.integration_id)))
    return [(key, name or key) for key, name in rows]


def group_choices() -> list[tuple[str, str]]:
    """Return the names of all groups, each found by a step in the index of groups."""
    if limited := in_scope():
        names_in_scope = select(Device.group_name).distinct().where(*limited, Device.group_name > "")
        return [(name, name) for name in sorted(db.session.scalars(names_in_scope))]
    return [(name, name) for name in db.session.scalars(_GROUPS) if name]


def _other_platforms() -> list[str]:
    """Return the platforms of devices that are neither Apple nor Android, "" where a UEM tells none."""
    return [
        name for name in ("", *db.session.scalars(_PLATFORM_NAMES)) if name not in {None, *KNOWN_SPELLINGS}
    ]


def _names_in(column: Any) -> Select[Any]:
    """Return the names that stand in a column, each found by a step in the index that the column leads."""
    first = select(func.min(column).label("name")).where(column > "")
    names = first.cte("names", recursive=True)
    following = select(func.min(column)).where(column > names.c.name).scalar_subquery()
    names = names.union_all(select(following).where(names.c.name.is_not(None)))
    return select(names.c.name)


# Built once, which takes longer than to run them.
_GROUPS, _PLATFORM_NAMES = _names_in(Device.group_name), _names_in(Device.platform)
_TAGS = (
    select(UemTag.key, func.min(UemTag.name))
    .where(UemTag.integration_id.in_(CONNECTED))
    .group_by(UemTag.key)
    .order_by(func.min(UemTag.name), UemTag.key)
)
