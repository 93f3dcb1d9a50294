"""Compares who carries a tag in the UEM with what we believe; the UEM is right about what is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from harmony.db import bulk, db, release, write
from harmony.db.id_set import IdSet
from harmony.tagging.desired_state import KNOWN_HERE
from harmony.tagging.links import Beat

ROWS_PER_WRITE = 1000

_SELECT_PRESENT_LINKS = """SELECT device_id, external_id FROM tag_link WHERE integration_id = ? AND key = ?
 AND present AND device_id > ? ORDER BY device_id LIMIT ?"""
_SELECT_LINKS = """SELECT device_id, external_id FROM tag_link WHERE integration_id = ? AND key = ?
 AND device_id > ? ORDER BY device_id LIMIT ?"""
# It is put on again, which does no harm; that it was sent keeps it from being taken for never there. What is
# to be taken off is taken off, whatever a list says: the answer to that is the proof.
_UPDATE_UNSEEN_LINKS = """UPDATE tag_link SET present = false, attempts = 1, state = 'pending', next_try_at
 = NULL, reason = '', changed_at = ? WHERE key = ? AND {devices} AND wanted"""
_UPDATE_ABSENT_LINKS = """UPDATE tag_link SET present = false, attempts = 0, state = 'pending', next_try_at
 = NULL, reason = '', changed_at = ? WHERE integration_id = ? AND key = ? AND {devices} AND wanted"""
_DELETE_UNWANTED_LINKS = (
    "DELETE FROM tag_link WHERE integration_id = ? AND key = ? AND {devices} AND NOT wanted"
)
# One that is ours under this id, live or deleted; anybody else's devices are not looked at.
_INSERT_CARRIED_LINKS = """INSERT INTO tag_link
 (device_id, key, integration_id, external_id, wanted, present, state, attempts, changed_at, reason)
 SELECT d.id, ?, d.integration_id, d.external_id, false, true, 'pending', 0, ?, '' FROM device d
 WHERE d.integration_id = ? AND {ids} AND {here}
 ON CONFLICT (device_id, key) DO UPDATE SET present = true, attempts = 0, reason = '', next_try_at = NULL,
 external_id = excluded.external_id,
 state = CASE WHEN tag_link.wanted THEN 'done' ELSE 'pending' END"""


class Count(NamedTuple):
    """The number of devices believed to carry a tag, and of those that a list lacks."""

    known: int
    missing: int


def compared(integration_id: int, key: str, carriers: Sequence[str]) -> Count:
    """Compare a list of carriers with what is believed, and change nothing."""
    listed, known, missing = _set(carriers), 0, 0
    for rows in _believed(integration_id, key):
        known += len(rows)
        missing += sum(external_id not in listed for _, external_id in rows)
    return Count(known, missing)


def observe(
    integration_id: int,
    key: str,
    carriers: Sequence[str],
    now: datetime,
    beat: Beat,
    *,
    partial: bool = False,
) -> int:
    """Take over what the UEM says of one tag, in short writes; how many links were otherwise.

    Devices that are not ours are left alone: another dashboard may use the same tag. A `partial` list says
    nothing of devices it does not name. `beat` is called inside each `write()`.
    """
    listed, believed, otherwise = _set(carriers), IdSet(), 0
    for rows in _believed(integration_id, key):
        believed.add([external_id for _, external_id in rows])
        unseen = [id_ for id_, external_id in rows if external_id not in listed]
        otherwise += 0 if partial else _unseen(integration_id, key, unseen, now, beat)
    fresh = [external_id for external_id in carriers if external_id not in believed]
    for start in range(0, len(fresh), ROWS_PER_WRITE):
        otherwise += _add(integration_id, key, fresh[start : start + ROWS_PER_WRITE], now, beat)
    return otherwise


def forget(integration_id: int, key: str, now: datetime, beat: Beat) -> None:
    """There is no such tag: nobody carries it, and what is to carry it waits for a new one."""
    for rows in _links(integration_id, key):
        ids = bulk.list_param([id_ for id_, _ in rows])
        with write(integration_id) as session:
            beat(session)
            gone = _UPDATE_ABSENT_LINKS.format(devices=bulk.in_list("device_id"))
            bulk.execute(session, gone, (bulk.encode_time(now), integration_id, key, ids))
            bulk.execute(
                session,
                _DELETE_UNWANTED_LINKS.format(devices=bulk.in_list("device_id")),
                (integration_id, key, ids),
            )


def _set(ids: Sequence[str]) -> IdSet:
    listed = IdSet()
    listed.add(ids)
    return listed


def _believed(integration_id: int, key: str) -> Iterator[Sequence[bulk.Row]]:
    """The links that we believe to be there, some at a time; what is found may be changed meanwhile."""
    return _paged(_SELECT_PRESENT_LINKS, integration_id, key)


def _links(integration_id: int, key: str) -> Iterator[Sequence[bulk.Row]]:
    return _paged(_SELECT_LINKS, integration_id, key)


def _paged(sql: str, integration_id: int, key: str) -> Iterator[Sequence[bulk.Row]]:
    last = 0
    while True:
        rows = bulk.fetch_all(db.session(), sql, (integration_id, key, last, ROWS_PER_WRITE))
        release()
        if not rows:
            return
        yield rows
        last = rows[-1][0]


def _add(integration_id: int, key: str, external_ids: Sequence[str], now: datetime, beat: Beat) -> int:
    """Add the links of our devices among these, which carry the tag unknown to us; how many."""
    with write(integration_id) as session:
        beat(session)
        sql = _INSERT_CARRIED_LINKS.format(ids=bulk.in_list("d.external_id"), here=KNOWN_HERE)
        values = (key, bulk.encode_time(now), integration_id, bulk.list_param(external_ids))
        return bulk.execute(session, sql, values)


def _unseen(integration_id: int, key: str, ids: Sequence[int], now: datetime, beat: Beat) -> int:
    if not ids:
        return 0
    with write(integration_id) as session:
        beat(session)
        sql = _UPDATE_UNSEEN_LINKS.format(devices=bulk.in_list("device_id"))
        return bulk.execute(session, sql, (bulk.encode_time(now), key, bulk.list_param(ids)))
