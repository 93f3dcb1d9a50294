"""PURE: compares ids that cross the border of the choice with what was stored beside them.

A record of the UEM keeps its id. If a device is listed with another id while its own is listed for other
hardware, ids changed hands in the answer, not in the UEM: neither row is believed, and the device stays as it
is. An honest enrolment leaves the former id to nobody, or to the same hardware.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from harmony.jobs.accounting import Account, Identity, Match, compare, identity, other_hardware, same_hardware
from harmony.sync.reading.known import Known
from harmony.sync.reading.scope import Incoming


def contested_outside(
    rows: Iterable[Identity], by_id: Mapping[str, Known], by_udid: Mapping[str, Known], account: Account
) -> list[Identity]:
    """Return the rows outside the choice whose id is stored for other hardware.

    The account takes their ids as contested, and the devices that are outside under another id than theirs.
    """
    contested = []
    for row in rows:
        owner, device = by_id.get(row.external_id), by_udid.get(row.udid_key)
        if owner is not None and not owner.deleted and _contradicts(owner.identity, row):
            contested.append(row)
        if device is not None and device.external_id != row.external_id and _is_outside(device, row, account):
            account.strayed.add(device.id)
    account.contested.update(row.external_id for row in contested)
    return contested


def contested_inside(
    rows: Sequence[Incoming], by_id: Mapping[str, Known], by_udid: Mapping[str, Known], account: Account
) -> list[Incoming]:
    """Return those of the rows that may not give a device another id, or its id to another device.

    The account takes their ids as contested too: a row that is not believed takes no id from anybody, and its
    device leaves none.
    """
    leaving, taking = _moves(rows, by_id, by_udid)
    found: dict[str, Incoming] = {}
    unseen = [row for id_ in account.contested for row in leaving.get(id_, ())]
    unseen += [row for id_, row in taking.items() if id_ in account.strayed]
    while unseen:
        row = unseen.pop()
        if row.device.external_id in found:
            continue
        found[row.device.external_id] = row
        device = by_udid.get(row.udid_key)
        contest(row.device.external_id, device, account)
        unseen += leaving.get(row.device.external_id, ())
        unseen += [taking[device.id]] if device is not None and device.id in taking else []
    return list(found.values())


def contest(external_id: str, device: Known | None, account: Account) -> None:
    """Remember a row that is not believed: its id, and the stored device that it would have moved."""
    account.contested.add(external_id)
    if device is not None and device.current_id not in {None, external_id}:
        account.strayed.add(device.id)


def _moves(
    rows: Sequence[Incoming], by_id: Mapping[str, Known], by_udid: Mapping[str, Known]
) -> tuple[dict[str, list[Incoming]], dict[int, Incoming]]:
    """Return rows by the id that their device would leave, and by the device whose id they would take."""
    leaving: dict[str, list[Incoming]] = defaultdict(list)
    taking: dict[int, Incoming] = {}
    for row in rows:
        owner, device = by_id.get(row.device.external_id), by_udid.get(row.udid_key)
        if owner is not None and not owner.former and _contradicts(owner.identity, identity(row.device)):
            taking[owner.id] = row
        own = device.current_id if device is not None and not device.deleted else None
        if own is not None and own != row.device.external_id:
            leaving[own].append(row)
    return leaving, taking


def _contradicts(stored: Identity, row: Identity) -> bool:
    return compare(stored, row) is not Match.SAME or other_hardware(stored, row)


def _is_outside(device: Known, row: Identity, account: Account) -> bool:
    """Return True if a row with another id is about the hardware of a stored device."""
    return row.udid_key not in account.shared and same_hardware(device.identity, row)
