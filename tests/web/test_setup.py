"""Rung R: the first administrator, created in the browser with the printed code."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from harmony.clock import now
from harmony.security import setup_code, users

GOOD = "seven tall giraffes"


@pytest.fixture
def fresh(context: Flask) -> FlaskClient:
    """A browser in front of an installation without any user."""
    return context.test_client()


def code() -> str:
    issued = setup_code.issue(now())
    assert issued is not None
    return issued


@pytest.mark.parametrize("path", ["/", "/devices", "/sign-in"])
def test_everything_leads_to_the_set_up_first(fresh: FlaskClient, path: str) -> None:
    answer = fresh.get(path)
    assert (answer.status_code, answer.location) == (303, "/setup")


def test_the_code_makes_an_administrator_who_is_signed_in(fresh: FlaskClient) -> None:
    page = fresh.get("/setup")
    assert page.status_code == 200
    assert 'name="code"' in page.text
    answer = fresh.post("/setup", data={"code": code(), "name": "ada", "password": GOOD})
    assert (answer.status_code, answer.location) == (303, "/")
    assert fresh.get("/sign-in").location == "/"
    ada = users.find("ada")
    assert ada is not None
    assert ada.role == "administrator"


def test_afterwards_the_set_up_is_closed(client: FlaskClient) -> None:
    assert client.get("/setup").location == "/sign-in"
    answer = client.post("/setup", data={"code": "x", "name": "eve", "password": GOOD})
    assert (answer.status_code, answer.location) == (303, "/sign-in")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"code": ""}, "Enter the set-up code."),
        ({"code": "HRMN-0000-0000-0000"}, "This is not the current set-up code."),
        ({"name": ""}, "Choose a user name."),
        ({"name": "a" * 65}, "at most 64 characters"),
        ({"password": ""}, "Choose a password."),
        ({"password": "too short"}, "at least 12 characters"),
        ({"password": "Harmony2026!!"}, "among the first that are guessed"),
        ({"name": "giraffe", "password": "seven tall giraffes"}, "must not contain the user name"),
    ],
)
def test_a_mistake_brings_the_form_back_without_the_password(
    fresh: FlaskClient, change: dict[str, str], sentence: str
) -> None:
    data = {"code": code(), "name": "ada", "password": GOOD} | change
    answer = fresh.post("/setup", data=data)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert not data["password"] or data["password"] not in answer.text
    assert not users.any_user()


def test_codes_cannot_be_guessed_quickly(fresh: FlaskClient) -> None:
    code()
    data = {"code": "HRMN-0000-0000-0000", "name": "ada", "password": GOOD}
    answers = [fresh.post("/setup", data=data) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [422] * 10 + [429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
