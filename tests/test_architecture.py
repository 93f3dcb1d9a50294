"""The house rules, read from the syntax of every module (rung: pure)."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.source_measures import classes_defined_twice, questions_as_docstrings, read_sources

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "harmony"
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if "versions" not in p.parts)

# What each room imports, from the lowest to the highest: exactly this, so that no door stands open unused.
ROOMS = {
    "atomic_file": "",
    "clock": "",
    "device_ids": "",
    "folding": "",
    "logs": "",
    "config": "",
    "db": "clock",
    "models": "db",
    "migrations": "db models",
    "feed": "db models",
    "audit": "folding db models feed",
    "uem": "clock device_ids folding",
    "security": "atomic_file clock config db models audit uem",
    "backup": "atomic_file config db models security",
    "simulator": "clock",
    "mail": "clock uem",
    "connector": "clock logs uem mail",
    "relay": "clock db models audit uem security mail connector",
    "jobs": "clock device_ids logs config db models feed audit uem security relay",
    "oidc": "clock db models audit uem security",
    "sync": "atomic_file clock device_ids config db models audit uem jobs",
    "event_notifications": "clock db models audit uem security jobs sync",
    "protection": "clock db models feed audit jobs",
    "apps": "clock folding config db models audit uem jobs sync protection",
    "device_api": "clock device_ids db models audit uem security jobs protection apps",
    "tagging": "clock db models audit uem jobs sync protection apps",
    "messages": "clock config db models audit uem security backup mail relay jobs protection device_api",
    "outbound": "atomic_file clock config db models audit uem security mail connector relay jobs protection",
    "setup": "clock config db models audit uem security oidc relay jobs sync tagging messages outbound",
    "worker": "clock logs config db models audit security oidc backup relay jobs sync protection apps tagging"
    " messages outbound create_app",
    "web": "clock folding config db models audit uem security backup oidc simulator relay jobs sync"
    " protection apps event_notifications device_api tagging mail messages outbound setup",
    "api": "clock device_ids db models security jobs sync protection device_api web",
    "ops": "atomic_file clock logs config db models audit uem security backup simulator jobs sync"
    " protection device_api tagging messages outbound setup worker web create_app",
    "application": "config db security relay event_notifications device_api worker web api ops",
    "__init__": "config application",
}
# Besides one another, pure modules import these records.
RECORDS = {
    "models.configuration",
    "models.policy",
    "simulator.agents.records",
    "uem.errors",
    "uem.records",
    "uem.text",
    "uem.trust.address",
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


def functions(module: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in nodes(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imported_rooms(module: Path) -> set[str]:
    """The other rooms that a module imports; `create_app` is the whole application."""
    own = {name.split(".")[1] for name in imports(module) if name.startswith("harmony.")}
    return own - {room_of(module)}


def is_pure(module: Path) -> bool:
    return module.read_text(encoding="utf-8").startswith('"""PURE')


def test_rooms_import_exactly_what_the_graph_says() -> None:
    found: dict[str, set[str]] = {room: set() for room in ROOMS}
    for module in MODULES:
        found.setdefault(room_of(module), set()).update(imported_rooms(module))
    assert found == {room: set(below.split()) for room, below in ROOMS.items()}


def test_a_room_imports_only_lower_rooms() -> None:
    order = list(ROOMS)
    upwards = [
        (room, other)
        for room, below in ROOMS.items()
        for other in below.split()
        if other != "create_app" and order.index(other) > order.index(room)
    ]
    assert upwards == []


def _dotted(module: Path) -> str:
    return ".".join(module.relative_to(ROOT).with_suffix("").parts)


def test_pure_modules_import_records_and_the_standard_library_only() -> None:
    pure = {_dotted(module): module for module in MODULES if is_pure(module)}
    # msgspec is what records are made of.
    allowed = {*pure, *(f"harmony.{name}" for name in RECORDS), *sys.stdlib_module_names, "msgspec"}
    wrong = [
        (importer, name)
        for importer, module in pure.items()
        for name in imports(module)
        if name not in allowed and name.split(".")[0] not in allowed
    ]
    assert wrong == []


def test_modules_say_what_they_are_and_stay_small() -> None:
    for module in MODULES:
        text = module.read_text(encoding="utf-8")
        assert text.startswith('"""'), f"{name_of(module)}: the first line says what the module is"
        assert len(text.splitlines()) <= 250, f"{name_of(module)} is longer than 250 lines"
        assert not FORBIDDEN_NAMES & set(module.relative_to(PACKAGE).with_suffix("").parts), name_of(module)


def test_functions_fit_on_a_screen() -> None:
    long = [
        (name_of(module), function.name)
        for module in MODULES
        for function in functions(module)
        if (function.end_lineno or 0) - _first_line(function) >= 25
    ]
    assert long == []


def _first_line(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The first line after the docstring."""
    described = ast.get_docstring(function) and len(function.body) > 1
    return function.body[1].lineno if described else function.lineno


def test_no_class_name_is_defined_twice() -> None:
    assert list(classes_defined_twice(read_sources(ROOT))) == []


def test_docstrings_say_what_is_done_and_ask_nothing() -> None:
    assert list(questions_as_docstrings(read_sources(ROOT))) == []


def test_only_their_own_module_imports_the_parts_that_must_stay_exchangeable() -> None:
    owners = {
        "htmx_flask": {"web/shared/htmx.py"},
        "huey": {"jobs/__init__.py", "jobs/queue.py", "jobs/shared_queue.py", "worker/tasks.py"},
    }
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


_PROTECTION_TABLES = re.compile(r"\b(INSERT INTO|UPDATE|DELETE FROM)\s+(finding|protection|event)\b")
# Retention deletes lines whose time is over, which changes no device.
_PROTECTION_WRITERS = {"protection/record.py", "worker/retention.py"}


def test_only_one_module_writes_findings_protection_and_events() -> None:
    writing = set()
    for module in MODULES:
        models = _protection_models(module)
        if any(_is_protection_sql(node) or _is_protection_write(node, models) for node in nodes(module)):
            writing.add(name_of(module))
    assert writing == _PROTECTION_WRITERS


def test_protection_and_those_above_request_tagging_in_one_place_only() -> None:
    requesting = {
        name_of(module)
        for module in MODULES
        if room_of(module) in {"protection", "apps", "device_api"}
        for node in nodes(module)
        if isinstance(node, ast.Attribute) and node.attr == "TAGGING"
    }
    assert requesting == {"protection/record.py"}


def _protection_models(module: Path) -> set[str]:
    return {
        alias.name
        for node in nodes(module)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("harmony.models")
        for alias in node.names
    } & {"Finding", "Protection", "Event"}


def _is_protection_sql(node: ast.AST) -> bool:
    text = node.value if isinstance(node, ast.Constant) else None
    return isinstance(text, str) and _PROTECTION_TABLES.search(text) is not None


def _is_protection_write(node: ast.AST, models: set[str]) -> bool:
    """Return True for `insert(Finding)`, `table_of(Event)`, `Protection(…)` and the like."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return False
    arguments = {argument.id for argument in node.args if isinstance(argument, ast.Name)}
    writes = node.func.id in {"insert", "update", "delete", "table_of", "upsert"}
    return node.func.id in models or (writes and bool(arguments & models))
