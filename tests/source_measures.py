"""Measures of the source, as a table: how many names, doors and dense lines a reader meets.

`python tests/source_measures.py` measures this checkout, `python tests/source_measures.py DIRECTORY` another
one. Simulator and migrations are left out: one stands for the vendor's product, the others are history.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

PACKAGE = "harmony"
LEFT_OUT = frozenset({"simulator", "migrations"})
PRONOUNS = frozenset({"one", "of", "them", "mine", "made", "moment", "told", "held"})
QUESTIONS = ("What", "Whether", "Who", "How", "Where", "When")
DEVICE_SYNC, DEVICE_SYNC_ROOMS = f"{PACKAGE}.sync.job", ("sync", "jobs")

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


@dataclass(frozen=True)
class Source:
    """A module: its dotted name, its text and every node of its syntax."""

    name: str
    text: str
    tree: ast.Module
    nodes: tuple[ast.AST, ...]

    @property
    def room(self) -> str:
        """The part below the package that it belongs to."""
        return self.name.split(".")[1]


def read_sources(root: Path) -> list[Source]:
    """Parse every module of the package in the checkout `root`."""
    return [
        _parse(path, root)
        for path in sorted((root / PACKAGE).rglob("*.py"))
        if not LEFT_OUT & set(path.relative_to(root).parts)
    ]


def _parse(path: Path, root: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    parts = path.relative_to(root).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)
    return Source(name, text, tree, tuple(ast.walk(tree)))


def classes_defined_twice(sources: Iterable[Source]) -> list[str]:
    """Name the classes that more than one definition has, without those private to their module."""
    names = Counter(
        node.name
        for source in sources
        for node in source.nodes
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    return sorted(name for name, count in names.items() if count > 1)


def questions_as_docstrings(sources: Iterable[Source]) -> Iterator[tuple[str, str]]:
    """Find (module, name) of public definitions that are described by a question instead of a verb."""
    for source in sources:
        for node in source.nodes:
            if not isinstance(node, Definition) or node.name.startswith("_"):
                continue
            described = (ast.get_docstring(node) or "").split(maxsplit=1)
            if described and described[0] in QUESTIONS:
                yield source.name, node.name


def public_names(source: Source) -> Iterator[str]:
    """List the names that a module defines for others."""
    for node in source.tree.body:
        names: Sequence[str] = ()
        if isinstance(node, Definition):
            names = (node.name,)
        elif isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = (node.target.id,)
        yield from (name for name in names if not name.startswith("_"))


def imported_modules(source: Source) -> set[str]:
    """Name the modules of the package that a module imports from."""
    return {
        node.module
        for node in source.nodes
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE
    }


def modules_of_a_device_sync(sources: Iterable[Source]) -> set[str]:
    """Follow the imports of the device sync's job as far as they stay in its own rooms."""
    known = {source.name: source for source in sources if source.room in DEVICE_SYNC_ROOMS}
    opened: set[str] = set()
    waiting = [DEVICE_SYNC]
    while waiting:
        name = waiting.pop()
        if name in opened or name not in known:
            continue
        opened.add(name)
        waiting += _imports_of(known[name], known)
    return opened


def _imports_of(source: Source, known: dict[str, Source]) -> Iterator[str]:
    """Name the imported modules, with `from package import module` as the module."""
    for node in source.nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [name for name in submodules if name in known]
            yield from found
            if len(found) < len(submodules):
                yield node.module


def _length(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _count(sources: Iterable[Source], *kinds: type[ast.AST]) -> int:
    return sum(isinstance(node, kinds) for source in sources for node in source.nodes)


def _spread(values: Sequence[int]) -> str:
    ordered = sorted(values)
    return f"{median(ordered):g} / {ordered[int(0.9 * len(ordered))]} / {ordered[-1]}"


def measures(sources: Sequence[Source]) -> list[tuple[str, str]]:
    """Return the rows of the table: a measure and its value."""
    lines = [source.text.count("\n") for source in sources]
    thousands = sum(lines) / 1000
    functions = [_length(node) for source in sources for node in source.nodes if isinstance(node, Function)]
    names = [node.id for source in sources for node in source.nodes if isinstance(node, ast.Name)]
    comprehensions = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    public = sum(len(list(public_names(source))) for source in sources)
    return [
        ("files", f"{len(sources):,}"),
        ("lines", f"{sum(lines):,}"),
        ("lines of a file: median / 90 % / most", _spread(lines)),
        ("lines of a function: median / 90 % / most", _spread(functions)),
        ("public names per 1,000 lines", f"{public / thousands:.1f}"),
        ("class names defined twice", f"{len(classes_defined_twice(sources))}"),
        ("own modules imported by a module", f"{mean(len(imported_modules(s)) for s in sources):.2f}"),
        ("pronouns as names", f"{sum(name in PRONOUNS for name in names)}"),
        ("ternaries per 1,000 lines", f"{_count(sources, ast.IfExp) / thousands:.1f}"),
        ("comprehensions per 1,000 lines", f"{_count(sources, *comprehensions) / thousands:.1f}"),
        ("docstrings that begin with a question", f"{len(list(questions_as_docstrings(sources)))}"),
        ("modules opened to follow a device sync", f"{len(modules_of_a_device_sync(sources))}"),
    ]


def main(arguments: Sequence[str]) -> None:
    """Print the table for a checkout."""
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    rows = measures(read_sources(root))
    width = max(len(name) for name, _ in rows)
    sys.stdout.writelines(f"{name:<{width}}  {value}\n" for name, value in rows)


if __name__ == "__main__":
    main(sys.argv[1:])
