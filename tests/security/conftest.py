"""A Flask application with nothing but a database, for the modules below the pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from harmony import db


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Flask]:
    """The application, inside its context, on a file of its own."""
    app = Flask("bare")
    app.testing = True
    db.init_app(app, f"sqlite:///{tmp_path / 'harmony.db'}")
    with app.app_context():
        db.db.create_all()
        yield app
        db.db.session.remove()
        db.db.engine.dispose()
