"""Brings the links of devices to what they should carry, as sets of rows; no device is loaded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import count

from sqlalchemy.orm import Session

from harmony.db import bulk, db, write
from harmony.tagging.desired_state import KNOWN_HERE, LIVE, RATED, Desire, DeviceRange

# A device has a few links, so that these are a few thousand rows in a commit.
DEVICES_PER_WRITE = 1500
_WRITES_PER_CHECKPOINT = 24

# What is about a device that the UEM has under another id now, or no longer: nothing is known of the new one.
_DELETE_REASSIGNED_LINKS = """DELETE FROM tag_link WHERE +integration_id = ? AND {scope} AND NOT EXISTS
 (SELECT 1 FROM device d WHERE d.id = tag_link.device_id
 AND d.external_id = tag_link.external_id AND {here})"""
# Left on the devices by whoever switched it off: forgotten.
_DELETE_UNMANAGED_LINKS = "DELETE FROM tag_link WHERE +integration_id = ? AND {scope} AND NOT ({managed})"
_UPDATE_UNWANTED_LINKS = """UPDATE tag_link SET wanted = false, state = 'pending', next_try_at = NULL,
 reason = '', changed_at = ? WHERE +integration_id = ? AND {scope} AND wanted AND NOT EXISTS
 (SELECT 1 FROM device d {rated} WHERE d.id = tag_link.device_id AND {live} AND ({still}))"""
# NOT IN and EXCEPT over two columns would read their whole list for each row in SQLite. NOT EXISTS did so in
# PostgreSQL while it knew nothing of a table that had just been filled: 4 s instead of 0.1 [measured].
_INSERT_WANTED_LINKS = """WITH want(device_id, external_id, key) AS ({want}) INSERT INTO tag_link
 (device_id, key, integration_id, external_id, wanted, present, state, attempts, changed_at, reason)
 SELECT device_id, key, ?, external_id, true, false, 'pending', 0, ?, '' FROM want WHERE
 (SELECT t.wanted FROM tag_link t WHERE t.device_id = want.device_id AND t.key = want.key) IS NOT TRUE
 ON CONFLICT (device_id, key) DO UPDATE SET wanted = true, changed_at = excluded.changed_at,
 state = CASE WHEN tag_link.present AND tag_link.attempts = 0 THEN 'done' ELSE 'pending' END,
 next_try_at = NULL, reason = ''"""
_DELETE_UNSENT_LINKS = """DELETE FROM tag_link WHERE +integration_id = ? AND {scope}
 AND NOT wanted AND NOT present AND attempts = 0"""
# The UEM did not know them, and lists them again.
_RESUME_DROPPED_LINKS = """UPDATE tag_link SET next_try_at = NULL WHERE integration_id = ? AND state <> 'done'
 AND state = 'dropped' AND next_try_at IS NOT NULL AND EXISTS (SELECT 1 FROM device d
 WHERE d.id = tag_link.device_id AND d.missing_since IS NULL AND d.deleted_at IS NULL)"""
_SELECT_NTH_DEVICE = "SELECT id FROM device WHERE +integration_id = ? AND id > ? ORDER BY id LIMIT 1 OFFSET ?"
_SELECT_CHANGED_DEVICES = (
    "SELECT device_id FROM protection WHERE integration_id = ? AND changed_at >= ? ORDER BY device_id"
)

Beat = Callable[[Session], None]


def refresh_all(desire: Desire, now: datetime, beat: Beat) -> None:
    """Bring the links of every device to what it should carry, a range of devices in each commit.

    `beat` is called inside each `write()`; it may raise, and nothing is written then.
    """
    done = 0
    for number in count(1):
        last = _nth_after(desire.integration_id, done, DEVICES_PER_WRITE)
        where = (
            DeviceRange("{id} > ? AND {id} <= ?", (done, last)) if last else DeviceRange("{id} > ?", (done,))
        )
        with write(desire.integration_id) as session:
            beat(session)
            _refresh(session, desire, where, now)
            if not last:
                bulk.execute(session, _RESUME_DROPPED_LINKS, (desire.integration_id,))
                return
        done = last
        if number % _WRITES_PER_CHECKPOINT == 0:
            bulk.checkpoint()


def refresh_changed(desire: Desire, since: datetime, now: datetime, beat: Beat) -> None:
    """The same for the devices whose status, risk or open findings changed since then."""
    since_then = (desire.integration_id, bulk.encode_time(since))
    ids: list[int] = [row[0] for row in bulk.fetch_all(db.session(), _SELECT_CHANGED_DEVICES, since_then)]
    for start in range(0, len(ids), DEVICES_PER_WRITE):
        some = bulk.list_param(ids[start : start + DEVICES_PER_WRITE])
        with write(desire.integration_id) as session:
            beat(session)
            _refresh(session, desire, DeviceRange(bulk.in_list("{id}"), (some,)), now)


def _refresh(session: Session, desire: Desire, where: DeviceRange, now: datetime) -> None:
    scope, time = where.of("device_id"), bulk.encode_time(now)
    params = (desire.integration_id, *where.values)
    managed, keys = desire.ours()
    bulk.prefer_indexes(session)
    bulk.execute(session, _DELETE_REASSIGNED_LINKS.format(scope=scope, here=KNOWN_HERE), params)
    bulk.execute(session, _DELETE_UNMANAGED_LINKS.format(scope=scope, managed=managed), (*params, *keys))
    unwant = _UPDATE_UNWANTED_LINKS.format(scope=scope, rated=RATED, live=LIVE, still=desire.still())
    bulk.execute(session, unwant, (time, *params))
    want, values = desire.wanted(where)
    if want:
        bulk.execute(session, _INSERT_WANTED_LINKS.format(want=want), (*values, desire.integration_id, time))
    bulk.execute(session, _DELETE_UNSENT_LINKS.format(scope=scope), params)


def _nth_after(integration_id: int, device_id: int, count: int) -> int | None:
    rows = bulk.fetch_all(db.session(), _SELECT_NTH_DEVICE, (integration_id, device_id, count - 1))
    return rows[0][0] if rows else None
