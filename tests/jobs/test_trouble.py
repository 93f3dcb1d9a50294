"""What a database's error is called when a run ends by it (pure)."""

from __future__ import annotations

import psycopg
from sqlalchemy.exc import OperationalError, PendingRollbackError

from harmony.jobs.outcome import database_says
from harmony.jobs.runner import trouble

LOST = "The connection to the database was lost: it was stopped, or the network failed."


def said(error: Exception) -> str:
    found = database_says(trouble(error))
    return found[0] if found else ""


def test_a_connection_that_was_ended_is_named_also_by_what_follows_from_it() -> None:
    for cause in (psycopg.errors.AdminShutdown(), psycopg.OperationalError("server closed the connection")):
        error = OperationalError("SELECT 1", {}, cause)
        assert said(error) == LOST
        following = PendingRollbackError("Can't reconnect until invalid transaction is rolled back.")
        following.__context__ = error
        assert said(following) == LOST
    assert said(PendingRollbackError("of nothing")) == ""
    assert said(ZeroDivisionError()) == ""
