"""PURE: what a few pages of devices change. No clock, no database, no network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from harmony.models.device_ids import udid_key
from harmony.sync.scope import Incoming, enrolment
from harmony.uem.records import SkippedRow


class Known(NamedTuple):
    """What the database holds of a device: enough to tell whether anything changed.

    `external_id` is None when the UEM gave the id to another device; `enrolled_at` is read only where two
    enrolments of one device have to be told apart.
    """

    id: int
    external_id: str | None
    udid_key: str
    fingerprint: str
    last_seen: datetime | None
    absent: bool = False
    deleted: bool = False
    enrolled_at: datetime | None = None


@dataclass(slots=True)
class Plan:
    """What to write. Detach before update, update before create: an id may change hands within a page.

    `touched` moved their last contact only; `reappeared` were absent, `restored` deleted; `unread` were
    absent and are listed in a row that cannot be read; `twins` are older enrolments of a device that is
    listed under a newer one.
    """

    create: list[Incoming] = field(default_factory=list)
    update: list[tuple[Known, Incoming]] = field(default_factory=list)
    touched: list[tuple[int, datetime | None]] = field(default_factory=list)
    reappeared: list[int] = field(default_factory=list)
    restored: list[int] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)
    detach: list[int] = field(default_factory=list)
    twins: list[Incoming] = field(default_factory=list)
    unchanged: int = 0

    @property
    def writes(self) -> bool:
        """Whether any device row changes at all."""
        changes = (
            self.create, self.update, self.touched, self.reappeared, self.restored, self.unread, self.detach,
        )  # fmt: skip
        return any(changes)


def strangers(arriving: Iterable[Incoming], by_id: Mapping[str, Known]) -> list[Incoming]:
    """Those whose id is not known, or known of other hardware: they may be known by their UDID."""
    return [
        one
        for one in arriving
        if (known := by_id.get(one.device.external_id)) is None or _other_hardware(known, one)
    ]


def plan(arriving: Sequence[Incoming], by_id: Mapping[str, Known], by_udid: Mapping[str, Known]) -> Plan:
    """Compare what arrives with what is stored, by the UEM's device id and, for strangers, by UDID key."""
    made, strange = Plan(), []
    for one in arriving:
        known = by_id.get(one.device.external_id)
        if known is None:
            strange.append(one)
        elif _other_hardware(known, one):
            made.detach.append(known.id)
            strange.append(one)
        else:
            _same(made, known, one)
    detached = set(made.detach)
    for one in _newest_of_each(strange, made):
        _stranger(made, by_udid.get(one.identity), one, detached)
    return made


def unread(
    skipped: Iterable[SkippedRow], by_id: Mapping[str, Known], by_udid: Mapping[str, Known]
) -> list[int]:
    """The missing devices that rows which cannot be read are about: they are there, whatever they look like.

    A deleted one stays so, until a row tells that it is this device and not another that got its id.
    """
    known = [
        by_id.get(row.external_id) if row.external_id else by_udid.get(udid_key(row.udid)) for row in skipped
    ]
    return list(dict.fromkeys(one.id for one in known if one and one.absent and not one.deleted))


def newest(enrolments: Iterable[Incoming]) -> dict[str, Incoming]:
    """The newest enrolment of each device, by UDID key."""
    return {one.udid_key: one for one in sorted(enrolments, key=lambda each: each.enrolment)}


def adopt(
    twins: Mapping[str, Incoming], by_udid: Mapping[str, Known], is_listed: Callable[[str | None], bool]
) -> Plan:
    """At the end of a snapshot: a device whose own enrolment is gone lives on under the older one."""
    made = Plan()
    for key, one in twins.items():
        known = by_udid.get(key)
        if known is not None and not is_listed(known.external_id):
            _same(made, known, one)
    return made


def _same(made: Plan, known: Known, one: Incoming) -> None:
    if known.deleted:
        made.restored.append(known.id)
    elif known.absent:
        made.reappeared.append(known.id)
    if known.fingerprint != one.fingerprint or known.external_id != one.device.external_id:
        made.update.append((known, one))
        return
    made.unchanged += 1
    if known.last_seen != one.device.last_seen:
        made.touched.append((known.id, one.device.last_seen))


def _stranger(made: Plan, known: Known | None, one: Incoming, detached: set[int]) -> None:
    """A device enrolled again keeps its row; an enrolment older than the known one is a twin."""
    if known is None:
        made.create.append(one)
    elif known.external_id is None or known.id in detached or known.deleted or _newer(one, known):
        _same(made, known, one)
    else:
        made.twins.append(one)


def _newest_of_each(strange: Iterable[Incoming], made: Plan) -> list[Incoming]:
    kept: dict[str, Incoming] = {}
    for one in strange:
        other = kept.setdefault(one.identity, one)
        if other is not one:
            older, newer = sorted((other, one), key=lambda each: each.enrolment)
            made.twins.append(older)
            kept[one.identity] = newer
    return list(kept.values())


def _other_hardware(known: Known, one: Incoming) -> bool:
    """A placeholder says nothing against the id."""
    tells = bool(known.udid_key and one.udid_key)
    return tells and known.fingerprint != one.fingerprint and known.udid_key != one.udid_key


def _newer(one: Incoming, known: Known) -> bool:
    return one.enrolment > enrolment(known.enrolled_at, known.external_id or "")


def read_to_the_end(seen: int, unreadable: int, total: int | None) -> bool:
    """Whether a pull gave every device its `Total` promised; rows without a readable id count as seen."""
    return total is None or seen + unreadable >= total
