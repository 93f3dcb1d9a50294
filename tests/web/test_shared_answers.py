"""How often a part of a page is made for browsers that follow a run. Rungs: pure, shell."""

from __future__ import annotations

import threading

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from harmony.db import write
from harmony.models import JobRun, SyncRunState
from harmony.models.access import Role
from harmony.web.shared.shared_answers import SharedAnswers
from tests.builders import NOON, an_integration
from tests.web.test_roles import sign_in
from tests.web.test_runs import a_run, statements

COUNT = "SELECT protection.status, count"


def test_an_answer_that_was_made_a_moment_ago_is_not_made_again() -> None:
    shared, made = SharedAnswers(), []

    def make() -> str:
        made.append(1)
        return str(len(made))

    asked = ((1, 10.0), (1, 10.9), (2, 10.9), (1, 11.0))
    assert [shared.of(key, make, at) for key, at in asked] == ["1", "1", "2", "3"]
    assert shared.of(1, make, 5.0) == "4", "a clock that was set back would keep it for ever"


def test_whoever_comes_while_it_is_made_waits_for_it() -> None:
    shared, made = SharedAnswers(), []
    making, all_there = threading.Event(), threading.Event()

    def make() -> str:
        made.append(1)
        making.set()
        assert all_there.wait(20)
        return ""

    threads = [threading.Thread(target=shared.of, args=(1, make, 10.0)) for _ in range(8)]
    threads[0].start()
    assert making.wait(20)
    for thread in threads[1:]:
        thread.start()
    all_there.set()
    for thread in threads:
        thread.join()
    assert made == [1]


def counted(app: Flask, client: FlaskClient, id_: int) -> int:
    """How often the status part of an integration counts its devices."""
    with statements(app) as said:
        assert client.get(f"/integrations/{id_}/status").status_code == 200
    return sum(sql.startswith(COUNT) for sql in said)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that stands still, so that a slow machine does not make an answer old."""
    monkeypatch.setattr("harmony.web.shared.shared_answers.monotonic", lambda: 100.0)


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
