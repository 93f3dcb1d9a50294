"""What a run could know from what the UEM said, and whether that was a complete snapshot."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from msgspec.structs import replace

from harmony.models.configuration import Synchronization
from harmony.uem.records import GroupKind, UemDevice
from tests.sync.model.uem import ModelUem, below

Groups = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Heard:
    """The devices of the chosen groups by id, with those of their groups that are chosen.

    `outside` are the readable rows of other groups by id. `ids` and `udids` are those of doubtful rows,
    `members` those that smart groups name, `listing` the groups that listed a device; `ended`: every list was
    read to its end; `complete`: every chosen group was read, and no row may be about any device.
    """

    rows: dict[str, tuple[UemDevice, Groups]]
    ids: frozenset[str]
    udids: frozenset[str]
    members: frozenset[str]
    complete: bool
    outside: dict[str, UemDevice]
    listing: Groups
    ended: bool


def hear(uem: ModelUem, choice: Synchronization) -> Heard:
    """Everything that `uem` has said until now, as `choice` wants to know it."""
    rows: dict[str, tuple[UemDevice, Groups]] = {}
    for pull in uem.pulls:
        for row in pull.rows:
            if groups := _groups(uem, choice, row):
                rows.setdefault(row.external_id, (imported(row, choice), groups))
    skipped = [row for pull in uem.pulls for row in pull.skipped]
    ids = {row.external_id for row in skipped if row.external_id} | {
        row.external_id for row in _of_unknown_groups(uem, choice)
    }
    udids = frozenset(row.udid.casefold() for row in skipped if row.udid)
    members = frozenset().union(*uem.members.values())
    outside = _outside(uem, choice, rows)
    listing = frozenset(group for _, groups in rows.values() for group in groups)
    readable = [*(row for row, _ in rows.values()), *outside.values()]
    announced = all(pull.announced or not pull.said for pull in uem.pulls)
    sure = announced and not _anonymous(uem, choice, readable)
    complete = sure and _everything_was_read(uem, choice)
    ended = all(pull.ended for pull in uem.pulls)
    return Heard(rows, frozenset(ids), udids, members, complete, outside, listing, ended)


def _outside(uem: ModelUem, choice: Synchronization, placed: Collection[str]) -> dict[str, UemDevice]:
    """The rows that say of themselves that nobody chose them."""
    doubtful = {row.external_id for row in _of_unknown_groups(uem, choice)}
    every = {row.external_id: row for pull in reversed(uem.pulls) for row in reversed(pull.rows)}
    return {id_: row for id_, row in every.items() if id_ not in placed and id_ not in doubtful}


def _of_unknown_groups(uem: ModelUem, choice: Synchronization) -> list[UemDevice]:
    """Rows of groups that the account does not see and that nobody chose."""
    chosen = {group.external_id for group in choice.groups if group.kind == GroupKind.ORGANIZATION}
    known = uem.visible | chosen
    return [row for pull in uem.pulls for row in pull.rows if chosen and row.group_id not in known]


def _anonymous(uem: ModelUem, choice: Synchronization, rows: list[UemDevice]) -> bool:
    """Whether a row tells nothing, or only a UDID that another row has too."""
    taken = {row.udid.casefold() for row in rows}
    taken |= {row.udid.casefold() for row in _of_unknown_groups(uem, choice)}
    for pull in uem.pulls:
        udids = [row.udid.casefold() for row in pull.skipped if not row.external_id]
        if len(set(udids)) < len(udids) or "" in udids or taken.intersection(udids):
            return True
    return False


def imported(row: UemDevice, choice: Synchronization) -> UemDevice:
    """What may be stored of a row."""
    if not choice.import_name:
        row = replace(row, name="", user_name="")
    if not choice.import_number:
        row = replace(row, phone="")
    return row if choice.import_email else replace(row, email=f"{row.udid}@WorkspaceONE.UEM")


def _groups(uem: ModelUem, choice: Synchronization, row: UemDevice) -> Groups:
    return frozenset(
        (one.kind, one.external_id)
        for one in choice.groups
        if row.group_id == one.external_id or row.external_id in uem.members.get(one.external_id, ())
    )


def _everything_was_read(uem: ModelUem, choice: Synchronization) -> bool:
    last = {pull.group: pull for pull in uem.pulls}
    read = {group for group, pull in last.items() if pull.whole}
    needed = {one.organization_group_id or one.external_id for one in choice.groups}
    chosen = {one.external_id for one in choice.groups}
    return chosen | needed <= uem.visible and all(
        group in read or (uem.world.inclusive and any(below(group, one) for one in read)) for group in needed
    )
