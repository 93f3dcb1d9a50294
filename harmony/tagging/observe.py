"""Compares who carries a tag in the UEM with what we believe; the UEM is right about what is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from harmony.db import db, release, write
from harmony.sync import driver
from harmony.sync.ids import Ids
from harmony.tagging.desire import Beat
from harmony.tagging.desired import KNOWN_HERE

ROWS_PER_WRITE = 1000

BELIEVED = """SELECT device_id, external_id FROM tag_link WHERE integration_id = ? AND key = ? AND present
 AND device_id > ? ORDER BY device_id LIMIT ?"""
GONE = """UPDATE tag_link SET present = false, attempts = 0, state = 'pending', next_try_at = NULL,
 reason = '', changed_at = ? WHERE key = ? AND {devices}"""
OVER = """DELETE FROM tag_link WHERE integration_id = ? AND key = ? AND state <> 'done'
 AND NOT wanted AND NOT present"""
# One that is ours under this id, live or deleted; anybody else's devices are not looked at.
THERE = """INSERT INTO tag_link
 (device_id, key, integration_id, external_id, wanted, present, state, attempts, changed_at, reason)
 SELECT d.id, ?, d.integration_id, d.external_id, false, true, 'pending', 0, ?, '' FROM device d
 WHERE d.integration_id = ? AND {ids} AND {here}
 ON CONFLICT (device_id, key) DO UPDATE SET present = true, attempts = 0, reason = '', next_try_at = NULL,
 external_id = excluded.external_id,
 state = CASE WHEN tag_link.wanted THEN 'done' ELSE 'pending' END"""


def observe(integration_id: int, key: str, carriers: Sequence[str], now: datetime, beat: Beat) -> int:
    """Take over what the UEM says of one tag, in short writes; how many links were otherwise.

    Devices that are not ours are left alone: another dashboard may use the same tag. `beat` is called inside
    each `write()`.
    """
    listed, believed, otherwise = Ids(), Ids(), 0
    listed.add(carriers)
    for rows in _believed(integration_id, key):
        believed.add([external_id for _, external_id in rows])
        otherwise += _gone(key, [id_ for id_, external_id in rows if external_id not in listed], now, beat)
    fresh = [external_id for external_id in carriers if external_id not in believed]
    for start in range(0, len(fresh), ROWS_PER_WRITE):
        with write() as session:
            beat(session)
            some = driver.listed(fresh[start : start + ROWS_PER_WRITE])
            sql = THERE.format(ids=driver.among("d.external_id"), here=KNOWN_HERE)
            values = (key, driver.written_time()(now), integration_id, some)
            otherwise += driver.run(session, sql, values)
    with write() as session:
        beat(session)
        driver.run(session, OVER, (integration_id, key))
    return otherwise


def _believed(integration_id: int, key: str) -> Iterator[Sequence[driver.Row]]:
    """The links that we believe to be there, some at a time; what is found may be changed meanwhile."""
    last = 0
    while True:
        rows = driver.fetch(db.session(), BELIEVED, (integration_id, key, last, ROWS_PER_WRITE))
        release()
        if not rows:
            return
        yield rows
        last = rows[-1][0]


def _gone(key: str, ids: Sequence[int], now: datetime, beat: Beat) -> int:
    if not ids:
        return 0
    with write() as session:
        beat(session)
        sql = GONE.format(devices=driver.among("device_id"))
        return driver.run(session, sql, (driver.written_time()(now), key, driver.listed(ids)))
