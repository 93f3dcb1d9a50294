"""Reads what is known of arriving devices, and writes what the plan says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from harmony.db import db, release
from harmony.folding import sort_key
from harmony.history import happened
from harmony.models import Happening
from harmony.models.device_ids import udid_key
from harmony.sync import driver
from harmony.sync.changes import NAMED_ONLY, SHOWN, described
from harmony.sync.plan import Known, Plan, plan, strangers, unread
from harmony.sync.scope import Incoming
from harmony.sync.search import search_text
from harmony.uem.records import SkippedRow

Written = Callable[[datetime | None], Any]

# What the UEM tells of a device, in the order of `_told`; then what is ours.
TOLD = (
    "external_id", "uuid", "udid", "serial", "imei", "name", "phone", "email", "user_name", "platform",
    "model", "os_version", "ownership", "group_id", "group_name", "enrollment_status", "compliance",
    "compromised", "enrolled_at", "last_seen_at", "udid_key", "name_key", "search_text", "fingerprint",
    "updated_at",
)  # fmt: skip
CREATED = (*TOLD, "absent_why", "integration_id", "created_at")
COMPARED = (*SHOWN, *NAMED_ONLY)

INSERT = f"INSERT INTO device ({', '.join(CREATED)}) VALUES ({', '.join('?' * len(CREATED))})"  # noqa: S608
UPDATE = f"UPDATE device SET {', '.join(f'{name} = ?' for name in TOLD)} WHERE id = ?"  # noqa: S608
TOUCH = "UPDATE device SET last_seen_at = ? WHERE id = ?"
DETACH = "UPDATE device SET external_id = NULL WHERE id = ?"
BACK = (
    "UPDATE device SET absent_from = NULL, missing_since = NULL, absent_why = '', deleted_at = NULL, "
    "deleted_by = NULL WHERE id = ?"
)
# Of devices that Protect registered before the UEM listed them.
UNLISTED = "SELECT id FROM device WHERE added_by IS NOT NULL AND {}"
LISTED = "UPDATE device SET added_by = NULL WHERE id = ?"
JOIN = "INSERT INTO membership (device_id, group_kind, group_id) VALUES (?, ?, ?)"

UNREAD = "It is listed again, but what the UEM says of it cannot be read"
NOW_LISTED = "Added by registration; the UEM lists it now."

KNOWN = (
    "SELECT id, external_id, udid_key, fingerprint, last_seen_at, absent_from IS NOT NULL, "
    "deleted_at IS NOT NULL, {enrolled} FROM device WHERE integration_id = ? AND {which}"
)


def planned(integration_id: int, arriving: Sequence[Incoming], skipped: Sequence[SkippedRow]) -> Plan:
    """What a few pages change of what is stored. Reads only; nothing is left open."""
    ids = [one.device.external_id for one in arriving]
    by_id = known_by_id(integration_id, ids + [row.external_id for row in skipped if row.external_id])
    strange = [one.udid_key for one in strangers(arriving, by_id)]
    unnamed = [udid_key(row.udid) for row in skipped if not row.external_id]
    by_udid = known_by_udid(integration_id, strange + unnamed)
    release()
    made = plan(arriving, by_id, by_udid)
    made.unread = [id_ for id_ in unread(skipped, by_id, by_udid) if id_ not in made.reappeared]
    return made


def known_by_id(integration_id: int, external_ids: Sequence[str]) -> dict[str, Known]:
    """What the database holds of these devices, by the UEM's id."""
    found = _known(integration_id, "NULL", "external_id", external_ids)
    return {one.external_id: one for one in found if one.external_id is not None}


def known_by_udid(integration_id: int, udid_keys: Sequence[str]) -> dict[str, Known]:
    """The same by UDID key; of several rows the live one, then the newest. A placeholder ("") finds none."""
    asked = [key for key in udid_keys if key]
    if not asked:
        return {}
    found = _known(integration_id, "enrolled_at", "udid_key", asked)
    return {one.udid_key: one for one in sorted(found, key=lambda one: (not one.deleted, one.id))}


def _known(integration_id: int, enrolled: str, column: str, keys: Sequence[str]) -> list[Known]:
    session = db.session()
    sql = KNOWN.format(enrolled=enrolled, which=driver.among(column))
    rows = driver.fetch(session, sql, (integration_id, driver.listed(keys)))
    read = driver.read_time
    return [
        Known(id_, external_id, udid, print_, read(seen), bool(absent), bool(deleted), read(enrolled_at))
        for id_, external_id, udid, print_, seen, absent, deleted, enrolled_at in rows
    ]


def write_plan(session: Session, integration_id: int, plan: Plan, run_id: int, now: datetime) -> None:
    """Write a plan inside the caller's `write()`. Unchanged devices are not touched."""
    written = driver.written_time()
    driver.run_many(session, DETACH, [(id_,) for id_ in plan.detach])
    driver.run_many(session, BACK, [(id_,) for id_ in (*plan.reappeared, *plan.unread, *plan.restored)])
    driver.run_many(session, TOUCH, [(written(seen), id_) for id_, seen in plan.touched])
    _tell(session, plan, run_id, now)
    _update(session, plan.update, written, now)
    _create(session, integration_id, plan.create, written, now)


def _create(
    session: Session, integration_id: int, created: Sequence[Incoming], written: Written, now: datetime
) -> None:
    if not created:
        return
    moment = written(now)
    before = driver.fetch(session, "SELECT coalesce(max(id), 0) FROM device")[0][0]
    fixed = ("", integration_id, moment)
    driver.run_many(session, INSERT, [_told(one, written, moment) + fixed for one in created])
    # The writer's turn is ours alone: whatever has a larger id was made by the statement above.
    made = driver.fetch(session, "SELECT external_id, id FROM device WHERE id > ?", (before,))
    ids: dict[str, int] = {external_id: id_ for external_id, id_ in made}
    _join(session, ((ids[one.device.external_id], one) for one in created))


def _update(
    session: Session, updated: Sequence[tuple[Known, Incoming]], written: Written, now: datetime
) -> None:
    if not updated:
        return
    moment = written(now)
    driver.run_many(session, UPDATE, [(*_told(one, written, moment), known.id) for known, one in updated])
    driver.run_many(session, "DELETE FROM membership WHERE device_id = ?", [(k.id,) for k, _ in updated])
    _join(session, {known.id: one for known, one in updated}.items())


def _join(session: Session, devices: Iterable[tuple[int, Incoming]]) -> None:
    rows = [(id_, kind, group) for id_, one in devices for kind, group in one.memberships]
    driver.run_many(session, JOIN, rows)


def _told(one: Incoming, written: Written, moment: Any) -> tuple[Any, ...]:
    device = one.device
    return (
        device.external_id, device.uuid, device.udid, device.serial, device.imei, device.name, device.phone,
        device.email, device.user_name, device.platform, device.model, device.os_version, device.ownership,
        device.group_id, device.group_name, device.enrollment_status, device.compliance, device.compromised,
        written(device.enrolled_at), written(device.last_seen), one.udid_key,
        sort_key(device.name),
        search_text(device.name, device.serial, device.udid, device.user_name, device.email),
        one.fingerprint, moment,
    )  # fmt: skip


def _tell(session: Session, plan: Plan, run_id: int, now: datetime) -> None:
    """The lines for the histories of the devices, before their rows change."""
    happened(session, ((id_, "") for id_ in plan.reappeared), Happening.REAPPEARED, now, run_id)
    happened(session, ((id_, UNREAD) for id_ in plan.unread), Happening.REAPPEARED, now, run_id)
    happened(session, ((id_, "Listed again") for id_ in plan.restored), Happening.RESTORED, now, run_id)
    gone = "Its id in the UEM belongs to another device now"
    happened(session, ((id_, gone) for id_ in plan.detach), Happening.DETACHED, now, run_id)
    first = _listed_at_last(session, plan, run_id, now)
    known = [(k, one) for k, one in plan.update if k.id not in first]
    again = [(k.id, _ids(k, one)) for k, one in known if k.external_id != one.device.external_id]
    happened(session, again, Happening.ENROLLED_AGAIN, now, run_id)
    happened(session, _changes(session, known), Happening.CHANGED, now, run_id)


def _listed_at_last(session: Session, plan: Plan, run_id: int, now: datetime) -> set[int]:
    """Say of devices that were added by registration that the UEM lists them now; their ids."""
    without = [known.id for known, _ in plan.update if known.external_id is None]
    if not without:
        return set()
    rows = driver.fetch(session, UNLISTED.format(driver.among("id")), (driver.listed(without),))
    first = [id_ for (id_,) in rows]
    driver.run_many(session, LISTED, [(id_,) for id_ in first])
    happened(session, [(id_, NOW_LISTED) for id_ in first], Happening.LISTED, now, run_id)
    return set(first)


def _ids(known: Known, one: Incoming) -> str:
    return f"Id in the UEM: {known.external_id or 'none'} → {one.device.external_id}"


def _changes(session: Session, updated: Sequence[tuple[Known, Incoming]]) -> list[tuple[int, str]]:
    if not updated:
        return []
    sql = f"SELECT id, {', '.join(COMPARED)} FROM device WHERE {driver.among('id')}"  # noqa: S608
    found = driver.fetch(session, sql, (driver.listed([known.id for known, _ in updated]),))
    old = {row[0]: _compared(dict(zip(COMPARED, row[1:], strict=True))) for row in found}
    new = {known.id: {name: getattr(one.device, name) for name in COMPARED} for known, one in updated}
    lines = ((id_, described(old[id_], new[id_])) for id_ in new if id_ in old)
    return [(id_, detail) for id_, detail in lines if detail]


def _compared(row: dict[str, Any]) -> dict[str, Any]:
    """A row as the record has it: the driver knows neither booleans nor times."""
    compromised = None if row["compromised"] is None else bool(row["compromised"])
    return row | {"compromised": compromised, "enrolled_at": driver.read_time(row["enrolled_at"])}
