"""The trigram index of the devices' search texts: what it is made of (docs/decisions/0030-trigram-index.md).

FTS5 on SQLite, a table with an index of pg_trgm on PostgreSQL. Due to be indexed is every device with an id
above the highest one in the index, and those that triggers note, in the transaction that renames or deletes
them; `sync.indexing` keeps up with both. No model has any of it.
"""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from harmony.db import sqlite_module

INDEX, NOTED = "device_search", "unindexed_device"
# The first that deletes a row of such an index without being told its text.
_SQLITE_FROM = (3, 43)
# The highest id in the index.
TOP = f"SELECT coalesce((SELECT rowid FROM {INDEX} ORDER BY rowid DESC LIMIT 1), 0)"  # noqa: S608 - as below: ours

_RENAMED = "AFTER UPDATE OF search_text ON device"
_IS_RENAMED = "NEW.search_text <> OLD.search_text"
_BODY = f"BEGIN INSERT INTO {NOTED} (id) VALUES (OLD.id) ON CONFLICT DO NOTHING;"  # noqa: S608
# None for new devices: it would give each of their inserts a journal of its own, a tenth of a first sync.
TRIGGERS = ("device_searched", "device_removed")
_SQLITE = (
    f"CREATE VIRTUAL TABLE {INDEX} USING fts5(search_text, content='', contentless_delete=1, detail=none, "
    "tokenize='trigram case_sensitive 1')",
    f"CREATE TABLE {NOTED} (id INTEGER NOT NULL PRIMARY KEY)",
    f"CREATE TRIGGER device_searched {_RENAMED} WHEN {_IS_RENAMED} {_BODY} END",
    f"CREATE TRIGGER device_removed AFTER DELETE ON device {_BODY} END",
)
_CALL = "FOR EACH ROW {} EXECUTE FUNCTION note_device()"
_POSTGRESQL = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    f"CREATE TABLE {INDEX} (rowid bigint PRIMARY KEY, search_text text NOT NULL)",
    f"CREATE INDEX {INDEX}_trigrams ON {INDEX} USING gin (search_text gin_trgm_ops)",
    f"CREATE TABLE {NOTED} (id bigint PRIMARY KEY)",
    f"CREATE FUNCTION note_device() RETURNS trigger LANGUAGE plpgsql AS $${_BODY} RETURN NULL; END$$",
    f"CREATE TRIGGER device_searched {_RENAMED} {_CALL.format(f'WHEN ({_IS_RENAMED})')}",
    f"CREATE TRIGGER device_removed AFTER DELETE ON device {_CALL.format('')}",
)
_IS_THERE = {
    "sqlite": f"SELECT 1 FROM sqlite_master WHERE name = '{INDEX}'",  # noqa: S608
    "postgresql": f"SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = '{INDEX}'",  # noqa: S608
}


def create(connection: Connection) -> None:
    """Make the index, still empty, if it is missing and this database can have one.

    Otherwise `flask doctor` says so: SQLite may be too old; on PostgreSQL the role may lack the right to add
    the extension, or the server the extension.
    """
    if is_there(connection) or (is_sqlite(connection) and not _is_able()):
        return
    with suppress(DBAPIError), connection.begin_nested():
        for statement in _SQLITE if is_sqlite(connection) else _POSTGRESQL:
            connection.exec_driver_sql(statement)


def is_there(connection: Connection) -> bool:
    """Tell whether the database has the index, and this SQLite can read it."""
    if is_sqlite(connection) and not _is_able():
        return False
    return connection.exec_driver_sql(_IS_THERE[connection.dialect.name]).first() is not None


def is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


def _is_able() -> bool:
    """Tell whether this SQLite can have such an index."""
    return bool(sqlite_module().sqlite_version_info >= _SQLITE_FROM)


def is_made_here(name: str | None) -> bool:
    """Tell whether a table or an index that no model has is one of this module."""
    return name is not None and (name == NOTED or name.startswith(INDEX))
