"""Rungs C and M: one-time codes count once, within a step on either side, whatever the clock does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from flask import Flask

from harmony.db import db, write
from harmony.models import TotpSecret, UsedTotpStep, User
from harmony.security.factors import totp
from tests.database import on_both

database = on_both

NOW = datetime(2026, 11, 24, 8, 0, 10, tzinfo=UTC)
# The test vectors of RFC 6238, cut to six digits: its secret in base32.
RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def ada(context: Flask) -> int:
    user = User(name="ada", name_key="ada", role="administrator", password_hash="-", created_at=NOW)
    with write() as session:
        session.add(user)
        session.flush()
        return user.id


def set_up(user_id: int, at: datetime) -> str:
    """Set an app up with a code of long ago. Return its secret."""
    with write() as session:
        totp.begin(session, user_id)
    secret = totp.pending_secret(user_id)
    assert secret is not None
    with write() as session:
        assert totp.confirm(session, user_id, code(secret, at), at)
    return secret


def code(secret: str, at: datetime) -> str:
    return pyotp.TOTP(secret).at(at)


def is_accepted(user_id: int, typed: str, at: datetime) -> bool:
    with write() as session:
        return totp.accept(session, user_id, typed, at)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_codes_are_those_of_rfc_6238(seconds: int, expected: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    assert totp.step_of(RFC_SECRET, expected, at) == seconds // 30


def test_a_code_counts_one_step_early_and_late_and_no_further() -> None:
    typed = code(RFC_SECRET, NOW)
    near = [totp.step_of(RFC_SECRET, typed, later(seconds)) is not None for seconds in (-60, -30, 0, 30, 60)]
    assert near == [False, True, True, True, False]


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "１２３４５６", "-1", "\x00", "é" * 6])  # noqa: RUF001
def test_whatever_is_typed_is_no_error(typed: str) -> None:
    assert totp.step_of(RFC_SECRET, typed, NOW) is None


def test_spaces_between_digits_are_as_apps_show_them() -> None:
    typed = code(RFC_SECRET, NOW)
    assert totp.step_of(RFC_SECRET, f" {typed[:3]} {typed[3:]} ", NOW) is not None


def test_the_secret_has_160_bits_and_is_stored_sealed(ada: int) -> None:
    secret = set_up(ada, later(-3600))
    row = db.session.get_one(TotpSecret, ada)
    assert len(secret) * 5 == 160
    assert row.sealed.startswith("v1.")
    assert secret not in row.sealed
    assert row.pending == ""


def test_a_totp_code_is_accepted_once_in_its_thirty_seconds(ada: int) -> None:
    secret = set_up(ada, later(-3600))
    assert is_accepted(ada, code(secret, NOW), NOW)
    assert [is_accepted(ada, code(secret, NOW), later(seconds)) for seconds in (0, 1, 29, 35)] == [False] * 4
    assert is_accepted(ada, code(secret, later(30)), later(30))


def test_the_code_that_set_an_app_up_does_not_sign_in(ada: int) -> None:
    secret = set_up(ada, NOW)
    assert not is_accepted(ada, code(secret, NOW), NOW)


def test_of_many_at_once_with_one_totp_code_one_gets_in(ada: int, app: Flask) -> None:
    secret = set_up(ada, later(-3600))
    typed = code(secret, NOW)

    def attempt(_number: int) -> bool:
        with app.app_context():
            return is_accepted(ada, typed, NOW)

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(8))) == 1


def test_a_clock_that_was_ahead_neither_locks_out_nor_revives_a_code(ada: int) -> None:
    secret = set_up(ada, later(-3600))
    ahead = later(24 * 3600)
    assert is_accepted(ada, code(secret, ahead), ahead)
    assert is_accepted(ada, code(secret, NOW), NOW), "the clock is right again"
    assert not is_accepted(ada, code(secret, ahead), ahead), "that time comes again a day later"
    assert not is_accepted(ada, code(secret, NOW), NOW)


def test_a_replaced_app_counts_no_more_and_its_steps_stay_used(ada: int) -> None:
    former = set_up(ada, later(-7200))
    current = set_up(ada, later(-3600))
    assert not is_accepted(ada, code(former, NOW), NOW)
    assert is_accepted(ada, code(current, NOW), NOW)


def test_an_app_that_waits_for_its_first_code_does_not_count(ada: int) -> None:
    secret = set_up(ada, later(-3600))
    with write() as session:
        totp.begin(session, ada)
    waiting = totp.pending_secret(ada)
    assert waiting is not None
    assert not is_accepted(ada, code(waiting, NOW), NOW)
    assert is_accepted(ada, code(secret, NOW), NOW)


def test_a_thousand_steps_are_remembered(ada: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totp, "_MOST_REMEMBERED", 2)
    secret = set_up(ada, later(-3600))
    for number in range(4):
        assert is_accepted(ada, code(secret, later(30 * number)), later(30 * number))
    assert db.session.query(UsedTotpStep).count() == 2
    assert not is_accepted(ada, code(secret, later(90)), later(90))
