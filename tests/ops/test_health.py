"""Health pages (rung: shell)."""

from __future__ import annotations

from datetime import timedelta

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from harmony.clock import now
from harmony.db import sqlite_module, write
from harmony.models import Worker


def a_worker(app: Flask, seconds_ago: int) -> None:
    with app.app_context(), write() as session:
        moment = now() - timedelta(seconds=seconds_ago)
        session.add(Worker(identity=str(seconds_ago), started_at=moment, seen_at=moment))


def test_the_process_answers_without_anything_else(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"status": "ok"}


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
