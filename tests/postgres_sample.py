"""Which cases `make test` runs on PostgreSQL too: as few as run every statement that all of them run there.

`python -m tests.postgres_sample` runs all of them, notes their statements and writes the list anew.
What is not in the list, as a new test, runs on both databases; `make soak` runs all of them.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections import defaultdict
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.sampling import soaking

ALL = "ALL_ON_POSTGRESQL"
LIST = Path(__file__).with_name("postgres_left_out.txt")
PARAMETER = re.compile(r"%\(\w+\)s(::[A-Z ]+)?|%s")
LIST_OF_VALUES, ROWS_OF_VALUES = re.compile(r"P(, P)+"), re.compile(r"\(P\)(, \(P\))+")


def on_postgresql(item: pytest.Item) -> bool:
    """Return whether the test runs on PostgreSQL because its file runs on both databases."""
    callspec = getattr(item, "callspec", None)
    return callspec is not None and callspec.params.get("database") == "postgresql"


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> bool:
    """Deselect the cases of the list; in `make soak` mark them instead, so that they are found."""
    listed = set(LIST.read_text(encoding="utf-8").splitlines())
    left = [item for item in items if on_postgresql(item) and is_listed(item.nodeid, listed)]
    if soaking():
        for item in left:
            item.add_marker(pytest.mark.soak)
    if soaking() or ALL in os.environ or not left:
        return False
    items[:] = [item for item in items if item not in set(left)]
    config.hook.pytest_deselected(items=left)
    return True


def is_listed(case: str, listed: set[str]) -> bool:
    """Return whether the case or its whole test is in the list."""
    return case in listed or case.partition("[")[0] in listed


@dataclass
class Statements:
    """What one case runs on PostgreSQL; in several threads at once its interleaving counts as well."""

    shapes: set[str] = field(default_factory=set)
    threads: set[int] = field(default_factory=set)


class Recorder:
    """A plugin of pytest that notes the statements of every case."""

    def __init__(self) -> None:
        self.cases: dict[str, Statements] = {}
        self._current = Statements()
        event.listen(Engine, "before_cursor_execute", self._note)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Begin anew for each case."""
        self._current = Statements()
        if on_postgresql(item):
            self.cases[item.nodeid] = self._current
        return (yield)

    def _note(self, connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if connection.dialect.name == "postgresql":
            self._current.shapes.add(shape(statement))
            self._current.threads.add(threading.get_ident())


def shape(statement: str) -> str:
    """Return the statement without its values, and without how many there are.

    >>> shape("SELECT a FROM b WHERE c IN (%(c_1)s::INTEGER, %(c_2)s::INTEGER)")
    'SELECT a FROM b WHERE c IN (P)'
    """
    values = LIST_OF_VALUES.sub("P", PARAMETER.sub("P", statement))
    return " ".join(ROWS_OF_VALUES.sub("(P)", values).split())


def chosen(cases: dict[str, Statements]) -> set[str]:
    """Return the cases that are kept: they run every statement that their directory runs on PostgreSQL.

    Kept besides: what runs in several threads, and a case of each file.
    """
    kept = {case for case, found in cases.items() if len(found.threads) > 1}
    covered: defaultdict[str, set[str]] = defaultdict(set)
    for case in kept:
        covered[room(case)] |= cases[case].shapes
    for case in sorted(cases, key=lambda case: (-len(cases[case].shapes), case)):
        if cases[case].shapes - covered[room(case)]:
            kept.add(case)
            covered[room(case)] |= cases[case].shapes
    files = {case.partition("::")[0] for case in kept}
    for case in sorted(cases):
        if case.partition("::")[0] not in files:
            kept.add(case)
            files.add(case.partition("::")[0])
    return kept


def room(case: str) -> str:
    """Return the directory of a case."""
    return case.partition("::")[0].rpartition("/")[0]


def lines(cases: Iterable[str], kept: set[str]) -> list[str]:
    """Return what is left out: a whole test by its name, else each of its cases."""
    tests: defaultdict[str, set[str]] = defaultdict(set)
    for case in cases:
        tests[case.partition("[")[0]].add(case)
    return sorted(
        line
        for test, all_cases in tests.items()
        for line in ([test] if not all_cases & kept else all_cases - kept)
    )


def main() -> int:
    """Run every case on PostgreSQL, and write the list unless one of them failed."""
    os.environ[ALL] = "1"
    recorder = Recorder()
    code = pytest.main(
        ["-q", "-p", "no:cacheprovider", "-k", "postgresql", *sys.argv[1:]], plugins=[recorder]
    )
    if code:
        return int(code)
    kept = chosen(recorder.cases)
    LIST.write_text("\n".join(lines(recorder.cases, kept)) + "\n", encoding="utf-8")
    sys.stdout.write(f"Of {len(recorder.cases)} cases {len(kept)} stay in `make test`.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
