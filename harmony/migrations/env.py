"""Runs the migration steps: all in one writing transaction, so that a killed upgrade leaves no trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from flask import current_app
from sqlalchemy import Connection

from harmony import models
from harmony.db import Base, db, is_sqlite
from harmony.models.event_partitions import is_partition
from harmony.models.queue_tables import is_of_queue
from harmony.models.search_index import is_made_here

assert models  # imported for its tables


def run() -> None:
    """Upgrade over the application's own engine; a second process waits at the lock and finds it done."""
    with db.engine.connect().execution_options(write_intent=True) as connection, _tables_free(connection):
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=True,
            compare_type=True,
            include_name=lambda name, _kind, _parents: (
                not (is_made_here(name) or is_of_queue(name) or is_partition(name))
            ),
            transactional_ddl=True,
            on_version_apply=current_app.extensions["migrate"].configure_args["on_version_apply"],
        )
        with context.begin_transaction():
            context.run_migrations()


@contextmanager
def _tables_free(connection: Connection) -> Iterator[None]:
    """On SQLite batch mode drops and recreates a table; with foreign keys on, that would empty its children.

    The pragma does nothing inside a transaction, hence the raw connection before BEGIN.
    """
    raw = connection.connection.dbapi_connection
    assert raw is not None
    if is_sqlite():
        raw.cursor().execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        connection.rollback()
        if is_sqlite():
            raw.cursor().execute("PRAGMA foreign_keys=ON")


run()
