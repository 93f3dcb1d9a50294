"""How often a part of a page is made for browsers that follow a run. Rungs: pure, shell."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import count

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from harmony.db import write
from harmony.models import JobRun, Role, SyncRunState
from harmony.web.shared.shared_answers import SharedAnswers
from tests.builders import NOON, an_integration
from tests.web.test_roles import sign_in
from tests.web.test_runs import a_run, statements

COUNT = "\nSELECT\n    CASE WHEN (SELECT count(*) FROM integration)"


class Clock:
    """Monotonic seconds that a test sets."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands still, so that a slow machine does not make an answer old."""
    clock = Clock()
    monkeypatch.setattr("harmony.web.shared.shared_answers.monotonic", clock)
    return clock


def numbered() -> Callable[[], str]:
    """Make "1" the first time, then "2"."""
    numbers = count(1)
    return lambda: str(next(numbers))


def test_an_answer_that_was_made_a_moment_ago_is_not_made_again(clock: Clock) -> None:
    shared, make, given = SharedAnswers(), numbered(), []
    for key, clock.at in ((1, 10.0), (1, 11.4), (2, 11.4), (1, 11.5)):
        given.append(shared.of(key, make))
    assert given == ["1", "1", "2", "3"]
    clock.at = 5.0
    assert shared.of(1, make) == "4", "a clock that was set back would keep it for ever"


def test_the_age_of_an_answer_counts_from_when_it_was_made(clock: Clock) -> None:
    shared, make = SharedAnswers(), numbered()

    def slowly() -> str:
        clock.at += 20
        return make()

    assert [shared.of(1, slowly), shared.of(1, slowly)] == ["1", "1"]


class Slow:
    """An answer that is being made in a thread of its own until `finish` is set."""

    def __init__(self, shared: SharedAnswers, error: Exception | None = None) -> None:
        self.error, self.making, self.finish = error, threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._ask, args=(shared,))
        self.thread.start()
        assert self.making.wait(20)

    def _ask(self, shared: SharedAnswers) -> None:
        with suppress(LookupError):
            shared.of(1, self._make)

    def _make(self) -> str:
        self.making.set()
        assert self.finish.wait(20)
        if self.error:
            raise self.error
        return "slow"


def waiting(shared: SharedAnswers, app: Flask, given: list[str]) -> list[threading.Thread]:
    """Eight threads that ask while the slow answer is being made."""

    def ask() -> None:
        with app.app_context():
            try:
                given.append(str(shared.of(1, lambda: "own")))
            except LookupError as error:
                given.append(f"{error!r}")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    return threads


@pytest.mark.parametrize(("error", "wanted"), [(None, "slow"), (LookupError(), "LookupError()")])
def test_whoever_comes_while_it_is_made_waits_for_it_or_its_error(
    app: Flask, monkeypatch: pytest.MonkeyPatch, error: Exception | None, wanted: str
) -> None:
    monkeypatch.setattr("harmony.web.shared.shared_answers._WAIT_SECONDS", 20)
    about_to_wait = threading.Semaphore(0)
    monkeypatch.setattr("harmony.web.shared.shared_answers.release", about_to_wait.release)
    shared, given = SharedAnswers(), []
    slow = Slow(shared, error)
    threads = waiting(shared, app, given)
    assert shared.of(2, lambda: "other") == "other", "another part waits for nobody"
    for _ in threads:
        assert about_to_wait.acquire(timeout=20), "whoever waits keeps no read of the database open"
    slow.finish.set()
    for thread in [slow.thread, *threads]:
        thread.join()
    assert given == [wanted] * 8


def test_whoever_has_waited_long_makes_their_own(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harmony.web.shared.shared_answers._WAIT_SECONDS", 0.01)
    shared, given = SharedAnswers(), []
    slow = Slow(shared)
    for thread in waiting(shared, app, given):
        thread.join()
    assert given == ["own"] * 8
    slow.finish.set()
    slow.thread.join()


def counted(app: Flask, client: FlaskClient, id_: int) -> int:
    """How often the status part of an integration counts its devices."""
    with statements(app) as said:
        assert client.get(f"/integrations/{id_}/status").status_code == 200
    return sum(sql.startswith(COUNT) for sql in said)


@pytest.mark.usefixtures("clock")
def test_browsers_that_follow_a_sync_share_the_answer_and_its_end_is_told_at_once(
    app: Flask, signed_in: FlaskClient
) -> None:
    with app.app_context():
        id_ = an_integration()
    once = counted(app, signed_in, id_)
    assert once > 0
    assert counted(app, signed_in, id_) == once, "nothing is under way: each answer is exact"
    with app.app_context():
        run = a_run(id_, state=SyncRunState.RUNNING, finished_at=None)
    assert counted(app, signed_in, id_) == once
    assert counted(app, signed_in, id_) == 0
    assert "A sync is running." in signed_in.get(f"/integrations/{id_}/status").text
    with app.app_context(), write() as session:
        ended = update(JobRun).where(JobRun.id == run)
        session.execute(ended.values(state=SyncRunState.OK, finished_at=NOON))
    assert "A sync is running." not in signed_in.get(f"/integrations/{id_}/status").text


@pytest.mark.usefixtures("clock")
def test_what_one_person_may_press_is_shown_to_nobody_who_may_not(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        id_ = an_integration()
        a_run(id_, state=SyncRunState.RUNNING, finished_at=None)
    viewer = sign_in(app, Role.VIEWER)
    cancel = f'action="/integrations/{id_}/cancel"'
    assert cancel in signed_in.get(f"/integrations/{id_}/status").text
    assert cancel not in viewer.get(f"/integrations/{id_}/status").text
    assert cancel in signed_in.get(f"/integrations/{id_}/status").text


def test_a_part_of_a_page_takes_no_notice_from_the_next_page(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        id_ = an_integration()
    assert signed_in.post(f"/integrations/{id_}/sync").status_code == 303
    assert signed_in.get(f"/integrations/{id_}/status").status_code == 200
    shown = signed_in.get(f"/integrations/{id_}").get_data(as_text=True)
    assert "asked for" in shown.split('id="main"')[1].split("page-head")[0]
