"""Verify on pages: rungs as they finish, on the integration's page, its report (rung S, real TLS)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from harmony.clock import now
from harmony.db import db, write
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import Integration, IntegrationState, JobRun, StopReason, Verification
from harmony.models.verification import INTERRUPTED_AFTER
from harmony.simulator.actions import ACTIONS
from harmony.simulator.arguments import Arguments
from harmony.simulator.server import RunningSimulator
from harmony.sync import job as sync_job
from tests.waiting import wait_for
from tests.web.walking import Walk

pytestmark = pytest.mark.usefixtures("uem")

HTMX = {"HX-Request": "true"}


def part(client: FlaskClient, walk: Walk, subject: str = "server", **options: object) -> str:
    answer = client.get(f"/integrations/{walk.id}/verification/{subject}", **options)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def said(app: Flask, walk: Walk, subject: str = "server") -> Verification:
    with app.app_context():
        return db.session.get_one(Verification, (walk.id, subject))


def test_with_htmx_the_answer_comes_at_once_and_the_checks_appear_as_they_finish(
    app: Flask, signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    ACTIONS["latency"](uem.tenant, Arguments({"ms": 150}))
    walk = Walk.begin(signed_in)
    values = {"headers": HTMX, "data": walk.values("server")}
    assert signed_in.post(walk.href("server") + "/verify", **values).status_code == 303
    page = walk.look("server")
    assert 'hx-trigger="every 500ms"' in page
    wait_for(lambda: said(app, walk).results[0]["state"] == "ok", "the first result")
    assert said(app, walk).results[-1]["state"] == "pending"
    wait_for(lambda: said(app, walk).finished_at, "the end of Verify")
    done = signed_in.get(f"/integrations/{walk.id}/verification/server", headers=HTMX)
    text = done.get_data(as_text=True)
    assert "hx-trigger" not in text
    assert 'id="buttons" hx-swap-oob="true"' in text
    assert walk.send("server").location.endswith("/setup/synchronization")


def test_a_verify_whose_process_died_is_shown_as_interrupted(app: Flask, signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in)
    walk.verify("server")
    with app.app_context(), write() as session:
        one = session.get_one(Verification, (walk.id, "server"))
        one.started_at, one.finished_at, one.passed = now() - INTERRUPTED_AFTER, None, False
    page = walk.look("server")
    assert "This check was interrupted" in page
    assert "hx-trigger" not in page.split("verification-part")[1]
    assert walk.send("server").status_code == 422


def test_a_verify_for_other_values_is_said_to_be_so(signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in)
    walk.verify("server")
    walk.send("server", display_name="Another")
    assert "These results are for other values" in walk.look("server")


def test_many_checks_that_passed_are_one_line_and_the_others_stay_in_sight(signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in).to_synchronization()
    page = walk.verify("synchronization", groups=[*(f"organization:{group}" for group in range(570, 588))])
    shown, folded = page.split('<details class="passed"', 1)
    results = shown.split('id="verification"', 1)[1]
    assert re.search(r"\d+ checks passed", folded)
    assert 'class="warning warning"' in results
    assert 'class="ok ok"' not in results
    assert "List the groups" in folded
    assert "<summary>Devices read in each of 18 groups</summary>" in folded


def test_the_report_can_be_copied_and_carries_no_secret(
    signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    page = Walk.begin(signed_in).verify("server")
    assert 'data-copy-target="#verification-report"' in page
    assert "[ok] Sign-in" in page
    assert uem.credentials.client_secret not in page


def test_the_server_in_force_can_be_verified_at_any_time_without_changing_anything(
    app: Flask, signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    walk = Walk.begin(signed_in).to_deployment().finish()
    walk.send("server", display_name="Being edited", client_id="another")
    answer = signed_in.post(f"/integrations/{walk.id}/verify", follow_redirects=True)
    page = answer.get_data(as_text=True)
    assert "Read smart groups" in page
    assert 'class="danger failed"' not in page
    with app.app_context():
        assert db.session.get_one(Integration, walk.id).version == 1
    ACTIONS["access"](uem.tenant, Arguments({"revoked": True}))
    page = signed_in.post(f"/integrations/{walk.id}/verify", follow_redirects=True).get_data(as_text=True)
    assert 'class="danger failed"' in page
    with app.app_context():
        assert db.session.get_one(Integration, walk.id).state == IntegrationState.ACTIVE


def test_a_draft_is_verified_in_the_wizard_only(signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in)
    assert signed_in.post(f"/integrations/{walk.id}/verify").status_code == 409
    assert signed_in.get(f"/integrations/{walk.id}/verification/nonsense").status_code == 404


def test_a_stored_secret_can_be_cleared_and_what_was_typed_stays(signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in)
    answer = walk.send("server", "/clear?field=client_secret", display_name="Typed meanwhile")
    text = answer.get_data(as_text=True)
    assert "The stored Client Secret was cleared." in text
    assert 'value="Typed meanwhile"' in text
    assert "Leave empty to keep" not in text
    again = walk.send("server", "/verify")
    assert again.status_code == 422
    assert "Enter the Client Secret." in again.get_data(as_text=True)
    assert walk.send("server", "/clear?field=display_name").status_code == 404


def test_a_new_token_replaces_the_former(signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in).to_deployment()
    before = walk.look("deployment")
    assert walk.send("deployment", "/token").status_code == 303
    assert walk.look("deployment") != before


def test_a_refused_user_name_stops_the_integration_until_somebody_edits_it(
    app: Flask, signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    walk = Walk.begin(signed_in).to_deployment().finish()
    with app.app_context(), write() as session:
        integration = session.get_one(Integration, walk.id)
        integration.stopped_why, integration.stopped_reason = (
            StopReason.SIGN_IN,
            "The UEM refused the user name.",
        )
    page = signed_in.get(f"/integrations/{walk.id}").get_data(as_text=True)
    assert "Stopped: The UEM refused the user name." in page
    assert "Edit Server Details" in page
    answer = signed_in.post(f"/integrations/{walk.id}/sync", follow_redirects=True)
    assert "No sync was started: The UEM refused the user name." in answer.get_data(as_text=True)
    walk.verify("server", display_name="Mended")
    assert walk.send("server").location == f"/integrations/{walk.id}"
    assert "Stopped:" not in signed_in.get(f"/integrations/{walk.id}").get_data(as_text=True)


def test_little_quota_is_said_and_shown(app: Flask, signed_in: FlaskClient, uem: RunningSimulator) -> None:
    walk = Walk.begin(signed_in).to_deployment().finish()
    ACTIONS["quota"](uem.tenant, Arguments({"remaining": 1000}))
    with app.app_context():
        sync_job.sync(walk.id)
        assert db.session.query(JobRun).one().quota_limit == 250_000
    page = signed_in.get(f"/integrations/{walk.id}").get_data(as_text=True)
    assert "calls a day are left" in page
    assert "calls a day were left after the last sync" in page


def test_a_used_up_quota_waits_for_its_renewal(
    app: Flask, signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    walk = Walk.begin(signed_in).to_deployment().finish()
    ACTIONS["quota"](uem.tenant, Arguments({"remaining": 0, "reset_in": 7200}))
    with app.app_context():
        sync_job.sync(walk.id)
        due = db.session.get_one(Integration, walk.id).sync_job.next_at
    assert due is not None
    assert timedelta(minutes=110) < due - now() < timedelta(minutes=121)


def test_a_verify_that_passes_lets_a_quarantined_integration_try_at_once(
    app: Flask, signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    walk = Walk.begin(signed_in).to_deployment().finish()
    with app.app_context(), write() as session:
        integration = session.get_one(Integration, walk.id)
        integration.sync_job.failures, integration.sync_job.next_at = 8, now() + timedelta(hours=16)
    ACTIONS["faults"](uem.tenant, Arguments({"kind": "server_error"}))
    signed_in.post(f"/integrations/{walk.id}/verify")
    with app.app_context():
        assert list(lease.due_of(JobKind.DEVICES, now())) == []
    ACTIONS["faults/clear"](uem.tenant, Arguments({}))
    signed_in.post(f"/integrations/{walk.id}/verify")
    with app.app_context():
        assert list(lease.due_of(JobKind.DEVICES, now())) == [walk.id]
        sync_job.sync(walk.id)
        assert not db.session.get_one(Integration, walk.id).sync_job.quarantined
