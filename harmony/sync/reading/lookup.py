"""Reads what is known of the devices that rows may be about, and accounts for a whole reading."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from harmony.db import bulk, db, release
from harmony.jobs.accounting import Identity
from harmony.jobs.outcome import Doubt, mostly_doubtful
from harmony.models.device_ids import serial_key, udid_key
from harmony.sync.current_ids import has_current_id
from harmony.sync.reading.matching import Known, has_other_udid
from harmony.sync.reading.pages import Reading
from harmony.sync.reading.scope import Incoming
from harmony.uem.records import SkippedRow

_SELECT_KNOWN = (
    "SELECT id, external_id, udid_key, fingerprint, last_seen_at, absent_from IS NOT NULL, "
    "deleted_at IS NOT NULL{more} FROM device WHERE integration_id = ? AND {which}"
)
# Of these devices, those whose ids are of the UEM that is read: after a move the former ones prove nothing.
_SELECT_WITH_CURRENT_ID = (
    f"SELECT id FROM device WHERE {has_current_id('device')} AND NOT EXISTS (SELECT 1 FROM integration i "  # noqa: S608 - no input
    "WHERE i.id = device.integration_id AND i.awaits_sync) AND "
)
# What is read only where it has to be told which device a row is about.
MORE = ", enrolled_at, uuid, udid, serial"


def _known_by_id(integration_id: int, external_ids: Sequence[str], more: str = "") -> dict[str, Known]:
    """Return what the database holds of these devices, by the UEM's id."""
    found = _select(integration_id, more, "external_id", external_ids)
    return {device.external_id: device for device in found if device.external_id is not None}


def known_by_udid(integration_id: int, udid_keys: Collection[str]) -> dict[str, Known]:
    """Return the same by UDID key; of several rows the live one, then the newest. "" finds none."""
    asked = sorted({*udid_keys} - {""})
    found = _select(integration_id, MORE, "udid_key", asked) if asked else []
    return {device.udid_key: device for device in sorted(found, key=lambda each: (not each.deleted, each.id))}


def without_id(detached: Mapping[str, int]) -> dict[str, int]:
    """Return those of the devices, by the id that other hardware has now, that got no other id."""
    sql = f"SELECT id FROM device WHERE external_id IS NULL AND {bulk.in_list('id')}"  # noqa: S608 - no input
    rows = bulk.fetch_all(db.session(), sql, (bulk.list_param(list(detached.values())),)) if detached else []
    without = {id_ for (id_,) in rows}
    return {external_id: id_ for external_id, id_ in detached.items() if id_ in without}


def _placed_like(
    integration_id: int, unnamed: Collection[Identity], is_placed: Callable[[str], bool]
) -> list[Identity]:
    """Return the placed devices that have a UDID, UUID or serial of rows without a readable id.

    Such rows are few: two of the three columns have no index.
    """
    found = [
        device
        for column, marks in _columns(unnamed)
        for device in _select(integration_id, MORE, column, marks)
    ]
    release()
    return [device.identity for device in found if device.external_id and is_placed(device.external_id)]


def accounted(integration_id: int, reading: Reading) -> Doubt:
    """Read the scope; return what is not sure of it, also how many rows may be about any device."""
    doubt, account = reading.read(), reading.account
    placed = _placed_like(integration_id, account.unnamed, reading.is_placed)
    contradicting = sum(id_ in reading.rows for id_ in account.ids)
    unreadable = mostly_doubtful(account.doubtful, len(reading.rows) - contradicting)
    return replace(doubt, anonymous=account.anonymous(placed), unreadable=unreadable)


def _columns(unnamed: Collection[Identity]) -> Iterator[tuple[str, list[str]]]:
    for place, column in ((2, "udid_key"), (1, "lower(uuid)"), (3, "lower(serial)")):
        if marks := sorted({row[place] for row in unnamed} - {""}):
            yield column, marks


def known_of(
    integration_id: int, arriving: Sequence[Incoming], skipped: Sequence[SkippedRow]
) -> tuple[dict[str, Known], dict[str, Known]]:
    """Return the stored devices that rows may be about, by the UEM's id and by UDID key."""
    ids = [row.device.external_id for row in arriving]
    by_id = _known_by_id(integration_id, ids + [row.external_id for row in skipped if row.external_id])
    other = [
        row for row in arriving if (known := by_id.get(row.device.external_id)) and has_other_udid(known, row)
    ]
    if other:
        by_id |= _known_by_id(integration_id, [row.device.external_id for row in other], MORE)
    new = [row for row in arriving if row.device.external_id not in by_id]
    keys = [row.udid_key for row in (*new, *other)]
    unnamed = [udid_key(row.udid) for row in skipped if not row.external_id]
    return by_id, known_by_udid(integration_id, keys + unnamed)


def known_outside(integration_id: int, rows: Sequence[Identity]) -> tuple[dict[str, Known], dict[str, Known]]:
    """Return the same of rows outside the choice; by UDID key only where the id does not tell.

    Devices that have an id of a former UEM are left out.
    """
    by_id = _known_by_id(integration_id, [row.external_id for row in rows], MORE)
    other = [
        row.udid_key
        for row in rows
        if (known := by_id.get(row.external_id)) is None or known.udid_key != row.udid_key
    ]
    by_udid = known_by_udid(integration_id, other)
    current = _with_current_id([device.id for device in (*by_id.values(), *by_udid.values())])
    return (
        {id_: device for id_, device in by_id.items() if device.id in current},
        {key: device for key, device in by_udid.items() if device.id in current},
    )


def _with_current_id(ids: Sequence[int]) -> set[int]:
    sql = _SELECT_WITH_CURRENT_ID + bulk.in_list("id")
    return {id_ for (id_,) in bulk.fetch_all(db.session(), sql, (bulk.list_param(ids),))} if ids else set()


def _select(integration_id: int, more: str, column: str, keys: Sequence[str]) -> list[Known]:
    sql = _SELECT_KNOWN.format(more=more, which=bulk.in_list(column))
    rows = bulk.fetch_all(db.session(), sql, (integration_id, bulk.list_param(keys)))
    read = bulk.decode_time
    if not more:
        return [
            Known(id_, external_id, key, print_, read(seen), bool(absent), bool(deleted))
            for id_, external_id, key, print_, seen, absent, deleted in rows
        ]
    return [
        Known(
            id_, external_id, key, print_, read(seen), bool(absent), bool(deleted), read(enrolled),
            uuid.lower(), udid, serial_key(serial),
        )
        for id_, external_id, key, print_, seen, absent, deleted, enrolled, uuid, udid, serial in rows
    ]  # fmt: skip
