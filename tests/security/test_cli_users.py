"""Rung R: accounts from the command line; the password comes from standard input and is never repeated."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from click.testing import Result
from flask import Flask

from harmony.clock import now
from harmony.db import db, write
from harmony.models import User
from harmony.security import sessions, users

GOOD = "seven tall giraffes"


@pytest.fixture
def terminal(context: Flask) -> Flask:
    """A migrated application: a command on any other database says what to do first."""
    return context


def run(app: Flask, *arguments: str, piped: str = GOOD + "\n") -> Result:
    return app.test_cli_runner().invoke(args=["users", *arguments], input=piped)


def stored(name: str) -> User:
    created = datetime(2026, 11, 24, tzinfo=UTC)
    user = User(name=name, name_key=name, role="administrator", password_hash="-", created_at=created)
    with write() as session:
        session.add(user)
    return user


@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
def test_a_piped_line_is_the_password(terminal: Flask, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "hash_password", lambda password: f"hash of <{password}>")
    result = run(terminal, "add", "Ada", "--role", "administrator", piped=GOOD + ending)
    assert (result.exit_code, result.output) == (0, "Added Ada as administrator.\n")
    db.session.rollback()
    ada = users.find("ada")
    assert ada is not None
    assert ada.password_hash == f"hash of <{GOOD}>"


@pytest.mark.parametrize(
    ("arguments", "piped", "sentence"),
    [
        (("add", "ada"), "short\n", "A password has at least 12 characters."),
        (("add", "ada"), "", "A password has at least 12 characters."),
        (("add", " "), GOOD, "A user needs a name."),
        (("add", "BOB"), GOOD, "There is a user of that name already."),
        (("reset", "ada"), GOOD, "There is no user of that name."),
        (("reset", "bob"), "Harmony2026!!", "This password is among the first that are guessed"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_one(
    terminal: Flask, arguments: tuple[str, ...], piped: str, sentence: str
) -> None:
    stored("bob")
    result = run(terminal, *arguments, piped=piped)
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {sentence}")
    assert len(result.output.splitlines()) == 1
    assert not piped.strip() or piped.strip() not in result.output


def test_a_role_we_do_not_have_is_refused(terminal: Flask) -> None:
    assert run(terminal, "add", "ada", "--role", "emperor").exit_code == 2


def test_a_reset_ends_the_sessions(terminal: Flask) -> None:
    token = sessions.open_session(stored("bob"), now())
    assert run(terminal, "reset", "Bob").exit_code == 0
    db.session.rollback()
    assert sessions.session_for(token, now()) is None
    assert users.authenticate("bob", GOOD) is not None


def test_an_invitation_is_printed_as_a_link(terminal: Flask) -> None:
    result = run(terminal, "invite", "kim", "--role", "operator")
    assert result.exit_code == 0
    assert "/invitation/hrmni_" in result.output
    assert run(terminal, "invite", "Kim").exit_code == 1
    assert "kim\toperator\tall devices\tno password" in run(terminal, "list").output


def test_users_are_disabled_and_enabled_but_never_the_last_administrator(terminal: Flask) -> None:
    stored("ada")
    refused = run(terminal, "disable", "ada")
    assert refused.exit_code == 1
    assert "This is the last administrator who can sign in." in refused.output
    stored("bob")
    assert "disabled" in run(terminal, "disable", "ada").output
    assert "ada\tadministrator\tall devices\tdisabled" in run(terminal, "list").output
    assert run(terminal, "enable", "Ada").exit_code == 0
    assert "active" in run(terminal, "list").output
    assert run(terminal, "disable", "nobody").exit_code == 1
