"""The database: engine, pragmas, `write()`, `upsert()`, and the types every table shares."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import ModuleType
from typing import Any, cast

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import CursorResult, DateTime, Delete, Dialect, Engine, MetaData, Table, Update, event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

try:
    from pysqlite3 import dbapi2 as bundled_sqlite
except ImportError:  # not on every platform; the standard library's may be new enough
    bundled_sqlite = sqlite3

# Older SQLite can corrupt a WAL that two processes write (docs/decisions/0002-sqlite.md).
SAFE_SQLITE = (3, 51, 3)
BUSY_TIMEOUT_MS = 30_000
PAGE_CACHE_KIB = 16 * 1024

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """What every table descends from; the naming lets a later migration drop a constraint by its name."""

    metadata = MetaData(naming_convention=NAMING)


db = SQLAlchemy(model_class=Base)


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware UTC in Python, naive UTC in the file. Refuses a naive value."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without its zone cannot be stored")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


def sqlite_module() -> ModuleType:
    """The newest SQLite at hand, as a DB-API module."""
    newest: ModuleType = max(bundled_sqlite, sqlite3, key=lambda module: module.sqlite_version_info)
    return newest


def sqlite_is_safe() -> bool:
    """Whether web and worker may share a WAL file."""
    return bool(sqlite_module().sqlite_version_info >= SAFE_SQLITE)


def init_app(app: Flask, url: str) -> None:
    """Bind the database to the application; every connection gets our pragmas and transactions."""
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"module": sqlite_module(), "pool_size": 20}
    db.init_app(app)
    with app.app_context():
        _prepare(db.engine)


def _prepare(engine: Engine) -> None:
    journal = "WAL" if sqlite_is_safe() else "DELETE"

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, see _on_begin
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            f"journal_mode={journal}",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            f"cache_size=-{PAGE_CACHE_KIB}",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Any) -> None:
        # A deferred BEGIN that turns into a write fails at once with SQLITE_BUSY_SNAPSHOT,
        # whatever the timeout; BEGIN IMMEDIATE waits its turn.
        intent = connection.get_execution_options().get("write_intent")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if intent else "BEGIN")


@contextmanager
def write() -> Iterator[Session]:
    """One short writing transaction: commits at the end, rolls back on any exception.

    Rows read before are read again under the lock. Never hold it across a network call.
    Raises RuntimeError when nested or when changes were made outside.
    """
    session = db.session()
    if session.info.get("writing") or session.new or session.dirty or session.deleted:
        raise RuntimeError("write() inside write(), or changes made outside of it")
    session.rollback()
    session.info["writing"] = True
    try:
        session.connection(execution_options={"write_intent": True})
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        raise
    finally:
        session.info["writing"] = False


def changed(session: Session, statement: Update | Delete) -> int:
    """Execute an UPDATE or DELETE and say how many rows it changed; a claim asks for exactly one."""
    return cast("CursorResult[Any]", session.execute(statement)).rowcount


def table_of(model: type[Base]) -> Table:
    """The table of a model, for statements that go around the ORM."""
    return cast(Table, model.__table__)


def release() -> None:
    """End the current read, so that nothing is held open while we talk to the network."""
    db.session.rollback()


def upsert(
    table: Table, rows: Sequence[Mapping[str, Any]], key: Sequence[str], columns: Sequence[str]
) -> None:
    """Insert `rows`, or update `columns` where `key` is already there. Inside `write()` only.

    One executemany: multi-row VALUES is eleven times slower at 100,000 rows.
    """
    if not rows:
        return
    statement = insert(table)
    changes = {name: statement.excluded[name] for name in columns}
    db.session.execute(statement.on_conflict_do_update(index_elements=key, set_=changes), rows)
