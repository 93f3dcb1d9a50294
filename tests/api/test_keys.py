"""API keys: what they open, what they do not, and that nothing of them can be read again (rung R)."""

from __future__ import annotations

import string
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select, update

from harmony.clock import now
from harmony.db import db, write
from harmony.models import ApiKey, AuditEntry, Role, RoleSettings, User
from harmony.security import api_keys, key_format
from harmony.security.api_keys import NewApiKey, UnusableKey, opened_by
from harmony.security.users import create_user
from tests.api.program import YEAR, Program, new_key, problem_of
from tests.database import on_both

database = on_both
DAY = timedelta(days=1)


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is asked of the database meanwhile."""
    asked: list[str] = []

    def note(*details: object) -> None:
        asked.append(str(details[2]))

    event.listen(db.engine, "before_cursor_execute", note)
    yield asked
    event.remove(db.engine, "before_cursor_execute", note)


def a_user(role: Role = Role.OPERATOR, **changes: object) -> int:
    user_id = create_user("kim", "eleven quiet lanterns over Oslo", role, now()).id
    if changes:
        with write() as session:
            session.execute(update(User).where(User.id == user_id).values(changes))
    return user_id


def refused(key: str) -> str:
    with pytest.raises(UnusableKey) as caught:
        opened_by(key, now())
    return caught.value.code


def test_a_key_opens_with_its_own_role_and_scope(context: Flask) -> None:
    key_id, key = new_key(Role.OPERATOR, scope=["1:570"], hides_personal_data=True)
    opened, principal = opened_by(key, now())
    assert opened == key_id
    assert (principal.user_id, principal.role, principal.scope) == (None, Role.OPERATOR, frozenset({"1:570"}))
    assert principal.hides_personal_data
    assert principal.name == "API key sales"


def test_only_the_hash_of_a_key_is_stored(context: Flask) -> None:
    key_id, key = new_key()
    row = db.session.get_one(ApiKey, key_id)
    stored = " ".join(str(getattr(row, column.key)) for column in ApiKey.__table__.columns)
    assert key not in stored
    assert key.removeprefix(row.start) not in stored
    assert row.start == key[:14]


def test_whoever_makes_or_revokes_a_key_is_in_the_audit_without_the_key(context: Flask) -> None:
    key_id, key = new_key()
    assert api_keys.revoke(key_id, "lee", now())
    assert not api_keys.revoke(key_id, "lee", now())
    entries = db.session.execute(select(AuditEntry.who, AuditEntry.what, AuditEntry.detail)).all()
    assert [entry[:2] for entry in entries] == [
        ("admin", "Created an API key"),
        ("lee", "Revoked an API key"),
    ]
    assert all(key[:14] in entry.detail and key[15:] not in entry.detail for entry in entries)


def test_a_revoked_and_an_expired_key_say_so(context: Flask) -> None:
    key_id, key = new_key()
    api_keys.revoke(key_id, "lee", now())
    assert refused(key) == "key_revoked"
    _, old = api_keys.create(NewApiKey("old", Role.VIEWER, YEAR), "admin", now() - YEAR - DAY)
    assert refused(old) == "key_expired"


def test_a_key_of_a_user_never_reaches_further_than_the_user(context: Flask) -> None:
    user_id = a_user(Role.VIEWER, scope=["1:570", "1:571"])
    key = new_key(Role.OPERATOR, user_id=user_id, scope=["1:571", "1:572"])[1]
    _, principal = opened_by(key, now())
    assert (principal.user_id, principal.role) == (user_id, Role.VIEWER)
    assert principal.scope == frozenset({"1:571"})


def test_a_key_of_a_disabled_user_opens_nothing(context: Flask) -> None:
    key = new_key(user_id=a_user(disabled_at=now()))[1]
    assert refused(key) == "key_disabled"


def test_a_key_hides_what_its_role_hides(context: Flask) -> None:
    with write() as session:
        session.add(RoleSettings(role=Role.VIEWER, hides_personal_data=True))
    assert opened_by(new_key(Role.VIEWER)[1], now())[1].hides_personal_data
    assert not opened_by(new_key(Role.OPERATOR)[1], now())[1].hides_personal_data


def test_the_last_use_is_written_at_most_every_five_minutes(context: Flask) -> None:
    key_id, key = new_key()
    at = now()
    opened_by(key, at)
    opened_by(key, at + timedelta(minutes=4))
    assert db.session.get_one(ApiKey, key_id).last_used_at == at
    opened_by(key, at + timedelta(minutes=6))
    db.session.expire_all()
    assert db.session.get_one(ApiKey, key_id).last_used_at == at + timedelta(minutes=6)


def test_a_key_with_a_wrong_checksum_is_refused_without_asking_the_database(context: Flask) -> None:
    key = new_key()[1]
    wrong = key[:-1] + ("0" if key[-1] != "0" else "1")
    with statements() as asked:
        assert refused(wrong) == "key_unknown"
    assert asked == []


@given(
    place=st.integers(0, len(key_format.complete("a" * 8, "b" * 32)) - 1),
    letter=st.sampled_from(string.printable),
)
def test_every_single_typing_error_is_found(place: int, letter: str) -> None:
    key = key_format.complete("aB3dE6gH", "x" * 31 + "Y")
    typed = key[:place] + letter + key[place + 1 :]
    assert key_format.is_well_formed(typed) == (typed == key)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer \xff", "hrmnk_x"])
def test_without_a_key_there_is_nothing_but_the_document(app: Flask, header: str) -> None:
    client = app.test_client()
    answer = client.get("/api/v1/devices", headers={"Authorization": header})
    assert problem_of(answer) == "key_unknown"
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert client.get("/api/v1/openapi.json").status_code == 200


def test_a_session_of_a_browser_opens_no_api(signed_in: object, app: Flask) -> None:
    answer = signed_in.get("/api/v1/devices")  # type: ignore[attr-defined]
    assert problem_of(answer) == "key_unknown"


def test_many_wrong_keys_of_an_address_are_slowed_down_and_a_right_one_is_heard(app: Flask) -> None:
    program = Program.with_role(app)
    wrong = Program(app, "hrmnk_nothing")
    codes = {problem_of(wrong.get("/devices")) for _ in range(70)}
    assert codes == {"key_unknown", "too_many"}
    assert int(wrong.get("/devices").headers["Retry-After"]) >= 1
    assert program.get("/devices").status_code == 200
