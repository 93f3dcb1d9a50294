"""Rung R: of many who sign in at once a few are hashed, a few wait, and the others are told so."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Lock

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from harmony.clock import now
from harmony.models import Role
from harmony.security import passwords, setup_code, users
from harmony.security.passwords import MOST_AT_ONCE, MOST_WAITING, TooManyAtOnce
from tests.conftest import ADMINISTRATOR, CHEAP, PASSWORD
from tests.waiting import wait_for

MANY = 30


class SlowHasher:
    """Hashes that end when the test lets them; `most` is how many ran at once."""

    def __init__(self) -> None:
        self.go_on, self.lock = Event(), Lock()
        self.running = self.most = 0

    def hash(self, password: str) -> str:
        self._wait()
        return CHEAP.hash(password)

    def verify(self, stored: str, password: str) -> bool:
        self._wait()
        return CHEAP.verify(stored, password)

    def check_needs_rehash(self, _stored: str) -> bool:
        return False

    def _wait(self) -> None:
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.go_on.wait(20)
        with self.lock:
            self.running -= 1


@pytest.fixture
def hasher(monkeypatch: pytest.MonkeyPatch) -> SlowHasher:
    """In force from when the test sets it; nobody gives up waiting meanwhile."""
    monkeypatch.setattr(passwords, "LONGEST_WAIT_SECONDS", 60.0)
    return SlowHasher()


def all_at_once(
    app: Flask, hasher: SlowHasher, path: str, data: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> list[TestResponse]:
    """Thirty browsers of as many addresses send a form; they are let go when all others were answered."""
    monkeypatch.setattr(passwords, "_hasher", hasher)

    def send(number: int) -> TestResponse:
        return app.test_client().post(path, data=data, environ_base={"REMOTE_ADDR": f"198.51.100.{number}"})

    with ThreadPoolExecutor(MANY) as threads:
        sent: list[Future[TestResponse]] = [threads.submit(send, number) for number in range(MANY)]
        refused = MANY - MOST_AT_ONCE - MOST_WAITING
        wait_for(lambda: sum(one.done() for one in sent) == refused, "the answers to those who cannot wait")
        hasher.go_on.set()
        return [one.result() for one in sent]


def test_of_thirty_sign_ins_at_once_two_are_hashed_and_six_wait(
    app: Flask, client: FlaskClient, hasher: SlowHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client
    data = {"name": ADMINISTRATOR, "password": PASSWORD}
    answers = all_at_once(app, hasher, "/sign-in", data, monkeypatch)
    assert hasher.most == MOST_AT_ONCE
    assert Counter(answer.status_code for answer in answers) == {303: 8, 429: 22}
    busy = [answer for answer in answers if answer.status_code == 429]
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in busy)
    assert all("Too many people" in answer.text for answer in busy)
    assert all(f'value="{ADMINISTRATOR}"' in answer.text for answer in busy)


def test_wrong_names_are_hashed_within_the_same_bound(
    app: Flask, client: FlaskClient, hasher: SlowHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client
    answers = all_at_once(app, hasher, "/sign-in", {"name": "nobody", "password": PASSWORD}, monkeypatch)
    assert hasher.most == MOST_AT_ONCE
    assert Counter(answer.status_code for answer in answers) == {422: 8, 429: 22}


def test_of_thirty_set_ups_with_the_code_one_wins_and_few_are_hashed(
    app: Flask, hasher: SlowHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        code = setup_code.issue(now())
    data = {"code": code or "", "name": "kim", "password": PASSWORD}
    answers = all_at_once(app, hasher, "/setup", data, monkeypatch)
    assert hasher.most == MOST_AT_ONCE
    found = Counter(answer.status_code for answer in answers)
    assert (found[303], found[429]) == (1, 22)


def test_who_was_not_looked_at_has_used_no_try(
    client: FlaskClient, hasher: SlowHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_args: object) -> None:
        raise TooManyAtOnce

    data = {"name": ADMINISTRATOR, "password": PASSWORD}
    with monkeypatch.context() as patch:
        patch.setattr(users, "check_password", busy)
        assert {client.post("/sign-in", data=data).status_code for _ in range(40)} == {429}
    assert client.post("/sign-in", data=data).status_code == 303


def test_a_place_is_given_back_whatever_happens(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    users.create_user(ADMINISTRATOR, PASSWORD, Role.ADMINISTRATOR, now())
    for _ in range(3 * (MOST_AT_ONCE + MOST_WAITING)):
        assert users.authenticate(ADMINISTRATOR, "wrong") is None
        assert not passwords.check_password("no hash", "x")
    monkeypatch.setattr(passwords, "_hasher", None)
    for _ in range(3 * (MOST_AT_ONCE + MOST_WAITING)):
        with pytest.raises(AttributeError):
            passwords.hash_password("x")


def test_who_waits_too_long_is_told_so(hasher: SlowHasher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_hasher", hasher)
    with ThreadPoolExecutor(MOST_AT_ONCE) as threads:
        first = [threads.submit(passwords.hash_password, "x") for _ in range(MOST_AT_ONCE)]
        wait_for(lambda: hasher.running == MOST_AT_ONCE, "those who are hashed")
        monkeypatch.setattr(passwords, "LONGEST_WAIT_SECONDS", 0.01)
        with pytest.raises(TooManyAtOnce):
            passwords.hash_password("x")
        hasher.go_on.set()
        assert all(one.result() for one in first)


def test_a_hash_that_should_be_renewed_waits_for_a_quiet_time(
    context: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    users.create_user(ADMINISTRATOR, PASSWORD, Role.ADMINISTRATOR, now())

    def busy(_password: str) -> str:
        raise TooManyAtOnce

    monkeypatch.setattr(users, "needs_rehash", lambda _stored: True)
    monkeypatch.setattr(users, "hash_password", busy)
    assert users.authenticate(ADMINISTRATOR, PASSWORD) is not None
