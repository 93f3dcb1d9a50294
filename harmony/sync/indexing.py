"""Keeps the trigram index up with the devices, a few at a time, whatever of them is due.

A search looks at what is not indexed yet too and compares the text of all it finds (`web.devices.search`), so
that it finds nothing wrongly and misses nothing however far the index lags.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from harmony.db import bulk, db, is_sqlite, release, write
from harmony.models.search_index import INDEX, NOTED, TOP, is_there

# Their commit takes about 20 ms, and 70 ms when FTS5 merges what it wrote before.
ROWS_PER_WRITE = 500

_NEW = f"SELECT id FROM device WHERE id > ({TOP}) ORDER BY id LIMIT {ROWS_PER_WRITE}"  # noqa: S608 - as below: ours
_NOTED = f"SELECT id FROM {NOTED} ORDER BY id LIMIT {ROWS_PER_WRITE}"  # noqa: S608
_DELETE = f"DELETE FROM {INDEX} WHERE {{ids}}"  # noqa: S608
_INSERT = (
    f"INSERT INTO {INDEX} (rowid, search_text) SELECT id, search_text FROM device WHERE {{ids}} ORDER BY id"  # noqa: S608
)
_FORGET_NOTES = f"DELETE FROM {NOTED} WHERE {{ids}}"  # noqa: S608
# FTS5 forgets all at once; what is deleted from it stays in the file until it merges the part that it is in.
_EMPTY = (f"INSERT INTO {INDEX} ({INDEX}) VALUES ('delete-all')", f"DELETE FROM {INDEX}")  # noqa: S608


def catch_up(should_stop: Callable[[], bool]) -> None:
    """Index what is due, a short write after the other."""
    while not should_stop() and is_due():
        with write() as session:
            _index_some(session)
        bulk.checkpoint()


def is_due() -> bool:
    """Tell whether a device is not in the index as it is."""
    session = db.session()
    due = is_there(session.connection()) and bool(_due(session))
    release()
    return due


def empty(session: Session) -> None:
    """Leave nothing of any device in the index, inside the caller's `write()`; all are due then."""
    if is_there(session.connection()):
        bulk.execute(session, _EMPTY[0 if is_sqlite() else 1])
        bulk.execute(session, f"DELETE FROM {NOTED}")  # noqa: S608


def _due(session: Session) -> list[int]:
    """Some devices, new ones first: a noted one above the highest in the index would raise that."""
    rows = bulk.fetch_all(session, _NEW) or bulk.fetch_all(session, _NOTED)
    return [id_ for (id_,) in rows]


def _index_some(session: Session) -> None:
    ids = bulk.list_param(_due(session))
    bulk.execute(session, _DELETE.format(ids=bulk.in_list("rowid")), (ids,))
    bulk.execute(session, _INSERT.format(ids=bulk.in_list("id")), (ids,))
    bulk.execute(session, _FORGET_NOTES.format(ids=bulk.in_list("id")), (ids,))
