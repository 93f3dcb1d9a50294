"""The examples in docstrings do what they say (rung: pure)."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WITH_EXAMPLES = sorted(
    ".".join(module.relative_to(ROOT).with_suffix("").parts)
    for module in (ROOT / "harmony").rglob("*.py")
    if "versions" not in module.parts and ">>> " in module.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_each_example_gives_what_stands_below_it(name: str) -> None:
    found = doctest.testmod(import_module(name))
    assert found.attempted, f"{name} has examples that nothing runs"
    assert found.failed == 0
