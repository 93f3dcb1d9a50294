"""PURE: what a few pages of devices change. No clock, no database, no network."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from harmony.device_ids import udid_key
from harmony.sync.reading.known import Known, is_newer
from harmony.sync.reading.matching import Matches
from harmony.sync.reading.scope import Incoming
from harmony.uem.records import SkippedRow


@dataclass(slots=True)
class Plan:
    """The changes to write. Detach before update, update before create: an id may change hands within a page.

    `touched` moved their last contact only; `placed` are as they were, and their id is now known to be one of
    this UEM; `reappeared` were absent, `restored` deleted; `unread` were
    absent and are listed in a row that is not believed; `detach` has the rows of devices by the id that other
    hardware has now. `twins` are older enrolments of a device that is listed under a newer one; they and the
    `doubtful` rows change nothing. `waiting` rows are planned once everything was read.
    """

    create: list[Incoming] = field(default_factory=list)
    update: list[tuple[Known, Incoming]] = field(default_factory=list)
    touched: list[tuple[int, datetime | None]] = field(default_factory=list)
    placed: list[int] = field(default_factory=list)
    reappeared: list[int] = field(default_factory=list)
    restored: list[int] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)
    detach: dict[str, int] = field(default_factory=dict)
    twins: list[Incoming] = field(default_factory=list)
    doubtful: list[Incoming] = field(default_factory=list)
    waiting: list[Incoming] = field(default_factory=list)
    unchanged: int = 0

    @property
    def writes(self) -> bool:
        """Tell whether any device row changes at all."""
        changes = (
            self.create, self.update, self.touched, self.placed, self.reappeared, self.restored, self.unread,
            self.detach,
        )  # fmt: skip
        return any(changes)

    def without_rows(self) -> Plan:
        """Return the same plan without the devices to create and to update."""
        return replace(self, create=[], update=[])


def plan(matches: Matches) -> Plan:
    """Say what has to be written of rows whose devices are known."""
    changes = Plan(create=matches.new, twins=matches.twins, detach=matches.detached, waiting=matches.waiting)
    for known, row in matches.same:
        _same(changes, known, row)
    changes.doubtful = [row for _, row in matches.doubtful]
    changes.unread = [known.id for known, _ in matches.doubtful if known.absent and not known.deleted]
    return changes


def unread(
    skipped: Iterable[SkippedRow], by_id: Mapping[str, Known], by_udid: Mapping[str, Known]
) -> list[int]:
    """The missing devices that rows which cannot be read are about: they are there, whatever they look like.

    A deleted one stays so, until a row tells that it is this device and not another that got its id.
    """
    current = {id_: device for id_, device in by_id.items() if not device.former}
    known = [
        current.get(row.external_id) if row.external_id else by_udid.get(udid_key(row.udid))
        for row in skipped
    ]
    return list(
        dict.fromkeys(device.id for device in known if device and device.absent and not device.deleted)
    )


def newest(enrolments: Iterable[Incoming]) -> dict[str, Incoming]:
    """The newest enrolment of each device, by UDID key."""
    return {row.udid_key: row for row in sorted(enrolments, key=lambda row: row.enrolment)}


def adopt(
    twins: Mapping[str, Incoming],
    by_udid: Mapping[str, Known],
    is_listed: Callable[[str | None], bool],
    taken: Collection[str] = (),
    moved: Collection[str] = (),
) -> Plan:
    """At the end of a snapshot: a device whose own enrolment is gone lives on under the older one.

    Of the ids that other hardware was listed under, `taken` are those whose former device has no id now, so
    that their rows are not believed, and `moved` the others, whose rows are.
    """
    changes = Plan()
    for key, row in twins.items():
        known = by_udid.get(key)
        if known is None:
            continue
        gone = known.former or known.external_id in taken or not is_listed(known.external_id)
        if gone or (row.device.external_id in moved and is_newer(row, known)):
            _same(changes, known, row)
    return changes


def read_to_the_end(seen: int, unreadable: int, total: int | None) -> bool:
    """Tell whether a pull gave every device that `Total` promised; rows without a readable id count."""
    return total is None or seen + unreadable >= total


def _same(changes: Plan, known: Known, row: Incoming) -> None:
    if known.deleted:
        changes.restored.append(known.id)
    elif known.absent:
        changes.reappeared.append(known.id)
    if known.fingerprint != row.fingerprint or known.external_id != row.device.external_id:
        changes.update.append((known, row))
        return
    changes.unchanged += 1
    if known.former:
        changes.placed.append(known.id)
    if known.last_seen != row.device.last_seen:
        changes.touched.append((known.id, row.device.last_seen))
