"""The house rules, read from the syntax of every module (rung: pure)."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "harmony"
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if "versions" not in p.parts)

# A room may import from itself and from the rooms named here; nothing else of harmony.
BASE = {"clock", "config"}
FLOOR = BASE | {"folding", "db", "models", "security", "uem", "history"}
ROOMS = {
    "clock": set(),
    "folding": set(),
    "config": set(),
    "turn": {"clock"},
    "db": BASE | {"turn"},
    "models": {"db"},
    "history": {"db", "models"},
    "security": BASE | {"db", "models"},
    "uem": {"clock"},
    "simulator": {"clock"},
    "migrations": {"db", "models"},
    "sync": FLOOR,
    "protect": FLOOR | {"sync"},
    "tagging": FLOOR | {"sync", "protect"},
    "setup": FLOOR | {"sync", "protect", "tagging"},
    "ops": FLOOR | {"sync", "protect", "tagging", "setup", "harmony", "simulator"},
    "jobs": FLOOR | {"sync", "protect", "tagging", "setup", "ops", "harmony"},
    "web": FLOOR | {"sync", "protect", "tagging", "setup", "ops", "jobs", "simulator"},
    "application": FLOOR | {"ops", "jobs", "web", "protect", "harmony"},
    "__init__": {"application", "config"},
}
PURE = [
    "sync/plan.py",
    "sync/accounting.py",
    "sync/crossings.py",
    "sync/matching.py",
    "sync/placement.py",
    "folding.py",
    "sync/search.py",
    "sync/scope.py",
    "sync/guard.py",
    "sync/privacy.py",
    "sync/outcome.py",
    "tagging/names.py",
    "tagging/plan.py",
    "tagging/ends.py",
    "tagging/evidence.py",
    "tagging/call_size.py",
    "models/states.py",
    "models/device_ids.py",
    "sync/timing.py",
    "setup/edits.py",
    "web/pasted.py",
    "setup/overlap.py",
    "setup/needed_tags.py",
    "protect/app_failures.py",
    "uem/device_failures.py",
    "protect/app_lists.py",
    "protect/factors.py",
    "protect/risk.py",
    "protect/admission.py",
    "protect/refusals.py",
    "protect/report.py",
    "protect/nesting.py",
    "protect/partial.py",
    "simulator/agents/script.py",
    "protect/differences.py",
    "protect/standing.py",
    "protect/app_share.py",
    "protect/app_ends.py",
    "sync/changes.py",
    "ops/findings.py",
    "security/bare_page.py",
    "security/hosts.py",
]
PURE_MAY_IMPORT = {
    "sync.accounting",
    "sync.matching",
    "folding",
    "sync.scope",
    "uem.records",
    "uem.errors",
    "uem.device_failures",
    "uem.address",
    "models.configuration",
    "models.states",
    "models.device_ids",
    "protect.report",
    "uem.text",
    "sync.privacy",
    "protect.factors",
    "tagging.names",
    "tagging.plan",
    "simulator.agents.records",
    "protect.differences",
    "protect.risk",
    "models.policy",
    "protect.app_lists",
    "protect.app_share",
    "sync.outcome",
    "protect.app_ends",
}
FORBIDDEN_NAMES = {"utils", "helpers", "managers", "services"}


def name_of(module: Path) -> str:
    return str(module.relative_to(PACKAGE))


def room_of(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def nodes(module: Path) -> tuple[ast.AST, ...]:
    """The syntax of a module, read once for all questions."""
    return tuple(ast.walk(ast.parse(module.read_text(encoding="utf-8"))))


def imports(module: Path) -> Iterator[str]:
    """Every module that is imported, dotted."""
    for node in nodes(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "harmony":
                yield from (f"harmony.{alias.name}" for alias in node.names)
            else:
                yield node.module


def room_imported(imported: str) -> str:
    other = imported.split(".")[1]
    return "harmony" if other == "create_app" else other


def functions(module: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in nodes(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement behind the docstring to the last one."""
    documented = ast.get_docstring(function) and len(function.body) > 1
    start = function.body[1].lineno if documented else function.lineno
    return (function.end_lineno or 0) - start


def test_a_room_knows_only_what_is_below_it() -> None:
    known = {room: {room, *below} for room, below in ROOMS.items()}
    assert [
        f"{name_of(module)} imports {imported}"
        for module in MODULES
        for imported in imports(module)
        if imported.startswith("harmony.") and room_imported(imported) not in known[room_of(module)]
    ] == []


def test_a_module_that_says_it_is_pure_is_held_to_it() -> None:
    said = {name_of(module) for module in MODULES if module.read_text(encoding="utf-8").startswith('"""PURE')}
    assert said == set(PURE)


def test_a_pure_module_imports_records_and_the_standard_library_only() -> None:
    # msgspec is what records are made of.
    allowed = {*sys.stdlib_module_names, "msgspec"}
    assert [
        f"{name} imports {imported}"
        for name in PURE
        for imported in imports(PACKAGE / name)
        if imported.removeprefix("harmony.") not in PURE_MAY_IMPORT and imported.split(".")[0] not in allowed
    ] == []


def test_a_module_says_what_it_is_and_stays_small() -> None:
    texts = {module: module.read_text(encoding="utf-8") for module in MODULES}
    assert [name_of(module) for module, text in texts.items() if not text.startswith('"""')] == []
    assert [name_of(module) for module, text in texts.items() if len(text.splitlines()) > 250] == []
    named = {module: set(module.relative_to(PACKAGE).with_suffix("").parts) for module in MODULES}
    assert [name_of(module) for module, parts in named.items() if FORBIDDEN_NAMES & parts] == []


def test_a_function_fits_on_a_screen() -> None:
    assert [
        f"{name_of(module)}: {function.name} has {lines_of(function)} lines"
        for module in MODULES
        for function in functions(module)
        if lines_of(function) >= 25
    ] == []


def test_only_their_own_module_imports_the_parts_that_must_stay_exchangeable() -> None:
    owners = {"htmx_flask": {"web/htmx.py"}, "huey": {"jobs/queue.py", "jobs/tasks.py"}}
    for module in MODULES:
        for imported in imports(module):
            top = imported.split(".")[0]
            assert name_of(module) in owners.get(top, {name_of(module)}), f"{name_of(module)} imports {top}"
            if top == "requests":
                assert room_of(module) == "uem", f"{name_of(module)} imports requests"
            assert top != "app", "nothing imports the composition root"


def test_only_config_reads_the_environment_and_only_clock_tells_the_time() -> None:
    for module in MODULES:
        text = module.read_text(encoding="utf-8")
        if "getenv" in text:
            pytest.fail(f"{name_of(module)} reads the environment")
        if name_of(module) != "clock.py":
            assert "datetime.now(" not in text, name_of(module)
            assert "utcnow" not in text, name_of(module)


def test_templates_carry_no_script_no_style_and_no_unescaped_text() -> None:
    for template in ROOT.joinpath("templates").rglob("*.html"):
        text = template.read_text(encoding="utf-8")
        for forbidden in ("|safe", "Markup(", "hx-on", "style=", "<style", "javascript:", "onclick", "js:"):
            assert forbidden not in text, f"{template} has {forbidden}"
        assert text.count("<script") == text.count('<script src="{{ asset('), template
