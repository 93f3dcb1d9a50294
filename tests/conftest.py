"""Fixtures for everything: an application on a file database in a folder of its own, and clients for it."""

from __future__ import annotations

import gc
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from flask import Flask
from flask.testing import FlaskClient

from harmony import create_app
from harmony.clock import now
from harmony.config import Settings
from harmony.db import db
from harmony.models.access import Role
from harmony.ops.migrate import migrate
from harmony.security.users import create_user
from harmony.setup.demo import announcement_file
from harmony.simulator.server import RunningSimulator, start
from harmony.simulator.world import World
from tests.canaries import WatchedClient, Watcher, watch

ADMINISTRATOR = "admin"
PASSWORD = "eleven quiet lanterns over Oslo"


watch(PASSWORD)

# A busy machine is no failure; speed is measured by `make bench`, never by a test.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")


@pytest.fixture(autouse=True)
def no_secret_is_logged() -> Iterator[None]:
    """Search every log line of every test for the secrets that are watched."""
    watcher, root = Watcher(), logging.getLogger()
    before = root.level
    root.addHandler(watcher)
    root.setLevel(logging.DEBUG)
    yield
    root.removeHandler(watcher)
    root.setLevel(before)
    assert not watcher.leaks


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database at the newest step, made once; tests copy it."""
    folder = tmp_path_factory.mktemp("migrated")
    app = create_app(Settings(data_dir=folder))
    with app.app_context():
        migrate(now())
        db.session.execute(db.text("SELECT 1"))
        db.session.rollback()
        with db.engine.connect() as connection:
            connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.engine.dispose()
    return folder / "harmony.db"


@pytest.fixture
def settings(tmp_path: Path, migrated_file: Path) -> Settings:
    """Settings on a fresh data folder with a migrated database."""
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "harmony.db").write_bytes(migrated_file.read_bytes())
    return Settings(data_dir=tmp_path / "data", demo=True)


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    """A migrated application whose queue nobody works on."""
    app = create_app(settings)
    app.testing = True
    app.test_client_class = WatchedClient
    yield app
    with app.app_context():
        db.engine.dispose()
    gc.collect()


@pytest.fixture
def uem(settings: Settings) -> Iterator[RunningSimulator]:
    """A simulated UEM over real TLS, announced to the dashboard as `make demo` does."""
    simulator = start(World(300, seed=7))
    mine = simulator.credentials
    watch(mine.client_secret, mine.password, mine.api_key)
    announcement_file(settings).write_text(
        json.dumps(
            {
                "url": simulator.url,
                "token_url": simulator.token_url,
                "ca_pem": simulator.ca_pem,
                "client_id": mine.client_id,
                "client_secret": mine.client_secret,
            }
        )
    )
    yield simulator
    simulator.stop()


@pytest.fixture
def context(app: Flask) -> Iterator[Flask]:
    """The application with its context pushed."""
    with app.app_context():
        yield app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser that is not signed in; an administrator exists."""
    with app.app_context():
        create_user(ADMINISTRATOR, PASSWORD, Role.ADMINISTRATOR, now())
    return app.test_client()


@pytest.fixture
def signed_in(client: FlaskClient) -> FlaskClient:
    """A browser signed in as the administrator."""
    answer = client.post("/sign-in", data={"name": ADMINISTRATOR, "password": PASSWORD})
    assert answer.status_code == 303, answer.get_data(as_text=True)
    return client
