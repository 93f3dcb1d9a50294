"""Rung R: ten recovery codes, stored as hashes, each of which counts once for its user."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from flask import Flask

from harmony.db import db, write
from harmony.models import RecoveryCode, User
from harmony.security.factors import recovery_codes
from tests.database import on_both

database = on_both
NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)


def a_user(name: str) -> int:
    user = User(name=name, name_key=name, role="administrator", password_hash="-", created_at=NOW)
    with write() as session:
        session.add(user)
        session.flush()
        return user.id


@pytest.fixture
def ada(context: Flask) -> int:
    return a_user("ada")


def renew(user_id: int) -> list[str]:
    with write() as session:
        return recovery_codes.renew(session, user_id)


def is_accepted(user_id: int, code: str) -> bool:
    with write() as session:
        return recovery_codes.accept(session, user_id, code, NOW)


def test_ten_codes_of_120_bits_are_stored_as_hashes(ada: int) -> None:
    codes = renew(ada)
    stored = " ".join(db.session.scalars(db.select(RecoveryCode.code_hash)))
    assert len(set(codes)) == 10
    assert {len(code.replace("-", "")) for code in codes} == {24}
    assert not any(code in stored for code in codes)


def test_a_recovery_code_counts_once(ada: int) -> None:
    codes = renew(ada)
    assert is_accepted(ada, codes[3])
    assert not is_accepted(ada, codes[3])
    assert recovery_codes.left(ada) == 9


def test_of_many_at_once_with_one_recovery_code_one_gets_in(ada: int, app: Flask) -> None:
    code = renew(ada)[0]

    def attempt(_number: int) -> bool:
        with app.app_context():
            return is_accepted(ada, code)

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(8))) == 1


def test_a_recovery_code_is_its_owner_s_alone(ada: int) -> None:
    bob, code = a_user("bob"), renew(ada)[0]
    assert not is_accepted(bob, code)
    assert is_accepted(ada, code)


def test_new_codes_replace_all_former_ones(ada: int) -> None:
    former = renew(ada)
    renew(ada)
    assert not any(is_accepted(ada, code) for code in former)
    assert recovery_codes.left(ada) == 10


def test_a_code_counts_as_people_type_it(ada: int) -> None:
    first, second = renew(ada)[:2]
    assert is_accepted(ada, f" {first.lower().replace('-', ' ')} ")
    assert is_accepted(ada, second.replace("0", "O").replace("1", "l"))


@pytest.mark.parametrize("typed", ["", "x", "é", "\x00", "0" * 24, "0" * 10_000])
def test_a_wrong_code_uses_nothing_up(ada: int, typed: str) -> None:
    renew(ada)
    assert not is_accepted(ada, typed)
    assert recovery_codes.left(ada) == 10
