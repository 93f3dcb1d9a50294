"""What the doctor says of what it saw (rung: pure)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from harmony.ops import doctor_checks
from harmony.ops.doctor_checks import MIB, Diagnosis, Level, SqliteInUse
from tests.builders import NOON

SAFE = (3, 51, 3)
MINUTE = timedelta(minutes=1)
LATER = timedelta(minutes=10)
OK, WARNING, PROBLEM = Level.OK, Level.WARNING, Level.PROBLEM


@pytest.mark.parametrize(
    ("found", "level"),
    [
        (doctor_checks.sqlite(SqliteInUse("The queue", "pysqlite3", (3, 51, 3), "wal"), SAFE), OK),
        (doctor_checks.sqlite(SqliteInUse("The queue", "sqlite3", (3, 40, 1), "wal"), SAFE), PROBLEM),
        (doctor_checks.sqlite(SqliteInUse("The queue", "sqlite3", (3, 40, 1), "delete"), SAFE), WARNING),
        (doctor_checks.postgresql("15.9", "UTF8"), OK),
        (doctor_checks.postgresql("15.9", "SQL_ASCII"), PROBLEM),
        (doctor_checks.step("0003", "0003", {"0003"}), OK),
        (doctor_checks.step("0002", "0003", {"0002", "0003"}), PROBLEM),
        (doctor_checks.step(None, "0003", {"0003"}), PROBLEM),
        (doctor_checks.step("9999", "0003", {"0003"}), PROBLEM),
        (doctor_checks.modes([], writable=True), OK),
        (doctor_checks.modes(["chmod 600 a"], writable=True), PROBLEM),
        (doctor_checks.modes([], writable=False), PROBLEM),
        (doctor_checks.space(2048 * MIB, 10 * MIB), OK),
        (doctor_checks.space(2048 * MIB, 1025 * MIB), WARNING),
        (doctor_checks.space(1023 * MIB, 0), WARNING),
        (doctor_checks.space(99 * MIB, 0), PROBLEM),
        (doctor_checks.keys(None), OK),
        (doctor_checks.keys(True), OK),
        (doctor_checks.keys(False), PROBLEM),
        (doctor_checks.worker(None, NOON, MINUTE), PROBLEM),
        (doctor_checks.worker(NOON - MINUTE, NOON, MINUTE), OK),
        (doctor_checks.worker(NOON - 2 * MINUTE, NOON, MINUTE), PROBLEM),
        (doctor_checks.clock(NOON, None), OK),
        (doctor_checks.clock(NOON, NOON + 5 * MINUTE), OK),
        (doctor_checks.clock(NOON, NOON + 6 * MINUTE), PROBLEM),
        (doctor_checks.clock(datetime(1970, 1, 1, tzinfo=NOON.tzinfo), None), PROBLEM),
        (doctor_checks.overdue([], LATER), OK),
        (doctor_checks.overdue(["Head office"], LATER), WARNING),
    ],
)
def test_each_finding_has_its_level_and_says_what_to_do_unless_all_is_well(
    found: Diagnosis, level: Level
) -> None:
    assert found.level is level
    assert bool(found.advice) is (level is not OK)
    assert str(found).startswith(level.value)
    assert str(found).endswith(".")


def test_a_newer_database_is_told_from_an_older_one() -> None:
    assert "newer version" in doctor_checks.step("9999", "0003", {"0003"}).sentence
    assert "upgrades" in doctor_checks.step("0002", "0003", {"0002", "0003"}).advice
