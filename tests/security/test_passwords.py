"""Rung R: which passwords are refused, and that a check says no more than yes or no."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher, extract_parameters

from harmony.security import passwords
from harmony.security.passwords import check_password, hash_password, needs_rehash, password_problem

GOOD = "seven tall giraffes"


def test_a_password_opens_its_own_hash_only_however_it_is_encoded() -> None:
    stored = hash_password("caf\u00e9 on the corner")
    assert check_password(stored, "cafe\u0301 on the corner")
    assert not check_password(stored, "cafe on the corner")
    assert not needs_rehash(stored)


def test_nobody_is_checked_at_the_cost_of_somebody() -> None:
    assert extract_parameters(passwords._NOBODY) == extract_parameters(PasswordHasher().hash("x"))
    assert not check_password(None, GOOD)


def test_a_damaged_hash_opens_to_nobody() -> None:
    assert not check_password("", GOOD)
    assert not check_password("$argon2id$broken", GOOD)


def test_a_cheaper_hash_is_renewed() -> None:
    assert needs_rehash(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("x"))


@pytest.mark.parametrize(
    "password",
    [
        GOOD,
        "twelve chars",
        "correcthorse",
        "ä" * 3 + "öüß€ñçøæå",
        "x8#Kq" * 200,
        "my harmony is loud",
        "48201759302846",
        "MODERATE-giraffe",
    ],
)
def test_long_is_enough(password: str) -> None:
    assert password_problem(password, "admin") is None


@pytest.mark.parametrize(
    ("password", "name", "word"),
    [
        ("", "admin", "at least 12"),
        ("eleven char", "admin", "at least 12"),
        ("x8#Kq" * 205, "admin", "at most 1024"),
        ("Christopher1", "admin", "guessed"),
        ("qwertyuiop123", "admin", "guessed"),
        ("correcthorsebatterystaple", "admin", "guessed"),
        ("123456789012", "admin", "guessed"),
        ("aaaaaaaaaaaaaa", "admin", "guessed"),
        ("Harmony2026!!", "admin", "guessed"),
        ("harmony-harmony", "admin", "guessed"),
        ("WorkspaceONE-2026", "admin", "guessed"),
        ("Password!12345", "root", "guessed"),
        ("administrator1", "root", "guessed"),
        ("my name is Ada Lovelace", "ada lovelace", "user name"),
        ("ADMIN of the giraffes", "admin", "user name"),
    ],
)
def test_what_is_short_common_or_the_name_is_refused(password: str, name: str, word: str) -> None:
    assert word in (password_problem(password, name) or "")


def test_a_name_of_two_letters_forbids_nothing() -> None:
    assert password_problem("medium giraffe", "ed") is None


def test_every_listed_password_is_refused_in_any_case() -> None:
    listed = passwords._common()
    assert len(listed) > 250
    assert all(password_problem(one.upper(), "") for one in listed)


def test_the_commonest_passwords_of_breaches_are_refused() -> None:
    listed = passwords._common()
    assert len(listed) > 10_000
    assert all(len(password) >= 12 and password == password.casefold() for password in listed)
    for password in ("1qaz2wsx3edc", "Q1W2E3R4T5Y6", "leavemealone"):
        assert "guessed" in (password_problem(password, "admin") or "")
