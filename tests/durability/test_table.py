"""The tables in docs/reliability.md name tests that exist, for every row of the matrix of ours (pure)."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
TEXT = (TESTS.parent / "docs/reliability.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (\d+) \|.*`([\w/]+\.py)::(test_\w+)` \|$", re.MULTILINE)
TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
OURS = {*range(36, 47), *range(48, 61), 62, 63}


def test_every_row_of_the_matrix_that_is_about_us_is_in_the_table() -> None:
    assert {int(row) for row, _file, _test in ROW.findall(TEXT)} == OURS
    assert len(ROW.findall(TEXT)) == len(re.findall(r"^\| \d+ \|", TEXT, re.MULTILINE))


def test_the_faults_of_reading_apps_have_a_table_of_their_own() -> None:
    section = TEXT.partition("\n## Reading the apps of devices\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (?!Fault|---).*$", section, re.MULTILINE)
    assert len(rows) > 10
    assert all(TEST.search(row) for row in rows)


def test_each_test_that_the_tables_name_exists() -> None:
    named = TEST.findall(TEXT)
    assert len(named) > len(OURS)
    for file, test in named:
        tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert test in names, f"{file}::{test}"
