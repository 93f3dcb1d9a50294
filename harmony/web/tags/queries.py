"""The rows behind the tag pages: on how many devices each tag stands, on which, and the tags of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, case, func, literal, select
from sqlalchemy import true as yes

from harmony.db import db
from harmony.models import Device, LinkState, TagLink, UemTag
from harmony.tagging.names import NO_RISK_KEY, RISK_KEYS, STATUS_KEYS
from harmony.web.shared.filters import ConditionFilter, Filter, Filters
from harmony.web.shared.paging import Order, Query

# Written into the statement: a bound value would hide from SQLite that the index of open links fits.
OPEN = TagLink.state != literal(LinkState.DONE.value, literal_execute=True)
_REASONS_SHOWN = 3
# The order of the keys on every page; whatever is not here comes after, by its name.
_ORDER = (*STATUS_KEYS, *RISK_KEYS, NO_RISK_KEY)
LINK = (
    TagLink.device_id.label("id"), TagLink.device_id, Device.name, Device.deleted_at, TagLink.wanted,
    TagLink.present, TagLink.state, TagLink.attempts, TagLink.next_try_at, TagLink.changed_at, TagLink.reason,
)  # fmt: skip


def _number(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """Count the rows of a group that meet it."""
    return func.sum(case((condition, 1), else_=0))


FAILED = TagLink.state.in_((LinkState.FAILED, LinkState.DROPPED))
# Of open links: how many, and by how much the tag will then stand on more devices.
_TO_DO = (
    func.count().label("links"),
    (_number(TagLink.wanted & ~TagLink.present) - _number(~TagLink.wanted & TagLink.present)).label(
        "to_come"
    ),
)


class LinkSelection(StrEnum):
    """Which devices of a tag: those it stands on, those it should stand on, or what is still to be done."""

    PRESENT = "present"
    WANTED = "wanted"
    PENDING = "pending"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TagCounts:
    """Devices: on which the tag should stand, on which it does, where a push waits, where it failed."""

    wanted: int = 0
    present: int = 0
    pending: int = 0
    failed: int = 0

    def __add__(self, other: TagCounts) -> TagCounts:
        names = ("wanted", "present", "pending", "failed")
        return TagCounts(*(getattr(self, name) + getattr(other, name) for name in names))


@dataclass(frozen=True, slots=True)
class TagLine:
    """One tag of ours as a page shows it."""

    tag: UemTag
    counts: TagCounts


FILTERS: tuple[Filter, ...] = (
    ConditionFilter(
        "state",
        {
            LinkSelection.PRESENT: TagLink.present == yes(),
            LinkSelection.WANTED: TagLink.wanted == yes(),
            LinkSelection.PENDING: and_(OPEN, TagLink.state == LinkState.PENDING),
            LinkSelection.FAILED: and_(OPEN, FAILED),
        },
        default=LinkSelection.PRESENT,
    ),
)
NEWEST_FIRST = Order(TagLink.device_id)


@dataclass(frozen=True, slots=True)
class _Totals:
    """All tags of an integration together; `reasons` are the most frequent ones for what failed."""

    counts: TagCounts = field(default_factory=TagCounts)
    reasons: Sequence[Row[Any]] = ()


def lines(integration_id: int) -> list[TagLine]:
    """Return every tag of ours, in the order of the pages."""
    counted = counts(integration_id)
    tags = db.session.scalars(select(UemTag).where(UemTag.integration_id == integration_id)).all()
    return [TagLine(tag, counted.get(tag.key, TagCounts())) for tag in _in_order(tags)]


def _in_order(tags: Iterable[UemTag]) -> list[UemTag]:
    """Sort by status, then risk, then threat factors by name."""
    rank = {key: number for number, key in enumerate(_ORDER)}
    return sorted(tags, key=lambda tag: (rank.get(tag.key, len(_ORDER)), tag.name, tag.key))


def counts(integration_id: int) -> dict[str, TagCounts]:
    """Count devices by the key of the tag, what is done in an index; only open links are looked at."""
    links = TagLink.integration_id == integration_id
    standing: Query = select(TagLink.key, func.count()).where(links, TagLink.present == yes())
    found = {key: TagCounts(many, many) for key, many in db.session.execute(standing.group_by(TagLink.key))}
    # Grouped by the state too, so that the index of open links is the one in this order.
    to_do: Query = select(TagLink.key, TagLink.state, *_TO_DO).where(links, OPEN)
    for row in db.session.execute(to_do.group_by(TagLink.key, TagLink.state)):
        waits = row.state == LinkState.PENDING
        more = TagCounts(row.to_come, 0, row.links if waits else 0, 0 if waits else row.links)
        found[row.key] = found.get(row.key, TagCounts()) + more
    return found


def devices_with(integration_id: int, keys: Sequence[str]) -> int:
    """Count the devices on which at least one of these tags stands."""
    links = (TagLink.integration_id == integration_id, TagLink.key.in_(keys), TagLink.present == yes())
    return db.session.scalar(select(func.count(TagLink.device_id.distinct())).where(*links)) or 0


def tagged_devices(integration_id: int) -> int:
    """Count the devices on which any tag of ours stands."""
    links = (TagLink.integration_id == integration_id, TagLink.present == yes())
    return db.session.scalar(select(func.count(TagLink.device_id.distinct())).where(*links)) or 0


def totals(integration_id: int, lines: Iterable[TagLine]) -> _Totals:
    """Add up these tags, with the reasons of what failed."""
    links = (TagLink.integration_id == integration_id, OPEN, FAILED)
    number = func.count().label("devices")
    reasons: Query = select(TagLink.reason, number).where(*links).group_by(TagLink.reason)
    found = db.session.execute(reasons.order_by(number.desc(), TagLink.reason).limit(_REASONS_SHOWN)).all()
    return _Totals(sum((line.counts for line in lines), TagCounts()), found)


def devices(integration_id: int, key: str, filters: Filters) -> Query:
    """Return the devices of a tag, with the columns of `LINK`."""
    query: Query = select(*LINK).join(Device, Device.id == TagLink.device_id)
    links = (TagLink.integration_id == integration_id, TagLink.key == key)
    return query.where(*links, *filters.conditions())


def of_device(device_id: int) -> Sequence[Row[Any]]:
    """Return the tags of one device, in the order of the pages: name, key, and what a link says."""
    same = (UemTag.integration_id == TagLink.integration_id) & (UemTag.key == TagLink.key)
    rows = db.session.execute(
        select(UemTag.name, *LINK[4:], TagLink.key)
        .select_from(TagLink)
        .outerjoin(UemTag, same)
        .where(TagLink.device_id == device_id)
    ).all()
    rank = {key: number for number, key in enumerate(_ORDER)}
    return sorted(rows, key=lambda row: (rank.get(row.key, len(_ORDER)), row.key))
