"""Every event that is recorded stands in the table of the audit trail (rung: pure)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from harmony.audit.catalogue import CATEGORIES, EVENTS, MODULES
from harmony.jobs.kinds import KINDS
from harmony.models.configuration import PAGES

PACKAGE = Path(__file__).resolve().parent.parent / "harmony"


def _strings(node: ast.AST) -> Iterator[str]:
    """The texts that an expression may have as its value."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*_strings(node.body), *_strings(node.orelse))
    elif isinstance(node, ast.Tuple):
        yield from (text for element in node.elts for text in _strings(element))


def _assigned(tree: ast.Module) -> dict[str, list[str]]:
    """The texts that are assigned to each name, or are its default."""
    found: dict[str, list[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            targets = [name for target in node.targets for name in ast.walk(target)]
            names = [name.id for name in targets if isinstance(name, ast.Name)]
            for name in names:
                found.setdefault(name, []).extend(_strings(node.value))
        elif isinstance(node, ast.FunctionDef):
            named = node.args.args[len(node.args.args) - len(node.args.defaults) :]
            for argument, default in zip(named, node.args.defaults, strict=True):
                found.setdefault(argument.arg, []).extend(_strings(default))
    return found


def _recorded(module: Path) -> Iterator[str]:
    """The events that a module records, as far as they stand in it as texts."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    names = _assigned(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "audit":
            what = node.args[2]
            yield from names.get(what.id, []) if isinstance(what, ast.Name) else _strings(what)


def test_every_event_that_is_recorded_has_module_category_and_severity() -> None:
    recorded = {what for module in PACKAGE.rglob("*.py") for what in _recorded(module)}
    assert {"Paused", "Signed in", "Edited notices"} <= recorded
    assert recorded - set(EVENTS) == set()


def test_jobs_and_pages_of_the_wizard_are_in_the_table() -> None:
    words = {word for kind in KINDS.values() for word in (kind.words.asked, kind.words.cancelled)}
    edited = {"Edited Server Details" if page == "server" else f"Edited {page.title()}" for page in PAGES}
    assert words | edited <= set(EVENTS)


def test_the_columns_are_wide_enough_and_no_event_stands_twice() -> None:
    assert max(map(len, (*MODULES, *CATEGORIES))) <= 32
    assert max(map(len, EVENTS)) <= 64
