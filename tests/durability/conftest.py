"""What the tests of durability have in common: a scene."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from harmony.sync import snapshot
from tests.builders import an_integration
from tests.durability.scene import Scene


@pytest.fixture
def scene(context: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """An integration that knows a few devices and writes page by page."""
    monkeypatch.setattr(snapshot, "ROWS_PER_WRITE", 50)
    scene = Scene(an_integration())
    scene.learn()
    yield scene
    scene.lasting.close()
