"""The table of the verification standard in docs/security.md names tests that are there (rung: pure)."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def rows() -> list[str]:
    text = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    section = text.partition("\n## ASVS")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if re.match(r"\| \d", line)]


@cache
def names_in(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_row_of_the_verification_standard_names_tests_that_are_there() -> None:
    found = {row: TEST.findall(row) for row in rows()}
    assert len(found) > 50
    assert [row for row, named in found.items() if not named] == []
    missing = [
        f"{path}::{name}"
        for named in found.values()
        for path, name in named
        if name not in names_in(ROOT / "tests" / path)
    ]
    assert missing == []
