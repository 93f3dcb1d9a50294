"""What a database's own names for its troubles become on the page (pure)."""

from __future__ import annotations

import pytest

from harmony.jobs.outcome import UNEXPECTED, of_database
from harmony.models.states import SyncRunState

SAID = [
    ("SQLITE_FULL", "The disk is full"),
    ("53100", "The disk is full"),
    ("SQLITE_IOERR_WRITE", "The disk failed"),
    ("SQLITE_IOERR", "The disk failed"),
    ("58030", "The disk failed"),
    ("SQLITE_BUSY", "Another program kept the database locked"),
    ("SQLITE_BUSY_SNAPSHOT", "Another program kept the database locked"),
    ("55P03", "Another program kept the database locked"),
    ("SQLITE_READONLY_DBMOVED", "The database may not be written"),
    ("25006", "The database may not be written"),
    ("SQLITE_CORRUPT_INDEX", "The database is damaged"),
    ("SQLITE_NOTADB", "The database is damaged"),
]


@pytest.mark.parametrize(("sign", "says"), SAID)
def test_a_trouble_of_the_database_is_told_with_what_was_kept_and_what_to_do(sign: str, says: str) -> None:
    outcome = of_database(sign)
    assert outcome.state == SyncRunState.FAILED
    assert outcome.reason.startswith(says)
    assert "What this sync had written before is kept" in outcome.reason
    assert outcome.advice.endswith((".", "`."))
    assert outcome.stop is None, "it goes on by itself once it can"


@pytest.mark.parametrize("sign", ["", "SQLITE_ERROR", "23505"])
def test_any_other_error_is_one_of_our_own(sign: str) -> None:
    assert of_database(sign).reason == UNEXPECTED
