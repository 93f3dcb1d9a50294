"""Keys of nodes on PostgreSQL: a second node with others is refused, however soon it comes (rung: shell)."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from flask import Flask

from harmony import create_app
from harmony.clock import now
from harmony.config import Settings
from harmony.db import db, write
from harmony.models import Installation, VaultCanary
from harmony.ops.shared_keys import KeysDiffer, refuse_other_keys
from tests.database import INITDB

pytestmark = pytest.mark.skipif(not INITDB, reason="nodes need PostgreSQL: apt-get install postgresql")


@pytest.fixture
def database() -> str:
    return "postgresql"


def node(folder: Path, settings: Settings, secret_key: str = "") -> Flask:
    """Return a node on the same database, with keys of its own but for the given one."""
    folder.mkdir()
    return create_app(Settings(data_dir=folder, database_url=settings.database_url, secret_key=secret_key))


def is_refused(app: Flask) -> bool:
    with app.app_context():
        try:
            refuse_other_keys(now(), apart=True)
        except KeysDiffer:
            return True
        finally:
            db.session.remove()
            db.engine.dispose()
    return False


@pytest.mark.parametrize("secret_key", ["", "a key of the queue that both nodes have"])
def test_the_first_node_leaves_what_a_second_with_other_keys_is_refused_by(
    app: Flask, settings: Settings, tmp_path: Path, secret_key: str
) -> None:
    first, second = node(tmp_path / "a", settings, secret_key), node(tmp_path / "b", settings, secret_key)
    assert [is_refused(first), is_refused(second), is_refused(first)] == [False, True, False]


def test_a_node_that_is_refused_leaves_nothing(app: Flask, settings: Settings, tmp_path: Path) -> None:
    first, second = node(tmp_path / "a", settings), node(tmp_path / "b", settings)
    assert not is_refused(first)
    with app.app_context(), write() as session:
        session.get_one(Installation, 1).queue_key = None
    assert is_refused(second)
    with app.app_context():
        assert db.session.get_one(Installation, 1).queue_key is None
        assert db.session.query(VaultCanary).count() == 1


def test_of_two_nodes_that_start_at_once_with_different_keys_only_the_first_does(
    app: Flask, settings: Settings, tmp_path: Path
) -> None:
    nodes = [node(tmp_path / name, settings) for name in "ab"]
    together, refused = threading.Barrier(2), []

    def start(app: Flask) -> None:
        together.wait(30)
        refused.append(is_refused(app))

    threads = [threading.Thread(target=start, args=(app,)) for app in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(refused) == [False, True]
