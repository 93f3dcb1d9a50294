"""Rung R: accounts on a file database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from flask import Flask

from harmony.db import db, write
from harmony.models import Role, User
from harmony.security import sessions, users

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
GOOD = "seven tall giraffes"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def stored(name: str = "Ada", password: str = GOOD) -> User:
    """A user whose hash costs nothing, put straight into the table."""
    user = User(name=name, name_key=users.name_key(name), role="administrator", created_at=NOW)
    user.password_hash = CHEAP.hash(password)
    with write() as session:
        session.add(user)
    return user


def test_a_created_user_signs_in_under_any_spelling_of_the_name(bare: Flask) -> None:
    assert not users.any_user()
    made = users.create_user("  Ada Løvelace ", GOOD, Role.ADMINISTRATOR, NOW)
    assert users.any_user()
    assert (made.name, made.role, made.created_at) == ("Ada Løvelace", "administrator", NOW)
    assert users.authenticate("ADA LØVELACE", GOOD) is made


def test_two_spellings_are_one_account(bare: Flask) -> None:
    stored("Straße")
    with pytest.raises(users.UserExists):
        users.create_user("STRASSE", GOOD, Role.ADMINISTRATOR, NOW)


@pytest.mark.parametrize("name", ["", "  ", "a" * 65, "ß" * 33, "a\nb", "a\x00b", "x\u202ey", "\u3000"])
def test_an_unfit_name_is_refused_before_anything_is_hashed(bare: Flask, name: str) -> None:
    with pytest.raises(users.UnfitName):
        users.create_user(name, GOOD, Role.ADMINISTRATOR, NOW)


def test_the_refusal_does_not_repeat_the_password(bare: Flask) -> None:
    with pytest.raises(users.UnfitPassword) as raised:
        users.create_user("ada", "Harmony2026!!", Role.ADMINISTRATOR, NOW)
    assert "Harmony2026" not in str(raised.value)
    assert not users.any_user()


def test_a_wrong_password_and_an_unknown_name_look_alike(bare: Flask) -> None:
    stored()
    assert users.authenticate("ada", "seven tall giraffe") is None
    assert users.authenticate("bob", GOOD) is None


def test_an_outdated_hash_is_renewed_by_signing_in(bare: Flask) -> None:
    user = stored()
    former = user.password_hash
    assert users.authenticate("ada", GOOD) is user
    assert user.password_hash != former
    assert users.authenticate("ada", GOOD) is user


def test_a_renewed_hash_never_overwrites_a_reset(bare: Flask) -> None:
    user = stored()
    users._renew_hash(user.id, "what was checked before the reset", "the old password, hashed anew")
    assert db.session.get_one(User, user.id).password_hash != "the old password, hashed anew"


def test_a_new_password_ends_the_sessions_of_that_user_only(bare: Flask) -> None:
    ada, bob = stored("ada"), stored("bob")
    hers, his = sessions.open_session(ada, NOW), sessions.open_session(bob, NOW)
    users.set_password("ADA", "nine small giraffes")
    later = NOW + timedelta(seconds=1)
    assert sessions.session_for(hers, later) is None
    assert sessions.session_for(his, later) is not None
    assert users.authenticate("ada", GOOD) is None
    assert users.authenticate("ada", "nine small giraffes") is ada


def test_a_new_password_is_held_to_the_same_rules(bare: Flask) -> None:
    stored()
    with pytest.raises(users.UnfitPassword):
        users.set_password("ada", "short")
    with pytest.raises(users.UnknownUser):
        users.set_password("bob", "nine small giraffes")
