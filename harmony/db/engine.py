"""The database: engine, `write()`, `upsert()`, and the types every table shares; SQLite or PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    URL,
    BigInteger,
    CursorResult,
    DateTime,
    Delete,
    Dialect,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Update,
    event,
    make_url,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Session, registry
from sqlalchemy.types import TypeDecorator

from harmony.clock import follow_machine
from harmony.db import postgresql as postgres
from harmony.db import write_lock
from harmony.db.pool import KeepingPool
from harmony.db.postgresql import BUSY_TIMEOUT_MS

try:
    from pysqlite3 import dbapi2 as _bundled_sqlite
except ImportError:  # not on every platform; the standard library's may be new enough
    _bundled_sqlite = sqlite3

# Older SQLite can corrupt a WAL that two processes write (docs/decisions/0002-sqlite.md).
SAFE_SQLITE = (3, 51, 3)
PAGE_CACHE_KIB = 16 * 1024
# A safety net of 64 MiB, because no commit should have to move so much: whatever writes a lot moves its pages
# from the WAL to the file between two writes (`bulk.checkpoint`), the worker with every heartbeat.
_AUTOMATIC_CHECKPOINT_PAGES = 16_000
LARGEST_WAL_BYTES = 64 * 1024 * 1024
_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The base of every table; the naming lets a later migration drop a constraint by its name."""

    # SQLite's integers have 64 bits; PostgreSQL's would have 32, less than a UEM may announce.
    registry = registry(
        metadata=MetaData(naming_convention=_NAMING),
        type_annotation_map={int: BigInteger().with_variant(Integer, "sqlite")},
    )


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
    """Return the newest SQLite at hand, as a DB-API module."""
    newest: ModuleType = max(_bundled_sqlite, sqlite3, key=lambda module: module.sqlite_version_info)
    return newest


def _sqlite_is_safe() -> bool:
    """Tell whether web and worker may share a WAL file."""
    return bool(sqlite_module().sqlite_version_info >= SAFE_SQLITE)


def journal_mode() -> str:
    """Return `wal`, or `delete` where a WAL would not be safe: slower, but sound."""
    return "wal" if _sqlite_is_safe() else "delete"


@compiles(String, "postgresql")
def _without_limit(_type: String, _compiler: object, **_options: object) -> str:
    """PostgreSQL alone would enforce the lengths, and refuse a page for one long name."""
    return "TEXT"


def init_app(app: Flask, place: Path | str) -> None:
    """Bind the database, a SQLite file or the URL of a PostgreSQL database, to the application.

    Every connection gets our settings and transactions.
    """
    # The name of a file is never read as a URL: a `?` in it would end the name.
    address = URL.create("sqlite", database=str(place)) if isinstance(place, Path) else make_url(place)
    # The text of an error would carry the row that could not be written, personal data and all.
    # The connection that was used last has the most in its page cache, and its statements ready.
    options: dict[str, object] = {
        "poolclass": KeepingPool, "pool_size": 20, "pool_use_lifo": True, "hide_parameters": True,
    }  # fmt: skip
    if address.get_backend_name() == "sqlite":
        options["module"] = sqlite_module()
    else:
        address = address.set(drivername="postgresql+psycopg")
        options["pool_pre_ping"] = True  # the server may have been started again
        options["connect_args"] = postgres.network(address)
    # The object, not the text: its repr hides the password.
    app.config["SQLALCHEMY_DATABASE_URI"] = address
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
    db.init_app(app)
    with app.app_context():
        (_prepare_sqlite if is_sqlite() else postgres.prepare)(db.engine)


def is_sqlite() -> bool:
    """Tell whether the database is a SQLite file; otherwise it is PostgreSQL."""
    return db.engine.dialect.name == "sqlite"


def _pragmas() -> tuple[str, ...]:
    """Return the settings of every connection to a SQLite file."""
    return (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        f"journal_mode={journal_mode()}",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        f"cache_size=-{PAGE_CACHE_KIB}",
        "temp_store=MEMORY",
        f"wal_autocheckpoint={_AUTOMATIC_CHECKPOINT_PAGES}",
        f"journal_size_limit={LARGEST_WAL_BYTES}",
    )


def _prepare_sqlite(engine: Engine) -> None:
    follow_machine()

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, see _on_begin
        for pragma in _pragmas():
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Any) -> None:
        # A deferred BEGIN that turns into a write fails at once with SQLITE_BUSY_SNAPSHOT,
        # whatever the timeout; BEGIN IMMEDIATE waits its turn.
        options = connection.get_execution_options()
        if options.get("write_intent"):
            write_lock.begin_immediate(connection, options.get("write_within"))
        else:
            connection.exec_driver_sql("BEGIN")


@contextmanager
def write(of: int | None = None, within_seconds: float | None = None) -> Iterator[Session]:
    """Open one short writing transaction: commit at the end, roll back on any exception.

    Rows read before are read again under the lock. Never hold it across a network call. `of`: the id of the
    one integration whose rows are read and written; on PostgreSQL other integrations are written meanwhile.
    What everybody reads in the order of its ids (feed, audit trail) is never written so.
    `within_seconds`: how long to wait for other writers, instead of half a minute.
    Raises OperationalError when they take longer, RuntimeError when nested or when changes were made outside.
    """
    session = db.session()
    if session.info.get("writing") or session.new or session.dirty or session.deleted:
        raise RuntimeError("write() inside write(), or changes made outside of it")
    session.rollback()
    session.info["writing"] = True
    try:
        options = {"write_intent": True, "write_of": of, "write_within": within_seconds}
        session.connection(execution_options=options)
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        raise
    finally:
        session.info["writing"] = False


def changed(session: Session, statement: Update | Delete) -> int:
    """Execute an UPDATE or DELETE and return how many rows it changed; a claim expects exactly one."""
    return cast("CursorResult[Any]", session.execute(statement)).rowcount


def table_of(model: type[Base]) -> Table:
    """Return the table of a model, for statements that go around the ORM."""
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
    statement = (sqlite if is_sqlite() else postgresql).insert(table)
    changes = {name: statement.excluded[name] for name in columns}
    db.session.execute(statement.on_conflict_do_update(index_elements=key, set_=changes), rows)
