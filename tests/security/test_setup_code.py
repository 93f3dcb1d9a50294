"""Rung M: the set-up code makes exactly one administrator, for whoever read it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from harmony.db import db
from harmony.models import SetupCode, User
from harmony.security import setup_code, users
from tests import preloaded

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
GOOD = "seven tall giraffes"
ROOT = Path(__file__).resolve().parents[2]
RACER = """
import sys
from datetime import UTC, datetime
from flask import Flask
from harmony import db
from harmony.security import setup_code
app = Flask("racer")
db.init_app(app, sys.argv[1])
with app.app_context():
    sys.stdout.write("ready\\n"); sys.stdout.flush(); sys.stdin.readline()
    try:
        now = datetime(2026, 11, 24, 8, 1, tzinfo=UTC)
        setup_code.redeem_and_create(sys.argv[2], sys.argv[3], "seven tall giraffes", now)
        sys.stdout.write("won")
    except setup_code.WrongCode:
        sys.stdout.write("lost")
"""


def issued() -> str:
    code = setup_code.issue(NOW)
    assert code is not None
    return code


def test_the_code_can_be_read_aloud_and_is_not_stored(bare: Flask, tmp_path: Path) -> None:
    code = issued()
    assert re.fullmatch(r"HRMN(-[0-9A-HJKMNP-TV-Z]{4}){3}", code)
    db.session.rollback()
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("harmony.db*"))
    assert code.encode() not in kept
    assert code.replace("-", "")[4:].encode() not in kept


def test_it_makes_the_administrator_once(bare: Flask) -> None:
    code = issued()
    user = setup_code.redeem_and_create(code, "ada", GOOD, NOW)
    assert (user.name, user.role) == ("ada", "administrator")
    with pytest.raises(setup_code.WrongCode):
        setup_code.redeem_and_create(code, "bob", GOOD, NOW)
    assert setup_code.issue(NOW) is None
    assert db.session.scalar(select(func.count()).select_from(SetupCode)) == 0


@pytest.mark.parametrize("spelling", ["lower", "spaces", "bare", "misread"])
def test_it_is_understood_however_it_is_typed(bare: Flask, spelling: str) -> None:
    code = issued()
    typed = {
        "lower": code.lower(),
        "spaces": f" {code.replace('-', ' ')}\n",
        "bare": code.removeprefix("HRMN-"),
        "misread": code.replace("0", "O").replace("1", "l"),
    }[spelling]
    assert setup_code._is_current(typed, NOW)


@pytest.mark.parametrize("code", ["", "HRMN-0000-0000-0000", "HRMN", "ü"])
def test_a_wrong_code_makes_nobody(bare: Flask, code: str) -> None:
    issued()
    with pytest.raises(setup_code.WrongCode):
        setup_code.redeem_and_create(code, "ada", GOOD, NOW)
    assert not users.any_user()


def test_a_new_code_replaces_the_former_one(bare: Flask) -> None:
    former, current = issued(), issued()
    assert not setup_code._is_current(former, NOW)
    assert setup_code._is_current(current, NOW)


def test_a_code_expires_after_a_day(bare: Flask) -> None:
    code = issued()
    assert setup_code._is_current(code, NOW + timedelta(hours=23, minutes=59))
    assert not setup_code._is_current(code, NOW + timedelta(hours=24))


def test_a_code_of_a_clock_that_was_ahead_is_not_valid_for_ever(bare: Flask) -> None:
    code = setup_code.issue(NOW + timedelta(days=1)) or ""
    assert not setup_code._is_current(code, NOW)
    assert setup_code._is_current(code, NOW + timedelta(minutes=1))


def test_an_unfit_password_leaves_the_code_usable(bare: Flask) -> None:
    code = issued()
    with pytest.raises(users.UnfitPassword):
        setup_code.redeem_and_create(code, "ada", "short", NOW)
    assert setup_code._is_current(code, NOW)


@pytest.mark.processes
def test_of_two_at_once_exactly_one_becomes_administrator(bare: Flask, tmp_path: Path) -> None:
    code, url = issued(), f"sqlite:///{tmp_path / 'harmony.db'}"
    racers = [preloaded.Piped("-c", RACER, url, code, name) for name in ("ada", "bob", "cy")]
    assert {racer.line() for racer in racers} == {"ready"}
    for racer in racers:
        racer.tell("go")
    assert sorted(racer.rest() for racer in racers) == ["lost", "lost", "won"]
    assert db.session.scalar(select(func.count()).select_from(User)) == 1
