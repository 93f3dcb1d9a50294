"""Runs the migration steps: all of them in one BEGIN IMMEDIATE, so that a killed upgrade leaves no trace."""

from __future__ import annotations

from alembic import context

from harmony import models
from harmony.db import Base, db

assert models  # imported for its tables


def run() -> None:
    """Upgrade over the application's own engine; a second process waits at the lock and finds it done."""
    with db.engine.connect().execution_options(write_intent=True) as connection:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        # Batch mode drops and recreates a table; with foreign keys on, that would empty its children.
        # The pragma does nothing inside a transaction, hence the raw connection before BEGIN.
        raw.cursor().execute("PRAGMA foreign_keys=OFF")
        try:
            context.configure(
                connection=connection,
                target_metadata=Base.metadata,
                render_as_batch=True,
                compare_type=True,
                transactional_ddl=True,
            )
            with context.begin_transaction():
                context.run_migrations()
        finally:
            connection.rollback()
            raw.cursor().execute("PRAGMA foreign_keys=ON")


run()
