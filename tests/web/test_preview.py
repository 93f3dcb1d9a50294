"""Preview: what a sync would do, on its own page and on the command line (rung S, real TLS)."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from harmony.db import db
from harmony.models import Device, IntegrationState, JobRun
from harmony.simulator.server import RunningSimulator
from harmony.sync import lifecycle
from tests.builders import NOON
from tests.web.walking import Walk

pytestmark = pytest.mark.usefixtures("uem")


@pytest.fixture
def walk(signed_in: FlaskClient) -> Walk:
    """An integration that was finished and has not synced yet."""
    return Walk.begin(signed_in).to_deployment().finish()


def counted(app: Flask) -> tuple[int, int]:
    with app.app_context():
        devices = db.session.scalar(select(func.count()).select_from(Device)) or 0
        return devices, db.session.scalar(select(func.count()).select_from(JobRun)) or 0


def test_it_says_what_a_sync_would_do_and_writes_nothing(
    app: Flask, signed_in: FlaskClient, walk: Walk
) -> None:
    before = signed_in.get(f"/integrations/{walk.id}/preview").get_data(as_text=True)
    assert "Nobody has looked yet" in before
    answer = signed_in.post(f"/integrations/{walk.id}/preview")
    assert (answer.status_code, answer.location) == (
        303, f"/integrations/{walk.id}/preview#verification",
    )  # fmt: skip
    page = signed_in.get(answer.location).get_data(as_text=True)
    assert "What a sync would do now" in page
    assert "Would be added" in page
    assert counted(app) == (0, 0)


def test_figures_from_before_a_sync_are_not_shown_as_what_one_would_do_now(
    app: Flask, signed_in: FlaskClient, walk: Walk
) -> None:
    wizard, page = f"/integrations/{walk.id}/setup/synchronization", f"/integrations/{walk.id}/preview"
    signed_in.post(page)
    for look in (wizard, page):
        assert "Would be added" in signed_in.get(look).get_data(as_text=True)
    app.test_cli_runner().invoke(args=["sync", "run", str(walk.id)])
    for look, button in ((wizard, "Verify"), (page, "Look now")):
        shown = signed_in.get(look).get_data(as_text=True)
        assert "Would be added" not in shown
        assert f"A sync has run since this preview. Press {button}" in shown
    signed_in.post(page)
    assert "Would be added" in signed_in.get(page).get_data(as_text=True)


def test_a_draft_is_looked_at_in_the_wizard(signed_in: FlaskClient) -> None:
    draft = Walk.begin(signed_in)
    assert signed_in.post(f"/integrations/{draft.id}/preview").status_code == 409
    assert signed_in.get(f"/integrations/{draft.id}/preview").status_code == 409


def test_the_command_line_previews_then_syncs_then_finds_nothing_to_do(app: Flask, walk: Walk) -> None:
    runner = app.test_cli_runner()
    looked = runner.invoke(args=["sync", "preview", str(walk.id)])
    assert looked.exit_code == 0, looked.output
    assert counted(app) == (0, 0)
    synced = runner.invoke(args=["sync", "run", str(walk.id)])
    assert synced.output.startswith(("ok: ", "warning: ")), synced.output
    devices, runs = counted(app)
    assert f"{devices:,} added" in synced.output
    assert f"{devices:,} added" in looked.output
    assert runs == 1
    again = runner.invoke(args=["sync", "run", str(walk.id)])
    assert " 0 added, 0 updated" in again.output


def test_the_command_line_says_why_it_cannot(app: Flask, walk: Walk, uem: RunningSimulator) -> None:
    runner = app.test_cli_runner()
    assert "There is no such integration" in runner.invoke(args=["sync", "run", "999"]).output
    with app.app_context():
        lifecycle.pause(walk.id, "kim", NOON)
    assert "paused" in runner.invoke(args=["sync", "run", str(walk.id)]).output
    listed = runner.invoke(args=["integrations", "list"]).output
    assert f"{walk.id}\t{IntegrationState.PAUSED.value}\t" in listed
    uem.stop()
    failed = runner.invoke(args=["sync", "preview", str(walk.id)])
    assert failed.exit_code == 1
    assert "Nothing listens" in failed.output
