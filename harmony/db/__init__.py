"""The database: the engine, `write()`, `upsert()`, the types every table shares; SQLite or PostgreSQL."""

from __future__ import annotations

from harmony.db.engine import (
    LARGEST_WAL_BYTES,
    PAGE_CACHE_KIB,
    SAFE_SQLITE,
    Base,
    UtcDateTime,
    changed,
    db,
    init_app,
    is_sqlite,
    journal_mode,
    release,
    sqlite_module,
    table_of,
    upsert,
    write,
)
from harmony.db.postgresql import BUSY_TIMEOUT_MS

__all__ = [
    "BUSY_TIMEOUT_MS",
    "LARGEST_WAL_BYTES",
    "PAGE_CACHE_KIB",
    "SAFE_SQLITE",
    "Base",
    "UtcDateTime",
    "changed",
    "db",
    "init_app",
    "is_sqlite",
    "journal_mode",
    "release",
    "sqlite_module",
    "table_of",
    "upsert",
    "write",
]
