"""Writes what the plan says of devices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from harmony.audit import record_history
from harmony.db import bulk
from harmony.models import Happening
from harmony.sync.diff import Plan
from harmony.sync.field_changes import NAMED_ONLY, SHOWN, described
from harmony.sync.reading.known import Known
from harmony.sync.reading.scope import Incoming
from harmony.uem.device_keys import sort_and_search_keys

_TimeEncoder = Callable[[datetime | None], Any]
# When a row is written, as the driver has it, and the generation of the UEM that placed it.
_Stamp = tuple[Any, int]

# What the UEM tells of a device, in the order of `_told`; then what is ours.
COLUMNS_FROM_UEM = (
    "external_id", "uuid", "udid", "serial", "imei", "name", "phone", "email", "user_name", "platform",
    "model", "os_version", "ownership", "group_id", "group_name", "enrollment_status", "compliance",
    "compromised", "enrolled_at", "last_seen_at", "udid_key", "name_key", "search_text", "fingerprint",
    "updated_at", "uem_generation",
)  # fmt: skip
_INSERTED_COLUMNS = (*COLUMNS_FROM_UEM, "absent_why", "integration_id", "created_at", "id")
_COMPARED = (*SHOWN, *NAMED_ONLY)

INSERT_DEVICE = (
    f"INSERT INTO device ({', '.join(_INSERTED_COLUMNS)}) VALUES ({', '.join('?' * len(_INSERTED_COLUMNS))})"  # noqa: S608
)
UPDATE_DEVICE = f"UPDATE device SET {', '.join(f'{name} = ?' for name in COLUMNS_FROM_UEM)} WHERE id = ?"  # noqa: S608
_SELECT_GENERATION = "SELECT uem_generation FROM integration WHERE id = ?"
_UPDATE_PLACED = "UPDATE device SET uem_generation = ? WHERE id = ?"
_CLEAR_EXTERNAL_ID = "UPDATE device SET external_id = NULL WHERE id = ?"
_CLEAR_ABSENCE = (
    "UPDATE device SET absent_from = NULL, missing_since = NULL, absent_why = '', deleted_at = NULL, "
    "deleted_by = NULL WHERE id = ?"
)
# Of devices that Protect registered before the UEM listed them.
_SELECT_REGISTERED_ONLY = "SELECT id FROM device WHERE added_by IS NOT NULL AND {}"
_CLEAR_ADDED_BY = "UPDATE device SET added_by = NULL WHERE id = ?"
INSERT_MEMBERSHIP = "INSERT INTO membership (device_id, group_kind, group_id) VALUES (?, ?, ?)"

UNREAD = "It is listed again, but what the UEM says of it cannot be read"
_TAKEN = "Its id in the UEM belongs to another device now"
_NOW_LISTED = "Added by registration; the UEM lists it now."

_RESTORE_EXTERNAL_ID = (
    "UPDATE device SET external_id = ? WHERE id = ? AND external_id IS NULL AND NOT EXISTS "
    "(SELECT 1 FROM device AS other WHERE other.integration_id = ? AND other.external_id = ?)"
)
# A UDID that turned out to be that of several devices is compared anew at the next sync.
_CLEAR_UDID_KEY = (
    "UPDATE device SET udid_key = '', fingerprint = '' WHERE integration_id = ? AND updated_at >= ? "
    "AND {which}"
)


@dataclass(frozen=True, slots=True)
class DeviceRows:
    """New and changed devices as the driver takes them, but for the ids of the new ones.

    `generation` is that of the UEM they were made for.
    """

    integration_id: int
    generation: int
    now: datetime
    created: list[bulk.Row]
    updated: list[bulk.Row]


def rows_of(plan: Plan, integration_id: int, generation: int, now: datetime) -> DeviceRows:
    """Make the rows that `write_plan` writes."""
    encode = bulk.time_encoder()
    stamp = (encode(now), generation)
    fixed = ("", integration_id, stamp[0])
    created = [(*_row(row, encode, stamp), *fixed) for row in plan.create]
    updated = [(*_row(row, encode, stamp), known.id) for known, row in plan.update]
    return DeviceRows(integration_id, generation, now, created, updated)


def write_plan(session: Session, plan: Plan, run_id: int, rows: DeviceRows) -> int:
    """Write a plan inside the caller's `write()` and return the generation of the UEM.

    Unchanged devices are not touched.
    """
    bulk.execute_many(session, _CLEAR_EXTERNAL_ID, [(id_,) for id_ in plan.detach.values()])
    bulk.execute_many(
        session, _CLEAR_ABSENCE, [(id_,) for id_ in (*plan.reappeared, *plan.unread, *plan.restored)]
    )
    bulk.update_times(session, "device", "last_seen_at", dict(plan.touched))
    ((generation,),) = bulk.fetch_all(session, _SELECT_GENERATION, (rows.integration_id,))
    if generation != rows.generation:
        rows = rows_of(plan, rows.integration_id, generation, rows.now)
    bulk.execute_many(session, _UPDATE_PLACED, [(generation, id_) for id_ in plan.placed])
    _record_history(session, plan, run_id, rows.now)
    _update(session, plan.update, rows.updated)
    _create(session, plan.create, rows.created)
    return int(generation)


def forget_shared(session: Session, integration_id: int, udid_keys: Iterable[str], since: datetime) -> None:
    """Let UDIDs that several devices have identify none of those that were written since then."""
    if keys := sorted(udid_keys):
        values = (integration_id, bulk.encode_time(since), bulk.list_param(keys))
        bulk.execute_many(session, _CLEAR_UDID_KEY.format(which=bulk.in_texts("udid_key")), [values])


def reattach(session: Session, integration_id: int, taken: Mapping[str, int]) -> None:
    """Give devices the ids back that were taken from them for rows that turned out to be nobody's."""
    values = [(external_id, id_, integration_id, external_id) for external_id, id_ in taken.items()]
    bulk.execute_many(session, _RESTORE_EXTERNAL_ID, values)


def record_detached(session: Session, detached: Sequence[int], run_id: int, now: datetime) -> None:
    """Write into the histories of devices that their id is another's, at the end of a run."""
    sql = f"SELECT id FROM device WHERE external_id IS NULL AND {bulk.in_list('id')}"  # noqa: S608 - no input
    without = [id_ for (id_,) in bulk.fetch_all(session, sql, (bulk.list_param(detached),))]
    record_history(session, [(id_, _TAKEN) for id_ in without], Happening.DETACHED, now, run_id)


def _create(session: Session, created: Sequence[Incoming], rows: Sequence[bulk.Row]) -> None:
    if not created:
        return
    ids = bulk.new_ids(session, "device", len(created))
    bulk.insert_many(session, INSERT_DEVICE, [(*row, id_) for row, id_ in zip(rows, ids, strict=True)])
    _join(session, zip(ids, created, strict=True))


def _update(session: Session, updated: Sequence[tuple[Known, Incoming]], rows: Sequence[bulk.Row]) -> None:
    if not updated:
        return
    bulk.execute_many(session, UPDATE_DEVICE, rows)
    bulk.execute_many(session, "DELETE FROM membership WHERE device_id = ?", [(k.id,) for k, _ in updated])
    _join(session, {known.id: row for known, row in updated}.items())


def _join(session: Session, devices: Iterable[tuple[int, Incoming]]) -> None:
    rows = [(id_, kind, group) for id_, row in devices for kind, group in row.memberships]
    bulk.insert_many(session, INSERT_MEMBERSHIP, rows)


def _row(row: Incoming, encode: _TimeEncoder, stamp: _Stamp) -> tuple[Any, ...]:
    device = row.device
    return (
        device.external_id, device.uuid, device.udid, device.serial, device.imei, device.name, device.phone,
        device.email, device.user_name, device.platform, device.model, device.os_version, device.ownership,
        device.group_id, device.group_name, device.enrollment_status, device.compliance, device.compromised,
        encode(device.enrolled_at), encode(device.last_seen), row.udid_key,
        *sort_and_search_keys(device),
        "" if row.shared else row.fingerprint, *stamp,
    )  # fmt: skip


def _record_history(session: Session, plan: Plan, run_id: int, now: datetime) -> None:
    """The lines for the histories of the devices, before their rows change."""
    record_history(session, ((id_, "") for id_ in plan.reappeared), Happening.REAPPEARED, now, run_id)
    record_history(session, ((id_, UNREAD) for id_ in plan.unread), Happening.REAPPEARED, now, run_id)
    record_history(session, ((id_, "Listed again") for id_ in plan.restored), Happening.RESTORED, now, run_id)
    first = _listed_at_last(session, plan, run_id, now)
    known = [(k, row) for k, row in plan.update if k.id not in first]
    again = [(k.id, _ids(k, row)) for k, row in known if k.external_id != row.device.external_id]
    record_history(session, again, Happening.ENROLLED_AGAIN, now, run_id)
    record_history(session, _changes(session, known), Happening.CHANGED, now, run_id)


def _listed_at_last(session: Session, plan: Plan, run_id: int, now: datetime) -> set[int]:
    """Say of devices that were added by registration that the UEM lists them now; their ids."""
    without = [known.id for known, _ in plan.update if known.external_id is None]
    if not without:
        return set()
    rows = bulk.fetch_all(
        session, _SELECT_REGISTERED_ONLY.format(bulk.in_list("id")), (bulk.list_param(without),)
    )
    first = [id_ for (id_,) in rows]
    bulk.execute_many(session, _CLEAR_ADDED_BY, [(id_,) for id_ in first])
    record_history(session, [(id_, _NOW_LISTED) for id_ in first], Happening.LISTED, now, run_id)
    return set(first)


def _ids(known: Known, row: Incoming) -> str:
    return f"Id in the UEM: {known.external_id or 'none'} → {row.device.external_id}"


def _changes(session: Session, updated: Sequence[tuple[Known, Incoming]]) -> list[tuple[int, str]]:
    if not updated:
        return []
    sql = f"SELECT id, {', '.join(_COMPARED)} FROM device WHERE {bulk.in_list('id')}"  # noqa: S608
    found = bulk.fetch_all(session, sql, (bulk.list_param([known.id for known, _ in updated]),))
    old = {row[0]: _compared(dict(zip(_COMPARED, row[1:], strict=True))) for row in found}
    new = {known.id: {name: getattr(row.device, name) for name in _COMPARED} for known, row in updated}
    lines = ((id_, described(old[id_], new[id_])) for id_ in new if id_ in old)
    return [(id_, detail) for id_, detail in lines if detail]


def _compared(row: dict[str, Any]) -> dict[str, Any]:
    """A row as the record has it: the driver knows neither booleans nor times."""
    compromised = None if row["compromised"] is None else bool(row["compromised"])
    return row | {"compromised": compromised, "enrolled_at": bulk.decode_time(row["enrolled_at"])}
