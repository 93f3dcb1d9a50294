"""What the tests of durability have in common: a scene, and measurements told at the end of `make test`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from harmony.sync import snapshot
from tests.builders import an_integration
from tests.durability.scene import Scene

TOLD = pytest.StashKey[list[str]]()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """A line for each thing that was measured."""
    for line in told(config):
        terminalreporter.write_line(line)


def told(config: pytest.Config) -> list[str]:
    """The lines to be said at the end of the whole run."""
    return config.stash.setdefault(TOLD, [])


@pytest.fixture
def scene(context: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """An integration that knows a few devices and writes page by page."""
    monkeypatch.setattr(snapshot, "ROWS_PER_WRITE", 50)
    scene = Scene(an_integration())
    scene.learn()
    yield scene
    scene.lasting.close()
