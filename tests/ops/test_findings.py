"""What the doctor says of what it saw (rung: pure)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from harmony.ops import findings
from harmony.ops.findings import MIB, Finding, Level, SqliteInUse
from tests.builders import NOON

SAFE = (3, 51, 3)
MINUTE = timedelta(minutes=1)
LATER = timedelta(minutes=10)
OK, WARNING, PROBLEM = Level.OK, Level.WARNING, Level.PROBLEM


@pytest.mark.parametrize(
    ("found", "level"),
    [
        (findings.sqlite(SqliteInUse("The queue", "pysqlite3", (3, 51, 3), "wal"), SAFE), OK),
        (findings.sqlite(SqliteInUse("The queue", "sqlite3", (3, 40, 1), "wal"), SAFE), PROBLEM),
        (findings.sqlite(SqliteInUse("The queue", "sqlite3", (3, 40, 1), "delete"), SAFE), WARNING),
        (findings.postgresql("15.9", "UTF8"), OK),
        (findings.postgresql("15.9", "SQL_ASCII"), PROBLEM),
        (findings.step("0003", "0003", {"0003"}), OK),
        (findings.step("0002", "0003", {"0002", "0003"}), PROBLEM),
        (findings.step(None, "0003", {"0003"}), PROBLEM),
        (findings.step("9999", "0003", {"0003"}), PROBLEM),
        (findings.modes([], writable=True), OK),
        (findings.modes(["chmod 600 a"], writable=True), PROBLEM),
        (findings.modes([], writable=False), PROBLEM),
        (findings.space(2048 * MIB, 10 * MIB), OK),
        (findings.space(2048 * MIB, 1025 * MIB), WARNING),
        (findings.space(1023 * MIB, 0), WARNING),
        (findings.space(99 * MIB, 0), PROBLEM),
        (findings.keys(None), OK),
        (findings.keys(True), OK),
        (findings.keys(False), PROBLEM),
        (findings.worker(None, NOON, MINUTE), PROBLEM),
        (findings.worker(NOON - MINUTE, NOON, MINUTE), OK),
        (findings.worker(NOON - 2 * MINUTE, NOON, MINUTE), PROBLEM),
        (findings.clock(NOON, None), OK),
        (findings.clock(NOON, NOON + 5 * MINUTE), OK),
        (findings.clock(NOON, NOON + 6 * MINUTE), PROBLEM),
        (findings.clock(datetime(1970, 1, 1, tzinfo=NOON.tzinfo), None), PROBLEM),
        (findings.overdue([], LATER), OK),
        (findings.overdue(["Head office"], LATER), WARNING),
    ],
)
def test_each_finding_has_its_level_and_says_what_to_do_unless_all_is_well(
    found: Finding, level: Level
) -> None:
    assert found.level is level
    assert bool(found.do) is (level is not OK)
    assert str(found).startswith(level.value)
    assert str(found).endswith(".")


def test_a_newer_database_is_told_from_an_older_one() -> None:
    assert "newer version" in findings.step("9999", "0003", {"0003"}).says
    assert "upgrades" in findings.step("0002", "0003", {"0002", "0003"}).do
