"""Rung R: the headers of every answer, and what may be kept in a cache."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from harmony.security import headers


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    (tmp_path / "vendor").mkdir()
    for name in ("app.css", "vendor/htmx.js"):
        (tmp_path / name).write_text("x")
    app = Flask("headers", static_folder=str(tmp_path), static_url_path="/static")
    headers.init_app(app)

    @app.get("/page")
    def page() -> tuple[str, dict[str, str]]:
        return "page", {"Cache-Control": "public", "X-Frame-Options": "SAMEORIGIN"}

    @app.get("/broken")
    def broken() -> str:
        raise RuntimeError("on purpose")

    return app.test_client()


@pytest.mark.parametrize(
    ("path", "status", "kept"),
    [
        ("/page", 200, "no-store"),
        ("/page?v=1", 200, "no-store"),
        ("/nothing", 404, "no-store"),
        ("/broken", 500, "no-store"),
        ("/static/app.css", 200, "no-cache"),
        ("/static/app.css?v=0a1b", 200, "public, max-age=31536000, immutable"),
        ("/static/vendor/htmx.js", 200, "public, max-age=31536000, immutable"),
        ("/static/vendor/nothing.js", 404, "no-store"),
        ("/static/nothing.css?v=1", 404, "no-store"),
    ],
)
def test_only_what_cannot_change_is_kept(client: FlaskClient, path: str, status: int, kept: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (status, kept)
    assert {name: answer.headers[name] for name in headers.ALWAYS} == headers.ALWAYS
    answer.close()


def test_the_policy_is_the_measured_one(client: FlaskClient) -> None:
    assert client.get("/page").headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def test_https_is_asked_for_only_where_there_is_https(client: FlaskClient) -> None:
    assert "Strict-Transport-Security" not in client.get("/page").headers
    answer = client.get("/page", base_url="https://h.example")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_no_other_origin_may_read(client: FlaskClient) -> None:
    answer = client.get("/page", headers={"Origin": "https://evil.example"})
    assert not any(name.startswith("Access-Control") for name in answer.headers.keys())  # noqa: SIM118


def test_the_headers_have_the_names_that_browsers_know() -> None:
    assert set(headers.ALWAYS) == {
        "Content-Security-Policy",
        "Cross-Origin-Opener-Policy",
        "Cross-Origin-Resource-Policy",
        "Permissions-Policy",
        "Referrer-Policy",
        "X-Content-Type-Options",
        "X-Frame-Options",
    }
