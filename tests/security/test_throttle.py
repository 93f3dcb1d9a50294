"""Rungs C and M: how often may be tried, whatever the clock and however many processes count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from harmony.db import db
from harmony.models import KnownAddress, ThrottleBucket
from harmony.security import known_addresses, rate_limit
from tests import preloaded

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
RACER = """
import sys
from datetime import UTC, datetime
from flask import Flask
from harmony import db
from harmony.security.rate_limit import take
app = Flask("racer")
db.init_app(app, sys.argv[1])
with app.app_context():
    now = datetime(2026, 11, 24, 8, tzinfo=UTC)
    sys.stdout.write(str(sum(take("k", 50, 3600, now) == 0 for _ in range(40))))
"""


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def keys() -> list[str]:
    return list(db.session.scalars(select(ThrottleBucket.key)))


def test_the_tries_are_used_up_and_come_back_one_by_one(bare: Flask) -> None:
    assert [rate_limit.take("k", 3, 30, NOW) for _ in range(4)] == [0, 0, 0, 10]
    assert rate_limit.take("k", 3, 30, later(4)) == pytest.approx(6)
    assert rate_limit.take("k", 3, 30, later(10)) == 0
    assert rate_limit.take("k", 3, 30, later(10)) == pytest.approx(10)


def test_asking_too_early_does_not_cost_anything(bare: Flask) -> None:
    for second in range(10):
        rate_limit.take("k", 1, 10, later(second))
    assert rate_limit.take("k", 1, 10, later(10)) == 0


def test_no_more_than_the_capacity_is_ever_saved_up(bare: Flask) -> None:
    rate_limit.take("k", 2, 10, NOW)
    assert [rate_limit.take("k", 2, 10, later(9999)) == 0 for _ in range(3)] == [True, True, False]


def test_a_clock_that_was_set_back_neither_gives_nor_blocks_for_long(bare: Flask) -> None:
    assert rate_limit.take("k", 1, 10, NOW) == 0
    assert rate_limit.take("k", 1, 10, later(-3600)) == pytest.approx(10)
    assert rate_limit.take("k", 1, 10, later(-3590)) == 0


def test_one_address_guesses_one_account_five_times(bare: Flask) -> None:
    waits = [rate_limit.sign_in_wait("192.0.2.1", name, NOW) for name in ("ada", "ADA", " ada", "Ada", "ada")]
    assert waits == [0] * 5
    assert rate_limit.sign_in_wait("192.0.2.1", "ada", NOW) == pytest.approx(60)
    assert rate_limit.sign_in_wait("192.0.2.1", "bob", NOW) == 0


def test_nobody_is_locked_out_from_where_they_signed_in_before(bare: Flask) -> None:
    known_addresses.remember("203.0.113.9", "Ada", NOW - timedelta(days=89))
    for number in range(200):
        rate_limit.sign_in_wait(f"192.0.2.{number}", "ada", NOW)
        rate_limit.sign_in_wait("198.51.100.1", "ada", NOW)
    assert rate_limit.sign_in_wait("203.0.113.9", "ada", NOW) == 0
    assert rate_limit.sign_in_wait("203.0.113.9", "bob", NOW) == 0


def test_a_name_that_many_strangers_try_is_slowed_for_strangers_and_not_for_good(bare: Flask) -> None:
    waits = [rate_limit.sign_in_wait(f"192.0.2.{number}", "ada", NOW) for number in range(61)]
    assert waits == [*[0] * 60, pytest.approx(60)]
    assert rate_limit.sign_in_wait("203.0.113.9", "ADA", later(60)) == 0


def test_a_known_address_is_forgotten_after_ninety_days_and_names_nobody(bare: Flask) -> None:
    known_addresses.remember("203.0.113.9", "ada", NOW)
    assert known_addresses.is_known("203.0.113.9", "ADA", NOW + timedelta(days=89))
    assert not known_addresses.is_known("203.0.113.9", "bob", NOW)
    assert not known_addresses.is_known("203.0.113.9", "ada", NOW + timedelta(days=90))
    stored = db.session.scalars(select(KnownAddress.key)).one()
    assert not {"ada", "203"} & {stored[:3], stored[-3:]}
    known_addresses.sweep(NOW + timedelta(days=90))
    assert db.session.scalars(select(KnownAddress.key)).all() == []


def test_one_address_guesses_thirty_accounts_and_no_more(bare: Flask) -> None:
    waits = [rate_limit.sign_in_wait("192.0.2.1", f"user{number}", NOW) for number in range(31)]
    assert waits == [*[0] * 30, pytest.approx(30)]


def test_the_addresses_of_one_ipv6_network_count_as_one(bare: Flask) -> None:
    waits = [rate_limit.sign_in_wait(f"2001:db8::{number:x}", "ada", NOW) for number in range(6)]
    assert waits[4:] == [0, pytest.approx(60)]
    assert rate_limit.sign_in_wait("2001:db8:0:1::1", "ada", NOW) == 0


@pytest.mark.parametrize("ip", [None, "", "nonsense", "::ffff:192.0.2.1", "fe80::1%eth0"])
def test_any_address_can_be_counted(bare: Flask, ip: str | None) -> None:
    assert rate_limit.sign_in_wait(ip, "ada", NOW) == 0


def test_who_got_in_starts_afresh(bare: Flask) -> None:
    for _ in range(100):
        assert rate_limit.sign_in_wait("192.0.2.1", "ada", NOW) == 0
        rate_limit.sign_in_succeeded("192.0.2.1", "ada", NOW)


def test_a_success_does_not_pay_for_guessing_other_accounts(bare: Flask) -> None:
    for number in range(29):
        rate_limit.sign_in_wait("192.0.2.1", f"user{number}", NOW)
    assert rate_limit.sign_in_wait("192.0.2.1", "ada", NOW) == 0
    rate_limit.sign_in_succeeded("192.0.2.1", "ada", NOW)
    assert rate_limit.sign_in_wait("192.0.2.1", "bob", NOW) == 0
    assert rate_limit.sign_in_wait("192.0.2.1", "cy", NOW) > 0


def test_what_was_typed_as_a_name_is_not_stored(bare: Flask) -> None:
    rate_limit.sign_in_wait("192.0.2.1", "my secret password", NOW)
    assert not any("secret" in key for key in keys())
    assert max(map(len, keys())) <= 128


def test_set_up_codes_are_guessed_ten_times(bare: Flask) -> None:
    assert [rate_limit.setup_wait("192.0.2.1", NOW) for _ in range(11)] == [*[0] * 10, pytest.approx(60)]


def test_old_buckets_are_swept(bare: Flask) -> None:
    rate_limit.take("old", 1, 10, NOW)
    rate_limit.take("new", 1, 10, later(60))
    rate_limit.sweep(later(24 * 3600 + 30))
    assert keys() == ["new"]


@pytest.mark.processes
def test_several_processes_share_the_tries(bare: Flask, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'harmony.db'}"
    racers = [preloaded.Piped("-c", RACER, url) for _ in range(3)]
    assert sum(int(racer.rest()) for racer in racers) == 50
