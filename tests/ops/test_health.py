"""Health pages (rung: shell)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from harmony.clock import now
from harmony.config import Settings
from harmony.config.version import VERSION
from harmony.db import sqlite_module, write
from harmony.models import Worker
from harmony.ops import health


def a_worker(app: Flask, seconds_ago: int) -> None:
    with app.app_context(), write() as session:
        moment = now() - timedelta(seconds=seconds_ago)
        session.add(Worker(identity=str(seconds_ago), started_at=moment, seen_at=moment))


def test_the_process_answers_without_anything_else(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"status": "ok", "version": VERSION}


def test_it_is_ready_when_a_worker_lives_and_says_what_it_stands_on(
    app: Flask, client: FlaskClient, database: str
) -> None:
    a_worker(app, 5)
    answer = client.get("/readyz")
    assert answer.status_code == 200
    module = sqlite_module()
    assert answer.json == {
        "status": "ready",
        "reasons": [],
        "database": database,
        "sqlite": f"{module.__name__.partition('.')[0]} {module.sqlite_version}",
    }


def test_it_is_not_ready_without_a_worker_and_says_so(app: Flask, client: FlaskClient) -> None:
    a_worker(app, 61)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "No worker" in answer.get_json()["reasons"][0]


def test_a_worker_of_a_clock_that_was_ahead_is_none_and_hides_none(app: Flask, client: FlaskClient) -> None:
    a_worker(app, -3600)
    assert client.get("/readyz").status_code == 503
    a_worker(app, 5)
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("place", ["data", "queue", "temporary"])
def test_it_is_not_ready_when_a_folder_takes_nothing_and_says_which(
    app: Flask, client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    a_worker(app, 5)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    settings: Settings = app.extensions["harmony.settings"]
    if place == "temporary":
        monkeypatch.setattr("tempfile.tempdir", str(folder))
    else:
        url = {"data": "database_url", "queue": "queue_url"}[place]
        changed = replace(settings, **{url: f"sqlite:///{folder / 'file.db'}"})
        monkeypatch.setitem(app.extensions, "harmony.settings", changed)
    assert client.get("/readyz").status_code == 200
    folder.rmdir()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    (reason,) = answer.get_json()["reasons"]
    name = {"data": "database", "queue": "queue", "temporary": "temporary files"}[place]
    assert reason == f"The disk of the {name} cannot be written: No such file or directory."
    assert str(tmp_path) not in reason


@pytest.mark.parametrize(
    ("free", "why"), [(0, "less than 2 MiB are free"), (512, "less than 2 MiB are free"), (513, "")]
)
def test_a_disk_with_next_to_nothing_left_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, why: str
) -> None:
    sizes = SimpleNamespace(f_blocks=1000, f_bavail=free - 1, f_frsize=4096)
    monkeypatch.setattr(health.os, "statvfs", lambda _folder: sizes)
    assert health.write_refusal(tmp_path) == why


def test_it_is_not_ready_before_the_database_is_migrated(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), write() as session:
        session.execute(text("DELETE FROM alembic_version"))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "not migrated" in answer.get_json()["reasons"][0]


def test_it_is_not_ready_when_the_database_does_not_answer(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), write() as session:
        session.execute(text("DROP TABLE worker"))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json()["reasons"] == ["The database does not answer."]
