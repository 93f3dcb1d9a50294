"""While the UEM asked to wait, pages say until when and buttons start nothing. Rungs: R, S for Verify."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from harmony.clock import now
from harmony.db import write
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.jobs.shared_state import shared_state
from harmony.models import Worker
from harmony.simulator.server import RunningSimulator
from harmony.uem.http.server_wait import ServerWait
from tests.builders import an_integration
from tests.web.walking import Walk


def keep(app: Flask, origin: str, *, quota: bool = False) -> str:
    """A wait of half an hour, and how the pages call its end."""
    began = now()
    with app.app_context():
        wait = ServerWait(origin, began, began + timedelta(minutes=30), quota)
        shared_state().keep_wait(wait)
    return wait.sentence(began)


def at_work(app: Flask) -> int:
    with app.app_context():
        id_ = an_integration()
        with write() as session:
            session.add(Worker(identity="here", started_at=now(), seen_at=now()))
        return id_


@pytest.mark.parametrize("quota", [False, True])
def test_sync_now_says_when_it_starts_and_starts_nothing(
    app: Flask, signed_in: FlaskClient, quota: bool
) -> None:
    id_ = at_work(app)
    says = keep(app, "https://uem.test", quota=quota)
    assert ("day are used up" if quota else "asked to wait until") in says
    answer = signed_in.post(f"/integrations/{id_}/sync", follow_redirects=True)
    page = answer.get_data(as_text=True)
    assert f"{says.replace(chr(39), '&#39;')} The sync starts by itself after that." in page
    assert "Syncs, app syncs and tagging start again after that." in page
    assert "It starts in a moment" not in page
    with app.app_context():
        assert lease.due_of(JobKind.DEVICES, now()) == []
        assert lease.due_of(JobKind.DEVICES, now() + timedelta(minutes=31)) == [id_]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("jobs/apps", "App sync starts again after that."),
        ("jobs/tagging", "Tagging starts again after that."),
        ("tags", "Tags are pushed again after that."),
    ],
)
def test_apps_and_tags_say_it_too(app: Flask, signed_in: FlaskClient, path: str, words: str) -> None:
    id_ = at_work(app)
    says = keep(app, "https://uem.test")
    page = signed_in.get(f"/integrations/{id_}/{path}").get_data(as_text=True)
    assert f"{says} {words}" in page
    other = keep(app, "https://other.test")
    assert other == says or other not in page


def test_a_wait_of_another_server_is_not_told(app: Flask, signed_in: FlaskClient) -> None:
    id_ = at_work(app)
    keep(app, "https://uem.test:8443")
    for path in ("", "/jobs/apps", "/tags"):
        assert "asked to wait" not in signed_in.get(f"/integrations/{id_}{path}").get_data(as_text=True)


def test_verify_calls_nobody_inside_the_wait_and_says_until_when(
    app: Flask, signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    walk = Walk.begin(signed_in)
    says = keep(app, uem.url)
    page = walk.verify("server")
    assert says in page
    assert dict(uem.tenant.meter.calls) == {}
    assert uem.tenant.gate.issued == 0


def test_verify_and_the_list_of_groups_share_one_token(signed_in: FlaskClient, uem: RunningSimulator) -> None:
    walk = Walk.begin(signed_in).to_tagging()
    page = walk.verify("server")
    assert "The token that the token service gave before is still valid." in page
    assert uem.tenant.gate.issued == 1
