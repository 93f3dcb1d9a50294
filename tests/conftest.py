"""Fixtures for everything: an application on a file database in a folder of its own, and clients for it."""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import hypothesis
import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient

from harmony import create_app
from harmony.clock import now
from harmony.config import Settings
from harmony.db import db
from harmony.jobs.queue import queue_of
from harmony.models.access import Role
from harmony.ops.migrate import migrate
from harmony.security import passwords
from harmony.security.sessions import SESSION
from harmony.security.users import create_user
from harmony.setup.demo import announcement_file
from harmony.simulator.server import RunningSimulator, start
from harmony.simulator.world import World
from harmony.uem.http import rate_limit
from tests.canaries import WatchedClient, Watcher, watch, watched
from tests.database import INITDB, LEFT_OUT, Server, running_server
from tests.in_memory import keep_files_in_memory
from tests.postgres_sample import leave_out
from tests.reuse import share_what_is_the_same
from tests.sampling import soaking
from tests.signed_in_file import (
    SignedInFile,
    is_signed_in,
    prepared,
    renew_session,
    wants_signed_in,
    write_out,
)
from tests.summary_lines import (
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
    summary_lines,
)

__all__ = ["pytest_sessionfinish", "pytest_terminal_summary", "pytest_testnodedown"]

ADMINISTRATOR = "admin"
PASSWORD = "eleven quiet lanterns over Oslo"
COLLECTED_AFTER = 50
_applications = count(1)
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


# Compiled once, also where the environment says otherwise: the product is started a hundred times.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

watch(PASSWORD)

# A busy machine is no failure; speed is measured by `make bench`, never by a test.
hypothesis.settings.register_profile("suite", deadline=None, derandomize=True)
# What nobody thought of is looked for by `make soak`, with ten times as many examples and new seeds.
hypothesis.settings.register_profile("soak", deadline=None, max_examples=1000, database=None, print_blob=True)
hypothesis.settings.load_profile("suite")


def pytest_configure() -> None:
    """Save time in tests alone: the benches, which import from here, measure the product on a disk.

    Where everything must run, a missing PostgreSQL is an error.
    """
    keep_files_in_memory()
    share_what_is_the_same()
    if not INITDB and os.environ.get("REQUIRE_POSTGRES") == "1":
        raise pytest.UsageError("REQUIRE_POSTGRES=1, but there is no initdb: apt-get install postgresql")


def pytest_collection_finish() -> None:
    """What was imported outlives every test: the collector need not look at it after each of them."""
    gc.collect()
    gc.freeze()
    # Looking for cycles after each 700 new objects took a 25th of all the time.
    gc.set_threshold(20_000, 20, 100)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes longest, group after group: browsers and processes."""
    for item in items:
        if (group := _group(item)) and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=_turn)
    if leave_out(config, items):
        summary_lines(config).append(
            "On PostgreSQL a sample ran: every statement, but not every case; `make soak` runs them all."
        )
    if not soaking() and any(item.get_closest_marker("soak") for item in items):
        summary_lines(config).append(
            "Of the long loops a sample ran, the same for everybody; `make soak` runs them whole."
        )
    if not INITDB:
        summary_lines(config).append(LEFT_OUT)


def _group(item: pytest.Item) -> str:
    """A file with processes; in a browser all tests that share its product, whose set-up takes long."""
    if item.get_closest_marker("browser"):
        return "one product" if _shares_product(item) else "products of their own"
    return item.nodeid.partition("::")[0] if item.get_closest_marker("processes") else ""


def _turn(item: pytest.Item) -> int:
    """Processes beside the first browser, so that no three browsers share two cores."""
    if item.get_closest_marker("browser"):
        return 0 if _shares_product(item) else 2
    return 1 if item.get_closest_marker("processes") else 3


def _shares_product(item: pytest.Item) -> bool:
    return "shared" in getattr(item, "fixturenames", ())


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


@pytest.fixture(autouse=True)
def no_allowance_is_kept() -> None:
    """Each test meets its servers for the first time, whichever port they got."""
    rate_limit.reset()


@pytest.fixture(autouse=True)
def passwords_cost_little(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of a second a hash is right for people, and minutes for a suite; its own tests keep it."""
    if "security" not in request.path.parts:
        monkeypatch.setattr(passwords, "_hasher", CHEAP)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database at the newest step, made once; tests copy it."""
    folder = tmp_path_factory.mktemp("migrated")
    app = create_app(Settings(data_dir=folder))
    with app.app_context():
        migrate(now())
        db.session.execute(db.text("SELECT 1"))
    write_out(app)
    return folder / "harmony.db"


@pytest.fixture(scope="session")
def signed_in_file(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> SignedInFile:
    """A database in which the administrator is signed in, made once; tests copy it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", CHEAP)
        return prepared(tmp_path_factory.mktemp("signed_in"), migrated_file, ADMINISTRATOR, PASSWORD)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL for the whole session."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_database(server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a PostgreSQL database at the newest step, made once; tests leave it empty."""
    server.execute("CREATE DATABASE migrated")
    app = create_app(Settings(data_dir=tmp_path_factory.mktemp("keys"), database_url=server.url("migrated")))
    with app.app_context():
        migrate(now())
        db.session.remove()
        db.engine.dispose()
    return "migrated"


@pytest.fixture
def database() -> str:
    """Which database the application is on; `tests.database.on_both` overrides it."""
    return "sqlite"


@pytest.fixture
def settings(tmp_path: Path, database: str, request: pytest.FixtureRequest) -> Iterator[Settings]:
    """Settings on a fresh data folder with a migrated database."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    if database == "sqlite":
        if wants_signed_in(request):
            request.getfixturevalue("signed_in_file").copy_to(folder)
        else:
            (folder / "harmony.db").write_bytes(request.getfixturevalue("migrated_file").read_bytes())
        yield Settings(data_dir=folder, demo=True, backup_hours=0)
        return
    server, name = request.getfixturevalue("server"), request.getfixturevalue("migrated_database")
    yield Settings(data_dir=folder, database_url=server.url(name), demo=True, backup_hours=0)
    server.empty(name)


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    """A migrated application whose queue nobody works on."""
    app = create_app(settings)
    app.testing = True
    app.test_client_class = WatchedClient
    yield app
    queue_of(app).storage.close()
    with app.app_context():
        db.engine.dispose()
    # What a test left open is found within a few tests; after each of them it was a fifth of all the time.
    if next(_applications) % COLLECTED_AFTER == 0:
        gc.collect()


@pytest.fixture
def uem(settings: Settings) -> Iterator[RunningSimulator]:
    """A simulated UEM over real TLS, announced to the dashboard as `make demo` does."""
    with announced(settings) as simulator:
        yield simulator


@contextmanager
def announced(settings: Settings) -> Iterator[RunningSimulator]:
    """Run a simulated UEM that the dashboard with these settings knows of."""
    simulator = start(World(300, seed=7))
    credentials = simulator.credentials
    announcement_file(settings).write_text(
        json.dumps(
            {
                "url": simulator.url,
                "token_url": simulator.token_url,
                "ca_pem": simulator.ca_pem,
                "client_id": credentials.client_id,
                "client_secret": credentials.client_secret,
            }
        )
    )
    with watched(credentials.client_secret, credentials.password, credentials.api_key):
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
    if not is_signed_in(app):
        with app.app_context():
            create_user(ADMINISTRATOR, PASSWORD, Role.ADMINISTRATOR, now())
    return app.test_client()


@pytest.fixture
def signed_in(client: FlaskClient, request: pytest.FixtureRequest) -> FlaskClient:
    """A browser signed in as the administrator a moment ago."""
    if is_signed_in(client.application):
        with client.application.app_context():
            renew_session()
        token = request.getfixturevalue("signed_in_file").token
        client.set_cookie(SESSION, token, httponly=True, samesite="Lax")
        return client
    answer = client.post("/sign-in", data={"name": ADMINISTRATOR, "password": PASSWORD})
    assert answer.status_code == 303, answer.get_data(as_text=True)
    return client
