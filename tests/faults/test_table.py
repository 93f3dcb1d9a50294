"""The table in docs/security.md tells what the tests prove. Pure, about tests of rung S."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from tests.faults import test_answers, test_pages, test_sign_in
from tests.faults.scene import Case

HERE = Path(__file__).parent
TEXT = (HERE.parents[1] / "docs/security.md").read_text(encoding="utf-8")
NAME = re.compile(r"`((?:tests/(?:\w+/)*)?test_\w+\.py)::(test_\w+)(?:\[(.+)\])?`")
CASES = {"test_answers.py": test_answers.CASES, "test_pages.py": test_pages.CASES}
CASES["test_sign_in.py"] = test_sign_in.CASES
EVERY_CASE = [case for every in CASES.values() for case in every]
HOST = "\u2039host\u203a"


class Line(NamedTuple):
    """One line of the table."""

    row: int
    fault: str
    states: str
    says: str
    test: str


def lines() -> Iterator[Line]:
    for text in TEXT.splitlines():
        cells = [cell.strip() for cell in text.strip("|").split("|")]
        if cells[0].isdigit():
            yield Line(int(cells[0]), *cells[1:])


TABLE = list(lines())


def test_every_row_of_the_matrix_that_is_about_the_transport_is_in_the_table() -> None:
    assert {line.row for line in TABLE} == {*range(1, 36), 47, 61, 67, 68, 69}


def test_each_test_that_the_table_names_exists() -> None:
    for line in TABLE:
        named = NAME.fullmatch(line.test)
        assert named, line.test
        assert exists(*named.groups()), line.test


def exists(file: str, function: str, pattern: str | None) -> bool:
    folder = HERE.parents[1] if file.startswith("tests/") else HERE
    tree = ast.parse((folder / file).read_text(encoding="utf-8"))
    there = function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return there and (pattern is None or any(fnmatchcase(name_of(case), pattern) for case in CASES[file]))


def test_each_case_is_told_as_it_ends() -> None:
    for case in EVERY_CASE:
        told = [line for line in TABLE if line.row == case.row]
        assert any(case.state in line.states for line in told), f"{name_of(case)}: {case.state}"
        says = case.says.replace("127.0.0.1", HOST)
        assert any(says in line.says for line in told), f"{name_of(case)}: {says}"


def name_of(case: Case) -> str:
    return f"{case.row}-{case.id}"
