"""What must be known of the devices after what the UEM said: the issue in few lines, without a database."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from harmony.models.configuration import Synchronization
from harmony.uem.records import UemDevice
from tests.sync.model.run_evidence import Groups, Heard

DAY = timedelta(hours=24)
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass
class Kept:
    """A device: its newest enrolment, None for an id that other hardware has; since when it is missing."""

    row: UemDevice
    groups: Groups
    id: str | None
    absent: int | None = None
    why: str = ""
    deleted: datetime | None = None
    by: str | None = None
    lost: str | None = None


@dataclass
class Oracle:
    """`hold` is (approved by, list up to, approval ends); `approved by` is None while it is open."""

    known: dict[str, Kept] = field(default_factory=dict)
    snapshots: int = 0
    suspect: str | None = None
    hold: tuple[str | None, int, datetime] | None = None

    def believe(self, heard: Heard) -> Heard:
        """A device's id is listed for other hardware, and it has another one: neither row is believed.

        Only an id that nobody believes to be another's can be left for a new one.
        """
        live, owners = self.live(), {one.id: udid for udid, one in self.known.items() if one.id}
        strayed = {
            udid
            for row in heard.outside.values()
            if (udid := row.udid.casefold()) in self.known and self.known[udid].id != row.external_id
        }
        doubtful = {
            id_: row
            for id_, row in heard.outside.items()
            if owners.get(id_) in live and owners[id_] != row.udid.casefold()
        }
        rows, waits = dict(heard.rows), True
        while waits:
            waits = False
            for id_, (row, _) in list(rows.items()):
                udid = row.udid.casefold()
                own = live[udid].id if udid in live else id_
                taken = own != id_ and own in doubtful
                if taken or (owners.get(id_, udid) != udid and owners[id_] in strayed):
                    doubtful[id_], waits = rows.pop(id_)[0], True
                    strayed |= {udid} if own != id_ else set()
        udids = {row.udid.casefold() for row in doubtful.values()}
        return replace(heard, rows=rows, ids=heard.ids | doubtful.keys(), udids=heard.udids | udids)

    def listed(self, heard: Heard, complete: bool) -> None:
        """A listed device is there (again) as its newest enrolment; an id is whose it was listed as.

        In a row that cannot be read it is there as it was known; a deleted one stays deleted.
        """
        for udid, one in self.known.items():
            one.lost = None
            if one.id in heard.rows and heard.rows[one.id][0].udid.casefold() != udid:
                one.lost, one.id = one.id, None
        for row, groups in sorted(heard.rows.values(), key=newest):
            udid = row.udid.casefold()
            old = self.known.get(udid)
            listed = old and (old.id in heard.rows or old.id in heard.ids or not complete)
            if not (old and old.id and listed and not old.deleted) or newest((row, groups)) >= newest(
                (old.row, 0)
            ):
                self.known[udid] = Kept(row, groups, row.external_id)
        for udid, one in self.live().items():
            if one.id in heard.ids or udid in heard.udids:
                one.absent, one.why = None, ""
        self.give_ids_back(complete)

    def give_ids_back(self, complete: bool) -> None:
        """At the end of a snapshot an id goes back to its device if the row that took it became nobody."""
        for one in self.known.values():
            if one.lost and complete and one.lost not in {other.id for other in self.known.values()}:
                one.id, one.lost = one.lost, None  # the row that took it is nobody's

    def ended(self, heard: Heard, choice: Synchronization, now: datetime) -> bool:
        """A complete snapshot has ended; whether it holds deletions back."""
        self.snapshots += 1
        chosen = {(group.kind, group.external_id) for group in choice.groups}
        empty = lambda one: bool(one.groups & chosen) and not one.groups & heard.listing  # noqa: E731
        for udid, one in self.live().items():
            seen = (
                one.id in heard.rows or one.id in heard.ids or udid in heard.udids or one.id in heard.members
            )
            if seen:
                one.absent, one.why = None, ""
            elif one.absent is None and one.lost is None:
                one.absent = self.snapshots
                one.why = self.suspect or ("emptied" if empty(one) else "plain")
        if self.hold and self.hold[0] and now < self.hold[2]:
            self.delete(self.missing(self.hold[1]), self.hold[0], now)
            self.hold = None
        up_to = self.snapshots - choice.deletion_after + 1
        due, live = self.missing(up_to), len(self.live())
        lately = sum(
            one.by == "sync" and now - one.deleted < DAY for one in self.known.values() if one.deleted
        )
        over = len(due) * 100 > choice.deletion_threshold * live
        over |= (len(due) + lately) * 100 > choice.deletion_threshold * (live + lately)
        doubt = self.suspect or self.hold or any(one.why != "plain" or empty(one) for one in due)
        self.suspect, held = None, bool(due and (over or doubt))
        self.hold = (None, up_to, now) if held else None
        self.delete([] if held else due, "sync", now)
        return held

    def live(self) -> dict[str, Kept]:
        """The devices that are not deleted, by folded UDID."""
        return {udid: one for udid, one in self.known.items() if not one.deleted}

    def missing(self, up_to: int) -> list[Kept]:
        """The live devices that no complete snapshot has listed since number `up_to`, or longer."""
        return [one for one in self.live().values() if one.absent is not None and one.absent <= up_to]

    def delete(self, these: list[Kept], by: str, now: datetime) -> None:
        """Softly."""
        for one in these:
            one.deleted, one.by = now, by


def newest(enrolment: Any) -> tuple[datetime, int]:
    """Orders the enrolments of one device: by time, then by the id, which the UEM counts up."""
    return enrolment[0].enrolled_at or NEVER, int(enrolment[0].external_id)
