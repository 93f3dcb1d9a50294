"""Another process holds the database (rungs M and F): a form waits, then says so and keeps what was typed."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from harmony.config import Settings
from harmony.db import db, release
from harmony.jobs.recovery import SILENT
from harmony.models import AuditEntry, JobRun, SetupPage
from harmony.models.configuration import SERVER
from harmony.security.credentials import SECRET_FIELDS
from tests.durability.scene import Scene
from tests.durability.shortage import pragma
from tests.preloaded import Piped
from tests.web.walking import form_of

pytestmark = [pytest.mark.usefixtures("context"), pytest.mark.processes]

HELD_SECONDS = 0.5
HASTY = "busy_timeout=100"
SECRET = "a secret that must be typed again"
NAME = 'Kim\'s "UEM" </textarea>'
PROGRAM = """
import select
import sys
from harmony.db import sqlite_module
connection = sqlite_module().connect(sys.argv[1], timeout=30, isolation_level=None)
connection.execute("BEGIN " + sys.argv[2])
print("held", flush=True)
select.select([sys.stdin], [], [], float(sys.argv[3]))
"""
HIDDEN = re.compile(r'<textarea name="([^"]+)" hidden>\n?([^<]*)</textarea>')


@contextmanager
def held_by_another(settings: Settings, how: str = "IMMEDIATE", seconds: float = 60) -> Iterator[None]:
    """A shell or a backup program in the middle of a transaction, for so long at most."""
    other = Piped("-c", PROGRAM, str(settings.database_file), how, str(seconds))
    try:
        assert other.line() == "held"
        yield
    finally:
        other.rest()


@pytest.mark.parametrize("how", ["IMMEDIATE", "EXCLUSIVE"])
def test_row_52_a_button_answers_503_and_changes_nothing_while_pages_can_be_read(
    scene: Scene, settings: Settings, signed_in: FlaskClient, how: str
) -> None:
    page = f"/integrations/{scene.id}"
    with pragma(HASTY), held_by_another(settings, how):
        answer = signed_in.post(f"{page}/sync")
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "5"
        assert "The database is busy or cannot be written. Nothing was half saved." in answer.get_data(
            as_text=True
        )
        assert signed_in.get(page).status_code == 200
        assert signed_in.get("/devices").status_code == 200
    release()
    asked = select(AuditEntry).where(AuditEntry.who == "admin", AuditEntry.what == "Asked for a sync")
    assert db.session.scalars(asked).all() == []
    assert scene.integration().sync_job.requested_at is None
    assert signed_in.post(f"{page}/sync").status_code == 303


def test_row_52_what_was_typed_is_kept_for_another_try_but_no_secret_is_sent_back(
    scene: Scene, settings: Settings, signed_in: FlaskClient
) -> None:
    page = f"/integrations/{scene.id}/setup/server"
    form = form_of(signed_in.get(page).get_data(as_text=True)).to_dict()
    form |= {"display_name": NAME, "client_id": "  new", "token_address": "https://token.test"}
    with pragma(HASTY), held_by_another(settings):
        before = _draft(scene)
        answer = signed_in.post(page, data=form | {"client_secret": SECRET})
        assert answer.status_code == 503, answer.get_data(as_text=True)
        assert _draft(scene) == before
    text = answer.get_data(as_text=True)
    assert SECRET not in text
    assert f'action="{page}' in text
    again = {name: html.unescape(value) for name, value in HIDDEN.findall(text)}
    assert again == {name: value for name, value in form.items() if name not in SECRET_FIELDS}
    kept = signed_in.post(page, data=again | {"client_secret": SECRET})
    assert _draft(scene)["display_name"] == NAME, re.findall(
        r"(?s)<p[^>]*>.*?</p>", kept.get_data(as_text=True)
    )
    assert _draft(scene)["display_name"] == NAME


def test_row_52_a_sync_waits_for_its_turn(scene: Scene, settings: Settings) -> None:
    times: list[float] = []

    def take_for_a_while(page: int) -> None:
        if page == 10:
            scene.lasting.enter_context(held_by_another(settings, seconds=HELD_SECONDS))
        if page in {10, 11}:
            times.append(time.monotonic())

    assert scene.sync(on_page=take_for_a_while).state == "ok"
    assert times[1] - times[0] >= HELD_SECONDS, "it did not wait"


def test_row_52_a_sync_that_waited_in_vain_ends_cleanly_and_the_next_goes_on(
    scene: Scene, settings: Settings
) -> None:
    scene.lasting.enter_context(pragma(HASTY))

    def take(page: int) -> None:
        if page == 10:
            scene.lasting.enter_context(held_by_another(settings))

    left_id = scene.sync(on_page=take).id
    assert scene.last_run().state == "running", "not even its end could be written"
    scene.recover()
    left = db.session.get_one(JobRun, left_id)
    assert (left.state, left.reason) == ("aborted", SILENT)


def test_row_52_a_sync_that_cannot_even_begin_leaves_nothing_behind(scene: Scene, settings: Settings) -> None:
    runs = len(db.session.scalars(select(JobRun)).all())
    with pragma(HASTY), held_by_another(settings), pytest.raises(Exception, match="database is locked"):
        scene.sync()
    release()
    assert len(db.session.scalars(select(JobRun)).all()) == runs
    scene.recover()


def _draft(scene: Scene) -> dict[str, Any]:
    release()
    return db.session.get_one(SetupPage, (scene.id, SERVER)).draft
