"""Files of ours are UTF-8 whatever the machine's locale says (rung: pure, over the source)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = [*sorted((ROOT / "harmony").rglob("*.py")), ROOT / "app.py"]
OPENERS = {"open", "fdopen", "TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile"}
TEXTS = {"read_text", "write_text"}
PROCESSES = {"Popen", "run", "check_output", "check_call", "call"}
# `vault().open(sealed, bound_to)` opens no file, and `os.open` knows bytes only.
NO_FILES = {"vault()", "os"}
MODES = {kind + extra for kind in "rwax" for extra in ("", "b", "t", "+", "b+", "+b")}


def in_the_locale_s_encoding(tree: ast.AST) -> Iterator[str]:
    """Each call that reads or writes text and leaves the encoding to the machine."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _reads_text(node) and not _names_encoding(node):
            yield f"line {node.lineno}: {ast.unparse(node)}"


def _names_encoding(call: ast.Call) -> bool:
    """Accept `encoding=` and, for a method, the third argument: `path.open(mode, buffering, encoding)`."""
    name, owner = _called(call.func)
    third = name == "open" and owner not in {"", "io"} and len(call.args) > 2
    return third or "encoding" in {keyword.arg for keyword in call.keywords}


def _reads_text(call: ast.Call) -> bool:
    if getattr(call.func, "attr", getattr(call.func, "id", "")) not in OPENERS | TEXTS | PROCESSES:
        return False
    name, owner = _called(call.func)
    keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    if name in TEXTS:
        return True
    if name in PROCESSES and owner == "subprocess":
        return keywords.get("text") == "True" or keywords.get("universal_newlines") == "True"
    if name not in OPENERS or (name == "open" and owner in NO_FILES):
        return False
    constants = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    mode = keywords.get("mode") or next((text for text in constants if text in MODES), "")
    return "b" not in str(mode) and not (name.endswith("TemporaryFile") and not mode)


def _called(function: ast.expr) -> tuple[str, str]:
    if isinstance(function, ast.Attribute):
        return function.attr, ast.unparse(function.value)
    return (function.id, "") if isinstance(function, ast.Name) else ("", "")


def test_no_file_is_read_or_written_in_the_locale_s_encoding() -> None:
    assert [
        f"{path.relative_to(ROOT)}, {call}"
        for path in MODULES
        for call in in_the_locale_s_encoding(ast.parse(path.read_text(encoding="utf-8")))
    ] == []


@pytest.mark.parametrize(
    "line",
    [
        "open(path)",
        "open(path, 'w')",
        "path.open('r')",
        "os.fdopen(handle, 'w')",
        "path.read_text()",
        "path.write_text(text)",
        "tempfile.NamedTemporaryFile('w')",
        "subprocess.run(command, text=True)",
    ],
)
def test_such_a_call_would_be_seen(line: str) -> None:
    assert list(in_the_locale_s_encoding(ast.parse(line)))


@pytest.mark.parametrize(
    "line",
    [
        "open(path, 'rb')",
        "path.open('w', encoding='utf-8')",
        "path.open('r', -1, 'utf-8')",
        "tempfile.TemporaryFile(dir=folder)",
    ],
)
def test_what_names_its_encoding_or_has_none_is_fine(line: str) -> None:
    assert list(in_the_locale_s_encoding(ast.parse(line))) == []


def test_what_alembic_reads_in_the_locale_s_encoding_is_ascii() -> None:
    assert (ROOT / "harmony/migrations/alembic.ini").read_bytes().isascii()
