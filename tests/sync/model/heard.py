"""What a run could know from what the UEM said, and whether that was a complete snapshot."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from harmony.models.configuration import Synchronization
from harmony.uem.records import Device
from tests.sync.model.uem import ModelUem, below

Groups = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Heard:
    """The devices of the chosen groups by id, with those of their groups that are chosen.

    `ids` and `udids` are those of rows that could not be read; `complete`: every chosen group was read.
    """

    rows: dict[str, tuple[Device, Groups]]
    ids: frozenset[str]
    udids: frozenset[str]
    complete: bool

    @property
    def listing(self) -> Groups:
        """The groups that listed a device."""
        return frozenset(group for _, groups in self.rows.values() for group in groups)


def hear(uem: ModelUem, choice: Synchronization) -> Heard:
    """Everything that `uem` has said until now, as `choice` wants to know it."""
    rows: dict[str, tuple[Device, Groups]] = {}
    for pull in uem.pulls:
        for row in pull.rows:
            if groups := _groups(uem, choice, row):
                rows.setdefault(row.external_id, (imported(row, choice), groups))
    skipped = [row for pull in uem.pulls for row in pull.skipped]
    ids = frozenset(row.external_id for row in skipped if row.external_id)
    udids = frozenset(row.udid.casefold() for row in skipped if row.udid)
    nameless = any(not (row.external_id or row.udid) for row in skipped)
    return Heard(rows, ids, udids, not nameless and _everything_was_read(uem, choice))


def imported(row: Device, choice: Synchronization) -> Device:
    """What may be stored of a row."""
    if not choice.import_name:
        row = replace(row, name="", user_name="")
    if not choice.import_number:
        row = replace(row, phone="")
    return row if choice.import_email else replace(row, email=f"{row.udid}@WorkspaceONE.UEM")


def _groups(uem: ModelUem, choice: Synchronization, row: Device) -> Groups:
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
