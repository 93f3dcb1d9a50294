"""Rung C: a session ends by itself, by signing out, and never by moving the clock a little."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest
from flask import Flask, Response, current_app
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from harmony import clock
from harmony.db import db, sqlite_module, write, write_lock
from harmony.models import SignInSession, User
from harmony.security import sessions
from harmony.security.sessions import FlashCookie
from harmony.worker.tasks import sweep

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)


@pytest.fixture
def ada(bare: Flask) -> User:
    user = User(name="ada", name_key="ada", role="administrator", password_hash="-", created_at=NOW)
    with write() as session:
        session.add(user)
    return user


def minutes(count: float) -> datetime:
    return NOW + timedelta(minutes=count)


def test_a_token_leads_to_its_user(ada: User) -> None:
    token = sessions.open_session(ada, NOW)
    found = sessions.session_for(token, NOW)
    assert found is not None
    assert found.user is ada


@pytest.mark.parametrize("token", [None, "", "hrmns_guess", "ü", "x" * 10_000])
def test_an_unknown_token_leads_to_nobody(ada: User, token: str | None) -> None:
    sessions.open_session(ada, NOW)
    assert sessions.session_for(token, NOW) is None


def test_every_session_has_a_new_token_of_256_bits(ada: User) -> None:
    tokens = {sessions.open_session(ada, NOW) for _ in range(5)}
    assert len(tokens) == 5
    assert all(len(token) == len("hrmns_") + 43 for token in tokens)


def test_the_token_is_not_in_the_database_file(ada: User, tmp_path: Path) -> None:
    token = sessions.open_session(ada, NOW)
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("harmony.db*"))
    assert b"administrator" in kept
    assert token.removeprefix("hrmns_").encode() not in kept


def test_it_ends_after_thirty_idle_minutes(ada: User) -> None:
    token = sessions.open_session(ada, NOW)
    assert sessions.session_for(token, minutes(29.9)) is not None
    assert sessions.session_for(token, minutes(59.8)) is not None
    assert sessions.session_for(token, minutes(89.8)) is None


def test_it_ends_after_twelve_hours_of_steady_use(ada: User) -> None:
    token = sessions.open_session(ada, NOW)
    for count in range(20, 12 * 60, 20):
        assert sessions.session_for(token, minutes(count)) is not None
    assert sessions.session_for(token, minutes(12 * 60)) is None


def test_its_last_use_is_written_at_most_once_a_minute(ada: User) -> None:
    token = sessions.open_session(ada, NOW)
    seen = []
    for seconds in (0, 30, 59, 60, 90, 119, 120):
        found = sessions.session_for(token, NOW + timedelta(seconds=seconds))
        assert found is not None
        seen.append((found.seen_at - NOW).total_seconds())
    assert seen == [0, 0, 0, 60, 60, 60, 120]


@pytest.mark.parametrize(("minute", "waited"), [(2, 0.05), (11, 30)])
def test_no_page_waits_for_other_writers_to_note_that_it_was_asked_for_until_it_must(
    ada: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minute: int, waited: float
) -> None:
    assert seconds_waited(ada, tmp_path, monkeypatch, minute) == pytest.approx(waited, abs=0.01)


@pytest.mark.parametrize(("minute", "waited"), [(2, 0.05), (3, 30)])
def test_where_a_session_ends_earlier_a_page_waits_earlier_too(
    ada: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minute: int, waited: float
) -> None:
    sessions.init_app(current_app, idle=timedelta(minutes=5))
    assert seconds_waited(ada, tmp_path, monkeypatch, minute) == pytest.approx(waited, abs=0.01)


def seconds_waited(ada: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minute: int) -> float:
    """Ask for a page while somebody else writes; it is shown, and its session is not noted."""
    token, slept = sessions.open_session(ada, NOW), [0.0]
    monkeypatch.setattr(write_lock, "monotonic", lambda: sum(slept))
    monkeypatch.setattr(write_lock, "sleep", slept.append)
    with closing(sqlite_module().connect(tmp_path / "harmony.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        found = sessions.session_for(token, minutes(minute))
    assert found is not None
    assert found.seen_at == NOW
    return sum(slept)


def test_a_clock_that_was_set_back_a_little_neither_signs_out_nor_prolongs(ada: User) -> None:
    token = sessions.open_session(ada, NOW)
    assert sessions.session_for(token, minutes(-29)) is not None
    assert sessions.session_for(token, minutes(-10)) is not None
    assert sessions.session_for(token, minutes(20)) is None


@pytest.mark.parametrize("ahead", [timedelta(minutes=30), timedelta(hours=5), timedelta(days=400)])
def test_a_session_of_a_clock_that_was_ahead_is_not_valid_until_that_time_has_come(
    ada: User, ahead: timedelta
) -> None:
    token = sessions.open_session(ada, NOW + ahead)
    assert sessions.session_for(token, NOW) is None
    sessions.sweep(NOW)
    assert db.session.scalar(select(func.count()).select_from(SignInSession)) == 0


def test_a_session_in_steady_use_of_a_clock_that_was_ahead_ends_as_well(ada: User) -> None:
    token = sessions.open_session(ada, NOW + timedelta(hours=12))
    with write() as session:
        session.execute(update(SignInSession).values(seen_at=NOW))
    assert sessions.session_for(token, NOW) is None
    with write() as session:
        session.execute(update(SignInSession).values(created_at=NOW + timedelta(hours=11, minutes=59)))
    assert sessions.session_for(token, NOW) is not None


@pytest.mark.parametrize("jump", [timedelta(hours=3), timedelta(days=2), timedelta(days=-300)])
def test_a_jump_of_the_clock_there_and_back_ends_no_session(
    app: Flask, signed_in: FlaskClient, monkeypatch: pytest.MonkeyPatch, jump: timedelta
) -> None:
    real = datetime.now

    class Jumped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return real(tz) + jump

    monkeypatch.setattr(clock, "datetime", Jumped)
    assert abs(clock.now() - real(UTC) - jump) < timedelta(minutes=1)
    assert signed_in.get("/devices").status_code == 200
    with app.app_context():
        sweep()
    monkeypatch.undo()
    assert signed_in.get("/devices").status_code == 200


def test_steady_time_goes_on_as_the_clock_does() -> None:
    before, start = clock.now(), clock.steady()
    assert abs(start - before) < timedelta(hours=1)
    assert clock.steady() >= start


def test_signing_out_ends_this_session_only(ada: User) -> None:
    here, there = sessions.open_session(ada, NOW), sessions.open_session(ada, NOW)
    sessions.close_session(here)
    sessions.close_session("hrmns_unknown")
    sessions.close_session(None)
    assert sessions.session_for(here, NOW) is None
    assert sessions.session_for(there, NOW) is not None


def test_sweeping_ends_exactly_what_has_expired_and_forgets_it_later(ada: User) -> None:
    """An ended session stays ended whatever the clock does, and tells for some days whose it was."""
    idle, living = sessions.open_session(ada, NOW), sessions.open_session(ada, minutes(5))
    assert sessions.former_user(idle, minutes(29)) is None
    assert sessions.former_user(idle, minutes(30)) == ada.id
    sessions.sweep(minutes(30))
    assert sessions.session_for(idle, NOW) is None
    assert sessions.former_user(idle, minutes(31)) == ada.id
    assert sessions.former_user(idle, NOW + sessions.REMEMBERED) is None
    assert sessions.former_user(living, minutes(30)) is None
    assert sessions.session_for(living, minutes(30)) is not None
    sessions.sweep(NOW + sessions.REMEMBERED)
    assert db.session.scalar(select(func.count()).select_from(SignInSession)) == 1


@pytest.mark.parametrize(
    ("address", "name", "secure"),
    [("https://h.example", "__Host-harmony", True), ("http://10.0.0.5", "harmony", False)],
)
def test_the_cookie_fits_the_scheme(bare: Flask, address: str, name: str, secure: bool) -> None:
    with bare.test_request_context(base_url=address):
        response = Response()
        sessions.set_cookie(response, "t")
    parts = response.headers["Set-Cookie"].split("; ")
    assert parts[0] == f"{name}=t"
    assert {"HttpOnly", "Path=/", "SameSite=Lax"} <= set(parts)
    assert ("Secure" in parts) is secure
    assert not any(part.startswith("Domain") for part in parts)


def test_a_plain_cookie_does_not_count_over_https(bare: Flask) -> None:
    with bare.test_request_context(base_url="https://h.example", headers={"Cookie": "harmony=planted"}):
        assert sessions.read_cookie() is None


def test_flask_s_own_cookie_has_the_same_attributes(bare: Flask) -> None:
    cookie = FlashCookie()
    with bare.test_request_context(base_url="https://h.example"):
        assert (cookie.get_cookie_name(bare), cookie.get_cookie_secure(bare)) == (
            "__Host-harmony-notes",
            True,
        )
        assert (cookie.get_cookie_samesite(bare), cookie.get_cookie_httponly(bare)) == ("Lax", True)
        assert (cookie.get_cookie_domain(bare), cookie.get_cookie_path(bare)) == (None, "/")
