"""Rung R: who is let in, where the others are sent, and where they come back to."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from flask import Flask, g
from flask.testing import FlaskClient

from harmony.clock import now
from harmony.db import write
from harmony.models import User
from harmony.security import auth, sessions
from harmony.security.addresses import local_address

CREATED = datetime(2026, 11, 24, 8, tzinfo=UTC)


@pytest.fixture
def door(bare: Flask) -> FlaskClient:
    @bare.get("/open")
    @auth.public
    def opened() -> str:
        return f"open {g.user}"

    @bare.route("/closed", methods=["GET", "POST"])
    def closed() -> str:
        return f"closed {g.user.name}"

    auth.init_app(bare)
    return bare.test_client()


def ada() -> User:
    user = User(name="ada", name_key="ada", role="administrator", password_hash="-", created_at=CREATED)
    with write() as session:
        session.add(user)
    return user


def test_a_public_page_is_open_to_everybody(door: FlaskClient) -> None:
    assert door.get("/open").text == "open None"


def test_before_there_is_a_user_everything_leads_to_the_set_up(door: FlaskClient) -> None:
    answer = door.get("/closed?x=1")
    assert (answer.status_code, answer.location) == (303, "/setup")


@pytest.mark.parametrize(
    ("asked", "door_address"),
    [
        ("/closed", "/sign-in?next=/closed"),
        ("/closed?q=a%20b&x=1", "/sign-in?next=/closed%3Fq%3Da%2520b%26x%3D1"),
        ("/nothing-here", "/sign-in?next=/nothing-here"),
        ("/", "/sign-in"),
    ],
)
def test_who_is_signed_out_comes_back_to_the_page_asked_for(
    door: FlaskClient, asked: str, door_address: str
) -> None:
    ada()
    answer = door.get(asked)
    assert (answer.status_code, answer.location) == (303, door_address)


def test_a_form_is_not_an_address_to_come_back_to_but_the_page_it_stands_on_is(door: FlaskClient) -> None:
    ada()
    assert door.post("/closed").location == "/sign-in"
    boosted = {"HX-Request": "true", "HX-Boosted": "true", "HX-Current-URL": "http://localhost/devices"}
    assert door.post("/closed", headers=boosted).headers["HX-Redirect"] == "/sign-in?next=/devices"


@pytest.mark.parametrize(
    ("headers", "door_address"),
    [
        ({"HX-Current-URL": "http://localhost/devices?q=1"}, "/sign-in?next=/devices%3Fq%3D1"),
        ({"HX-Current-URL": "http://localhost//evil.example"}, "/sign-in"),
        ({}, "/sign-in"),
        ({"HX-Boosted": "true", "HX-Current-URL": "http://localhost/devices"}, "/sign-in?next=/closed"),
    ],
)
def test_htmx_is_told_to_leave_the_page(
    door: FlaskClient, headers: dict[str, str], door_address: str
) -> None:
    ada()
    answer = door.get("/closed", headers={"HX-Request": "true", **headers})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, door_address)
    assert answer.text == "You are signed out."


def test_who_is_signed_in_comes_in(door: FlaskClient) -> None:
    token = sessions.open_session(ada(), now())
    door.set_cookie("harmony", token)
    assert door.get("/closed").text == "closed ada"
    assert door.get("/nothing-here").status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/", "/devices", "/devices?q=1&x=%2F%2Fevil", "/integrations/7/setup/server", "/a/%09/b", "/a//b"],
)
def test_paths_of_this_site_are_kept(bare: Flask, path: str) -> None:
    with bare.test_request_context():
        assert local_address(path) == path


@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "devices",
        "?q=1",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        "/\x00",
        "/\x7f",
        "https://evil.example",
        "https:/evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "@evil.example",
        "/a\r\nSet-Cookie: x=1",
        "/" + "a" * 2048,
    ],
)
def test_every_way_out_leads_home(bare: Flask, path: str | None) -> None:
    with bare.test_request_context():
        assert local_address(path) == "/"
