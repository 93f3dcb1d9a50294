"""What waits to be pushed, link by link; what was sent, and what became of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from harmony.audit import record_history
from harmony.db import bulk, db, release
from harmony.models import Happening, LinkState
from harmony.tagging.names import FACTOR, OLD
from harmony.tagging.plan import Batch, Target, waits_for_others

_UNKNOWN = "The UEM does not know this device."
CONTRADICTED = "The UEM says that it does not know this device, but the last sync lists it."
NOTE = "The UEM does not know this device any more: its tags are no longer pushed."
_AGAIN_AFTER = timedelta(days=1)
_ROWS_PER_READ = 5000
# Minutes, hours, then once a day, by the number of tries.
_WAITS = (timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=8), _AGAIN_AFTER)
# A time that is further ahead than its wait was written while the clock was ahead; setting the clock back by
# less than this hurries nobody.
_SLACK = timedelta(minutes=5)

_SELECT_OPEN_KEYS = "SELECT DISTINCT key FROM tag_link WHERE integration_id = ? AND state <> 'done'"
_SELECT_OPEN_LINKS = """SELECT device_id, external_id FROM tag_link WHERE integration_id = ? AND key = ?
 AND state <> 'done' AND state = '{state}' AND {which}
 AND (next_try_at IS NULL OR next_try_at <= ? OR next_try_at > CASE attempts {waits} ELSE ? END) {free}
 AND device_id > ? ORDER BY device_id LIMIT ?"""
# Until the device carries what takes its place, so that it is never without its status.
_HAS_SUCCESSOR = """AND NOT EXISTS (SELECT 1 FROM tag_link o WHERE o.device_id = tag_link.device_id AND
 o.wanted AND NOT o.present AND substr(o.key, 1, {length}) {kind})"""

_COUNT_ATTEMPT = "UPDATE tag_link SET attempts = attempts + 1 WHERE key = ? AND {devices}"
_UPDATE_ADDED_LINKS = """UPDATE tag_link SET present = true, attempts = 0, next_try_at = NULL, reason = '',
 state = CASE WHEN wanted THEN 'done' ELSE 'pending' END WHERE key = ? AND {devices}"""
_UPDATE_REMOVED_LINKS = """UPDATE tag_link SET present = false, attempts = 0, next_try_at = NULL, reason = '',
 state = 'pending' WHERE key = ? AND {devices}"""
_DELETE_FINISHED_LINKS = (
    "DELETE FROM tag_link WHERE key = ? AND {devices} AND NOT wanted AND NOT present AND attempts = 0"
)
_UPDATE_REFUSED_LINKS = """UPDATE tag_link SET present = ?, state = 'failed', reason = ?, next_try_at =
 CASE attempts {waits} ELSE ? END WHERE key = ? AND {devices}"""
# Once while a device is missing: each change of its risk makes a new link.
_SELECT_NEWLY_UNKNOWN = """SELECT DISTINCT device_id FROM tag_link WHERE {devices} AND wanted AND state <>
 'dropped' AND reason <> ? AND NOT EXISTS (SELECT 1 FROM device_event e JOIN device d ON d.id = e.device_id
 WHERE e.device_id = tag_link.device_id AND e.kind = 'untagged'
 AND e.at >= coalesce(d.missing_since, d.deleted_at))"""
_UPDATE_DROPPED_LINKS = """UPDATE tag_link SET present = false, attempts = 0, state = 'dropped', reason = ?,
 next_try_at = ?, changed_at = ? WHERE {devices} AND wanted"""
_DELETE_UNWANTED_LINKS = "DELETE FROM tag_link WHERE {devices} AND NOT wanted"
_SELECT_LISTED_DEVICES = (
    "SELECT id FROM device WHERE {devices} AND missing_since IS NULL AND deleted_at IS NULL"
)
_CASES = " ".join(f"WHEN {tries} THEN ?" for tries in range(1, len(_WAITS)))
_COUNT_LINKS = "SELECT count(*) FROM tag_link WHERE integration_id = ? AND key = ?"
_WAITS_FOR_ITS_TIME = "state <> 'done' AND state IN ('failed', 'dropped') AND next_try_at IS NOT NULL"
_RESUME_DELAYED_LINKS = f"""UPDATE tag_link SET next_try_at = NULL WHERE integration_id = ? AND
 {_WAITS_FOR_ITS_TIME}
 AND device_id IN (SELECT device_id FROM tag_link WHERE integration_id = ? AND {_WAITS_FOR_ITS_TIME}
 ORDER BY device_id LIMIT 1000)"""  # noqa: S608 - constants
_COUNT_FAILED_LINKS = """SELECT count(*), min(next_try_at) FROM tag_link WHERE integration_id = ?
 AND state <> 'done' AND state = 'failed'"""
_COUNT_PENDING_LINKS = (
    """SELECT count(*) FROM tag_link WHERE integration_id = ? AND state <> 'done' AND state = 'pending'"""
)


def open_keys(integration_id: int) -> list[str]:
    """The keys of the tags with something to push, now or later."""
    return [row[0] for row in _fetched(_SELECT_OPEN_KEYS, (integration_id,))]


def targets(integration_id: int, key: str, add: bool, now: datetime) -> Iterator[Target]:
    """The devices on which the tag is to be put now, or from which it is to be taken off; read as they go."""
    which, free = ("wanted", "") if add else ("NOT wanted", _free(key))
    for state in (LinkState.PENDING, LinkState.FAILED, LinkState.DROPPED):  # as the index has them
        sql, last = _SELECT_OPEN_LINKS.format(state=state, which=which, free=free, waits=_CASES), 0
        times = (bulk.encode_time(now), *_after_waits(now + _SLACK))
        while found := _fetched(sql, (integration_id, key, *times, last, _ROWS_PER_READ)):
            yield from (Target(*row) for row in found)
            last = found[-1][0]


def hurry(session: Session, integration_id: int) -> int:
    """A person asks: what was declined or dropped is tried now, whenever planned. How many; 0 at the end."""
    return bulk.execute(session, _RESUME_DELAYED_LINKS, (integration_id, integration_id))


def left(integration_id: int, key: str) -> int:
    """On how many devices the tag is, or should be, as far as we know."""
    return int(_fetched(_COUNT_LINKS, (integration_id, key))[0][0])


def failed(integration_id: int) -> tuple[int, datetime | None]:
    """Return how many links the UEM declined, and when the first of them is tried again."""
    count, first = _fetched(_COUNT_FAILED_LINKS, (integration_id,))[0]
    return int(count), bulk.decode_time(first)


def waiting(integration_id: int) -> int:
    """Return how many links still wait for a push."""
    return int(_fetched(_COUNT_PENDING_LINKS, (integration_id,))[0][0])


def sent(session: Session, batch: Batch) -> None:
    """About to be sent: until its end is known, nobody may take it for not done."""
    bulk.execute(session, _on(_COUNT_ATTEMPT), (batch.key, _ids(batch.targets)))


def done(session: Session, key: str, add: bool, devices: Sequence[Target]) -> None:
    """It is as it should be in the UEM."""
    if not devices:
        return
    bulk.execute(session, _on(_UPDATE_ADDED_LINKS if add else _UPDATE_REMOVED_LINKS), (key, _ids(devices)))
    if not add:
        bulk.execute(session, _on(_DELETE_FINISHED_LINKS), (key, _ids(devices)))


def refused(session: Session, key: str, add: bool, why: Mapping[Target, str], now: datetime) -> None:
    """The UEM declined it for these devices; they are tried again after a while that grows."""
    times = _after_waits(now)
    sql = _on(_UPDATE_REFUSED_LINKS.replace("{waits}", _CASES))
    for reason in sorted(set(why.values())):
        devices = [target for target in why if why[target] == reason]
        bulk.execute(session, sql, (not add, reason, *times, key, _ids(devices)))


def unknown(  # noqa: PLR0917 - one call's devices, what it was for, and by which run
    session: Session, key: str, add: bool, devices: Collection[Target], run_id: int, now: datetime
) -> tuple[int, int]:
    """The UEM says that it does not know these devices; how many were dropped, and how many kept.

    Where the newest complete sync lists the device, one of the two is wrong: it is tried again soon. The tags
    of the others are not pushed for a day, as their history says.
    """
    if not devices:
        return 0, 0
    rows = bulk.fetch_all(
        session, _SELECT_LISTED_DEVICES.replace("{devices}", bulk.in_list("id")), (_ids(devices),)
    )
    listed = {row[0] for row in rows}
    kept = [target for target in devices if target.device_id in listed]
    refused(session, key, add, dict.fromkeys(kept, CONTRADICTED), now)
    _drop(session, [target for target in devices if target.device_id not in listed], run_id, now)
    return len(devices) - len(kept), len(kept)


def _drop(session: Session, devices: Collection[Target], run_id: int, now: datetime) -> None:
    if not devices:
        return
    ids, written = _ids(devices), bulk.time_encoder()
    fresh = bulk.fetch_all(session, _on(_SELECT_NEWLY_UNKNOWN), (ids, _UNKNOWN))
    record_history(session, [(row[0], NOTE) for row in fresh], Happening.UNTAGGED, now, run_id)
    bulk.execute(
        session, _on(_UPDATE_DROPPED_LINKS), (_UNKNOWN, written(now + _AGAIN_AFTER), written(now), ids)
    )
    bulk.execute(session, _on(_DELETE_UNWANTED_LINKS), (ids,))


def _after_waits(now: datetime) -> list[object]:
    """The times at which a link is tried again, by the number of tries."""
    written = bulk.time_encoder()
    return [written(now + wait) for wait in _WAITS]


def _free(key: str) -> str:
    """The condition that what takes the place of this tag is there: one of its kind, or of any kind."""
    if not waits_for_others(key):
        return ""
    kind = key.partition(":")[0] + ":"
    same, other = f"= '{kind}'", f"<> '{FACTOR}'"
    return (
        _HAS_SUCCESSOR.format(length=len(FACTOR), kind=other)
        if kind == OLD
        else _HAS_SUCCESSOR.format(length=len(kind), kind=same)
    )


def _on(sql: str) -> str:
    return sql.replace("{devices}", bulk.in_list("device_id"))


def _ids(devices: Iterable[Target]) -> object:
    return bulk.list_param([target.device_id for target in devices])


def _fetched(sql: str, values: bulk.Row) -> Sequence[bulk.Row]:
    try:
        return bulk.fetch_all(db.session(), sql, values)
    finally:
        release()
