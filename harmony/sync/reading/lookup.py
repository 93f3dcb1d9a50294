"""Reads what is known of the devices that rows may be about, and accounts for a whole reading."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from harmony.db import bulk, db, release
from harmony.device_ids import udid_key
from harmony.jobs.accounting import Identity
from harmony.jobs.outcome import Doubt, mostly_doubtful
from harmony.sync.current_ids import has_current_id
from harmony.sync.reading.known import Known, has_other_udid
from harmony.sync.reading.pages import Reading
from harmony.sync.reading.scope import Incoming
from harmony.uem.records import SkippedRow

_SELECT_KNOWN = (
    "SELECT id, external_id, udid_key, fingerprint, last_seen_at, absent_from IS NOT NULL, "  # noqa: S608 - no input
    f"deleted_at IS NOT NULL, NOT ({has_current_id('device')}){{more}} FROM device "
    "WHERE integration_id = ? AND {which}"
)
SELECT_ANY_DEVICE = "SELECT id FROM device WHERE integration_id = ? LIMIT 1"
SELECT_REGISTERED_DEVICE = "SELECT id FROM device WHERE integration_id = ? AND added_by IS NOT NULL LIMIT 1"
# Empty without a read of the devices where the integration never moved to another UEM.
_COUNT_FORMER = """SELECT count(*) FROM integration i JOIN device d ON d.integration_id = i.id
 WHERE i.id = ? AND i.uem_generation > 0 AND d.uem_generation < i.uem_generation
 AND d.added_by IS NULL AND d.missing_since IS NULL AND d.deleted_at IS NULL"""
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


def count_former(integration_id: int) -> int:
    """Count the devices that are kept and were placed by no run since Server Details led to another UEM."""
    ((count,),) = bulk.fetch_all(db.session(), _COUNT_FORMER, (integration_id,))
    release()
    return int(count)


def _columns(unnamed: Collection[Identity]) -> Iterator[tuple[str, list[str]]]:
    for place, column in ((2, "udid_key"), (1, "lower(uuid)"), (3, "lower(serial)")):
        if marks := sorted({row[place] for row in unnamed} - {""}):
            yield column, marks


def is_empty(integration_id: int) -> bool:
    """Tell whether no device of the integration is stored."""
    return not bulk.fetch_all(db.session(), SELECT_ANY_DEVICE, (integration_id,))


def has_registered(integration_id: int) -> bool:
    """Tell whether a device of the integration was added by registration and not listed since."""
    return bool(bulk.fetch_all(db.session(), SELECT_REGISTERED_DEVICE, (integration_id,)))


def known_of(
    integration_id: int, arriving: Sequence[Incoming], skipped: Sequence[SkippedRow]
) -> tuple[dict[str, Known], dict[str, Known]]:
    """Return the stored devices that rows may be about, by the UEM's id and by UDID key."""
    if not (arriving or skipped):
        return {}, {}
    ids = [row.device.external_id for row in arriving]
    by_id = _known_by_id(integration_id, ids + [row.external_id for row in skipped if row.external_id])
    changed = [
        row
        for row in arriving
        if (known := by_id.get(row.device.external_id)) and known.fingerprint != row.fingerprint
    ]
    if changed:
        by_id |= _known_by_id(integration_id, [row.device.external_id for row in changed], MORE)
    other = [row for row in changed if _is_unclear(by_id[row.device.external_id], row)]
    new = [row for row in arriving if row.device.external_id not in by_id]
    keys = [row.udid_key for row in (*new, *other)]
    unnamed = [udid_key(row.udid) for row in skipped if not row.external_id]
    return by_id, known_by_udid(integration_id, keys + unnamed)


def _is_unclear(known: Known, row: Incoming) -> bool:
    return known.former or has_other_udid(known, row)


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
    return (
        {id_: device for id_, device in by_id.items() if not device.former},
        {key: device for key, device in by_udid.items() if not device.former},
    )


def _select(integration_id: int, more: str, column: str, keys: Sequence[str]) -> list[Known]:
    sql = _SELECT_KNOWN.format(more=more, which=bulk.in_texts(column))
    rows = bulk.fetch_all(db.session(), sql, (integration_id, bulk.list_param(keys)))
    read = bulk.decode_time
    if not more:
        return [
            Known(id_, external_id, key, print_, read(seen), bool(absent), bool(deleted), bool(former))
            for id_, external_id, key, print_, seen, absent, deleted, former in rows
        ]
    return [
        Known(
            id_, external_id, key, print_, read(seen), bool(absent), bool(deleted), bool(former),
            read(enrolled), uuid, udid, serial,
        )
        for id_, external_id, key, print_, seen, absent, deleted, former, enrolled, uuid, udid, serial in rows
    ]  # fmt: skip
