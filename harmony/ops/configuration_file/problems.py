"""Problems of a configuration file, by the path of the value and its line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

Lines = Mapping[str, int]


class FileProblem(NamedTuple):
    """One thing that is wrong: the path of the value, "" for the whole file, and a sentence."""

    path: str
    sentence: str


class FileRefused(Exception):
    """The file cannot be put in force; each line says where something is wrong, and what."""

    def __init__(self, problems: Iterable[FileProblem], lines: Lines | None = None) -> None:
        self.lines = [_located(problem, lines or {}) for problem in problems]
        super().__init__(len(self.lines))

    def __str__(self) -> str:
        return "\n".join(self.lines)


def _located(problem: FileProblem, lines: Lines) -> str:
    """Return the sentence behind its path and the line of the nearest value that stands in the file."""
    if not problem.path:
        return problem.sentence
    path = problem.path
    while path and path not in lines:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    where = f"{problem.path} (line {lines[path]})" if path else problem.path
    return f"{where}: {problem.sentence}"
