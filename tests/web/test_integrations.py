"""The integration pages (rung: shell on a file SQLite)."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from harmony.clock import now
from harmony.config import Settings
from harmony.db import db, write
from harmony.device_api.registration import refusals
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.jobs.queue import queue_of
from harmony.models import (
    Device,
    Integration,
    IntegrationState,
    JobRun,
    SyncKind,
    SyncRunState,
    Verification,
    Worker,
)
from harmony.models.configuration import IN_FORCE, SERVER
from harmony.setup.demo import announcement_file
from harmony.sync import integration_removal
from harmony.sync import job as sync_job
from harmony.uem.errors import ServerFailed
from tests.builders import NOON, FakeUem, an_integration, devices
from tests.stored import a_sync
from tests.web.reading import look


def an_active(app: Flask, **changes: object) -> int:
    with app.app_context():
        return an_integration(**changes)  # type: ignore[arg-type]


def the_integration(app: Flask, id_: int) -> Integration:
    with app.app_context():
        return db.session.get_one(Integration, id_)


def test_with_no_integration_the_page_says_what_to_do(signed_in: FlaskClient) -> None:
    assert "No UEM is connected yet" in look(signed_in, "/integrations")
    assert signed_in.get("/").location == "/integrations"


def test_the_simulated_uem_is_offered_in_demo_mode_only_and_only_when_it_is_there(
    settings: Settings, signed_in: FlaskClient
) -> None:
    assert "Try the simulated UEM" in look(signed_in, "/integrations/new")
    assert not announcement_file(settings).exists()
    assert signed_in.post("/integrations", data={"kind": "simulated"}).status_code == 404


def test_in_demo_mode_overview_and_integration_point_at_demo_device_and_control_page(
    app: Flask, settings: Settings, signed_in: FlaskClient
) -> None:
    id_ = an_active(app, due=now() + timedelta(hours=1))
    said = json.dumps({"control_url": "https://127.0.0.1:1/control"})
    announcement_file(settings).write_text(said, encoding="utf-8")
    for page in (look(signed_in, "/"), look(signed_in, f"/integrations/{id_}")):
        assert 'href="https://127.0.0.1:1/control"' in page
        assert '<a href="/demo/device">Demo device</a>' in page


def test_sync_now_makes_it_due_and_rings_the_worker(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app, due=now() + timedelta(hours=1))
    before = queue_of(app).pending_count()
    answer = signed_in.post(f"/integrations/{id_}/sync")
    assert answer.status_code == 303
    assert queue_of(app).pending_count() == before + 1
    integration = the_integration(app, id_)
    assert integration.sync_job.next_at is not None
    assert integration.sync_job.next_at <= now()
    assert integration.sync_job.requested_by == "admin"
    page = look(signed_in, f"/integrations/{id_}")
    assert "It starts in a moment" in page
    assert 'hx-trigger="every 2s"' in page


def test_sync_now_while_one_runs_says_since_when_and_by_whom(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app)
    with app.app_context():
        lease.request(id_, JobKind.DEVICES, "kim", now())
        lease.claim(id_, JobKind.DEVICES, "worker", now())
    answer = signed_in.post(f"/integrations/{id_}/sync", follow_redirects=True).get_data(as_text=True)
    assert "A sync is already running since" in answer
    assert "started by kim. No second one was started." in answer
    assert the_integration(app, id_).sync_job.requested_at is None


def test_sync_now_during_a_delta_asks_for_the_full_sync_after_it(app: Flask, signed_in: FlaskClient) -> None:
    soon = now() + timedelta(hours=1)
    id_ = an_active(app, due=soon, snapshots=1, refresh_at=now())
    with app.app_context():
        lease.claim(id_, JobKind.DEVICES, "worker", now())
    answer = signed_in.post(f"/integrations/{id_}/sync", follow_redirects=True).get_data(as_text=True)
    assert "Recently seen devices are being refreshed since" in answer
    assert the_integration(app, id_).sync_job.requested_by == "admin"


def test_sync_now_without_a_worker_says_what_it_waits_for(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app)
    page = signed_in.post(f"/integrations/{id_}/sync", follow_redirects=True).get_data(as_text=True)
    assert "The sync is asked for, but no worker has run yet." in page
    with app.app_context(), write() as session:
        session.add(Worker(identity="a", started_at=NOON, seen_at=NOON))
    page = signed_in.post(f"/integrations/{id_}/sync", follow_redirects=True).get_data(as_text=True)
    assert "The sync is asked for, but no worker has been seen since 15 Jan 2026, 12:00 UTC" in page
    with app.app_context(), write() as session:
        session.add(Worker(identity="b", started_at=now(), seen_at=now()))
    page = signed_in.post(f"/integrations/{id_}/sync", follow_redirects=True).get_data(as_text=True)
    assert "The sync is asked for, but" not in page


def test_sync_now_of_a_stopped_integration_says_why_and_what_to_do(
    app: Flask, signed_in: FlaskClient
) -> None:
    id_ = an_active(app, stopped_why="sign_in", stopped_reason="The UEM refused the password.")
    page = signed_in.post(f"/integrations/{id_}/sync", follow_redirects=True).get_data(as_text=True)
    assert "No sync was started: The UEM refused the password. Edit Server Details" in page


def test_cancel_ends_the_run_on_the_page_and_says_what_was_kept(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app)
    assert "/cancel" not in look(signed_in, f"/integrations/{id_}")
    with app.app_context():
        lease.claim(id_, JobKind.DEVICES, "worker", now())
    assert f"/integrations/{id_}/cancel" in look(signed_in, f"/integrations/{id_}/status")
    answer = signed_in.post(f"/integrations/{id_}/cancel")
    assert (answer.status_code, answer.location) == (303, f"/integrations/{id_}")
    page = look(signed_in, f"/integrations/{id_}")
    assert "The sync was cancelled. What it had read was kept." in page
    assert "Cancelled by admin." in page
    assert 'data-state="running"' not in page
    again = signed_in.post(f"/integrations/{id_}/cancel", follow_redirects=True)
    assert "There was no sync to cancel any more" in again.get_data(as_text=True)


def ended(app: Flask, id_: int, kind: SyncKind, state: SyncRunState, **changes: object) -> None:
    """A run that ended like this, after all others."""
    with app.app_context(), write() as session:
        session.add(a_sync(id_, sync_kind=kind, state=state, **changes))


def test_a_refresh_does_not_hide_how_the_last_full_sync_ended(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app)
    reason = "The account no longer sees Sales."
    ended(app, id_, SyncKind.SNAPSHOT, SyncRunState.INCOMPLETE, reason=reason)
    ended(app, id_, SyncKind.DELTA, SyncRunState.OK)
    page = look(signed_in, f"/integrations/{id_}")
    assert f"The last sync was incomplete.</strong> {reason}" in page
    assert [
        who in page for who in ('"Job and who">Refresh by schedule<', '"Job and who">Full sync by schedule<')
    ] == [True, True]
    for shown in (page[: page.index("Last sync</span>")], look(signed_in, "/integrations")):
        assert 'data-state="incomplete"' in shown
        assert 'data-state="ok"' not in shown


def test_a_refresh_that_failed_is_told_until_one_succeeds(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app)
    ended(app, id_, SyncKind.SNAPSHOT, SyncRunState.OK)
    ended(
        app,
        id_,
        SyncKind.DELTA,
        SyncRunState.FAILED,
        reason="Nothing listens.",
        quota_left=5,
        quota_limit=100,
    )
    page = look(signed_in, f"/integrations/{id_}")
    assert "The last refresh failed.</strong> Nothing listens." in page
    assert "Only 5 of the UEM" in page, "the newest run knows the quota best"
    ended(app, id_, SyncKind.DELTA, SyncRunState.OK)
    assert "The last refresh failed" not in look(signed_in, f"/integrations/{id_}")


def test_an_integration_in_quarantine_says_since_when_what_next_and_what_to_do(
    app: Flask, signed_in: FlaskClient
) -> None:
    due = now() + timedelta(hours=8)
    id_ = an_active(app, due=due, failures=6, fresh_as_of=NOON)
    page = look(signed_in, f"/integrations/{id_}")
    assert "Quarantined: the last 6 syncs in a row failed." in page
    assert "No sync has succeeded since 15 Jan 2026, 12:00 UTC." in page
    assert f"the next try is at {due:%d %b %Y, %H:%M} UTC" in page
    assert "Sync Now tries at once" in page
    assert 'data-state="quarantined"' in page
    assert 'data-state="quarantined"' in look(signed_in, "/integrations")
    with app.app_context(), write() as session:
        session.get_one(Integration, id_).sync_job.failures = 4
    assert "uarantined" not in look(signed_in, f"/integrations/{id_}")


def test_a_running_sync_is_shown_with_its_progress_and_polls(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app)
    with app.app_context():
        held = lease.claim(id_, JobKind.DEVICES, "worker", now())
        assert held is not None
        with write() as session:
            one = session.get_one(JobRun, held.run_id)
            one.step = "Group 2 of 5 · Sales"
            one.counts = {"pages_read": 7, "devices_read": 3400, "expected": 5000}
    page = look(signed_in, f"/integrations/{id_}")
    assert "Group 2 of 5 · Sales" in page
    assert "page 7 · 3,400 devices read of 5,000 announced so far" in page
    assert 'hx-trigger="every 2s"' in page
    part = look(signed_in, f"/integrations/{id_}/status")
    assert "<html" not in part
    assert part.strip() in page


def test_a_page_at_rest_does_not_poll(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app)
    with app.app_context():
        sync_job.sync(id_, opener=lambda *_: FakeUem({"570": devices(1, 2)}))
    page = look(signed_in, f"/integrations/{id_}")
    assert "hx-trigger" not in page
    assert 'data-state="ok"' in page


def test_an_error_is_shown_with_what_was_kept_and_the_next_step(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app)
    broken = FakeUem({"570": devices(*range(6))}, error=ServerFailed("The UEM answered 500."), fail_at=1)
    with app.app_context():
        sync_job.sync(id_, opener=lambda *_: broken)
    page = look(signed_in, f"/integrations/{id_}")
    assert 'data-state="incomplete"' in page
    assert "The UEM answered 500. Nothing was marked missing." in page


@pytest.mark.parametrize("state", [state for state in SyncRunState if state is not SyncRunState.RUNNING])
def test_each_end_of_a_run_looks_different(app: Flask, signed_in: FlaskClient, state: SyncRunState) -> None:
    id_ = an_active(app)
    with app.app_context():
        held = lease.claim(id_, JobKind.DEVICES, "worker", now())
        assert held is not None
        with write() as session:
            one = session.get_one(JobRun, held.run_id)
            one.state, one.finished_at, one.reason = state, now(), "For a reason."
    page = look(signed_in, f"/integrations/{id_}")
    assert f'data-state="{state}"' in page
    # What a held one says stands in the banner of its hold, as long as that is not decided.
    assert ("For a reason." in page) == (state not in {SyncRunState.OK, SyncRunState.HELD})


def test_pause_and_resume(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app)
    assert signed_in.post(f"/integrations/{id_}/pause").status_code == 303
    assert the_integration(app, id_).state == IntegrationState.PAUSED
    assert "no sync starts until you resume" in look(signed_in, f"/integrations/{id_}")
    answer = signed_in.post(f"/integrations/{id_}/sync", follow_redirects=True)
    assert "the integration is paused. Resume it" in answer.get_data(as_text=True)
    page = signed_in.post(f"/integrations/{id_}/resume", follow_redirects=True).get_data(as_text=True)
    assert the_integration(app, id_).state == IntegrationState.ACTIVE
    assert "Sync requested. It starts in a moment." in page
    assert 'hx-trigger="every 2s"' in page, "the page follows what Resume starts"


def test_a_sync_that_is_due_is_followed_unless_it_cannot_start(app: Flask, signed_in: FlaskClient) -> None:
    page = look(signed_in, f"/integrations/{an_active(app, due=NOON)}")
    assert "A sync is due. It starts in a moment." in page
    assert 'hx-trigger="every 2s"' in page
    stopped = an_active(app, due=NOON, stopped_why="sign_in", stopped_reason="Refused.")
    for id_ in (stopped, an_active(app, due=NOON, state=IntegrationState.PAUSED)):
        assert "A sync is due" not in look(signed_in, f"/integrations/{id_}")


def removed(app: Flask, client: FlaskClient, choice: str) -> int:
    """An integration with two devices, removed through its page."""
    id_ = an_active(app)
    with app.app_context():
        sync_job.sync(id_, opener=lambda *_: FakeUem({"570": devices(1, 2)}))
    answer = client.post(f"/integrations/{id_}/remove", data={"name": "Test UEM", "devices": choice})
    assert answer.location == "/integrations", answer.get_data(as_text=True)
    return id_


def test_removing_says_what_goes_and_asks_for_the_name_and_what_becomes_of_the_devices(
    app: Flask, signed_in: FlaskClient
) -> None:
    id_ = an_active(app)
    with app.app_context():
        sync_job.sync(id_, opener=lambda *_: FakeUem({"570": devices(1, 2)}))
    page = look(signed_in, f"/integrations/{id_}/remove")
    assert "Keep the 2 devices" in page
    assert "Remove the 2 devices too. You can undo this for 30 days." in page
    assert "0 registrations of Protect apps" in page
    for data in ({"name": "Another"}, {"name": "Test UEM", "devices": "nonsense"}, {}):
        assert signed_in.post(f"/integrations/{id_}/remove", data=data).status_code == 422
    wrong = signed_in.post(f"/integrations/{id_}/remove", data={"name": "Another", "devices": "hide"})
    assert "Type Test UEM exactly" in wrong.get_data(as_text=True)
    assert the_integration(app, id_).state == IntegrationState.ACTIVE


def test_deleting_kept_devices_shows_that_it_goes_on_until_the_worker_is_done(
    app: Flask, signed_in: FlaskClient
) -> None:
    id_ = removed(app, signed_in, "keep")
    signed_in.post(f"/integrations/{id_}/remove", data={"name": "Test UEM"})
    page = look(signed_in, "/integrations")
    assert "Test UEM is being removed with its devices." in page
    assert "Being removed" in page
    assert "The worker is deleting" in look(signed_in, f"/integrations/{id_}")
    assert signed_in.get(f"/integrations/{id_}/remove").location == f"/integrations/{id_}"
    with app.app_context():
        integration_removal.carry_out(id_)
    assert "No devices yet" in look(signed_in, "/devices")
    assert signed_in.get(f"/integrations/{id_}").status_code == 404
    assert "Being removed" not in look(signed_in, "/integrations")


def test_the_page_of_a_kept_device_promises_nothing_of_the_uem(app: Flask, signed_in: FlaskClient) -> None:
    id_ = removed(app, signed_in, "keep")
    first, second = re.findall(r'href="(/devices/\d+)"', look(signed_in, f"/devices?integration={id_}"))
    with app.app_context(), write() as session:
        session.execute(update(Device).values(missing_since=NOON, absent_from=1))
        session.execute(update(Device).where(Device.id == int(second[9:])).values(deleted_at=NOON))
    kept, deleted = look(signed_in, first), look(signed_in, second)
    assert "nothing from the UEM changes it any more" in kept
    assert "as soon as the UEM lists it" not in kept
    assert "It can be restored until" in deleted
    assert "when the UEM lists it again" not in deleted


def test_kept_devices_stay_in_the_list_and_can_be_deleted_later(app: Flask, signed_in: FlaskClient) -> None:
    id_ = removed(app, signed_in, "keep")
    page = look(signed_in, "/integrations")
    assert "Removed, devices kept" in page
    assert "No UEM is connected yet" in page
    filtered = look(signed_in, f"/devices?integration={id_}")
    assert "Test UEM (removed)</option>" in filtered
    assert filtered.count('aria-label="Select kim Android"') == 2
    assert "its devices were kept" in look(signed_in, f"/integrations/{id_}")
    assert "This deletes for good" in look(signed_in, f"/integrations/{id_}/remove")
    signed_in.post(f"/integrations/{id_}/remove", data={"name": "Test UEM"})
    assert the_integration(app, id_).state == IntegrationState.REMOVING


def test_a_removed_integration_has_no_page_but_its_own(app: Flask, signed_in: FlaskClient) -> None:
    id_ = removed(app, signed_in, "keep")
    for path in ("setup", "setup/server", "status", "verification/server"):
        assert signed_in.get(f"/integrations/{id_}/{path}").status_code == 404, path
    for path in ("sync", "pause", "resume", "cancel", "verify", "setup/server", "setup/server/verify"):
        assert signed_in.post(f"/integrations/{id_}/{path}").status_code == 404, path
    assert the_integration(app, id_).state == IntegrationState.REMOVED


def test_a_draft_is_discarded_without_typing(signed_in: FlaskClient) -> None:
    signed_in.post("/integrations", data={"kind": "workspace_one"})
    assert "never put in force" in look(signed_in, "/integrations/1/remove")
    assert signed_in.post("/integrations/1/remove").status_code == 303
    assert "No UEM is connected yet" in look(signed_in, "/integrations")


def test_a_worker_that_is_silent_is_said_on_every_page(app: Flask, signed_in: FlaskClient) -> None:
    assert "No worker has run yet" in look(signed_in, "/integrations")
    with app.app_context(), write() as session:
        session.add(Worker(identity="a", started_at=NOON, seen_at=NOON))
    assert "has not been seen since 15 Jan 2026" in look(signed_in, "/devices")
    with app.app_context(), write() as session:
        session.add(Worker(identity="b", started_at=now(), seen_at=now()))
    assert "has not been seen" not in look(signed_in, "/devices")


FIVE_LINES = ("UEM Server", "Device Sync Status", "App Sync Status", "Tagging", "Deployment")


def test_the_list_and_the_page_have_the_five_lines_of_the_vendor(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app)
    for page in ("/integrations", f"/integrations/{id_}"):
        shown = look(signed_in, page)
        places = [shown.index(f"<dt>{line}</dt>") for line in FIVE_LINES]
        assert places == sorted(places)
        assert "0 registered," in shown


def test_the_line_of_the_server_tells_how_the_last_verify_ended(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app)
    for passed, word in ((False, "Verify failed"), (True, "Verified")):
        with app.app_context(), write() as session:
            session.merge(a_verify(id_, passed=passed))
        assert f"<span>{word}</span>" in look(signed_in, "/integrations")


def test_a_verify_of_values_that_are_not_in_force_says_nothing_of_the_server(
    app: Flask, signed_in: FlaskClient
) -> None:
    id_ = an_active(app)
    with app.app_context(), write() as session:
        session.merge(a_verify(id_, passed=False, subject=SERVER))
    assert "Verify failed" not in look(signed_in, f"/integrations/{id_}")


def a_verify(id_: int, *, passed: bool, subject: str = IN_FORCE) -> Verification:
    at = {"started_at": now(), "finished_at": now()}
    return Verification(integration_id=id_, subject=subject, digest="other", passed=passed, results=[], **at)


def test_placeholders_that_are_not_replaced_need_a_person(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app)
    with app.app_context():
        refusals.count(id_, "udid_placeholder", now())
        refusals.count(id_, "udid_not_unique", now() - timedelta(days=8))
    for page in ("/", f"/integrations/{id_}"):
        shown = look(signed_in, page)
        assert "1 registration carried a placeholder that the UEM did not replace" in shown
        assert f"/integrations/{id_}/app-configuration" in shown


def test_the_menu_has_what_the_state_of_the_integration_allows(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app)
    active = ["Edit", "Sync Now", "Pause", "Event notifications", "Preview", "Verify", "Export", "Remove"]
    assert menu(look(signed_in, "/integrations")) == active
    assert menu(look(signed_in, f"/integrations/{id_}")) == [one for one in active if one != "Sync Now"]
    signed_in.post(f"/integrations/{id_}/pause")
    paused = ["Edit", "Resume", "Event notifications", "Preview", "Verify", "Export", "Remove"]
    assert menu(look(signed_in, "/integrations")) == paused


def test_a_draft_has_only_edit_and_remove(app: Flask, signed_in: FlaskClient) -> None:
    an_active(app, state=IntegrationState.DRAFT)
    assert menu(look(signed_in, "/integrations")) == ["Edit", "Remove"]


def menu(page: str) -> list[str]:
    """The entries of the first three-dots menu."""
    panel = page[page.index("Actions of") :].split("</details>", maxsplit=1)[0]
    return re.findall(r"</svg>\s*([A-Z][A-Za-z ]+?)\s*</(?:a|button)>", panel)


def test_export_is_the_file_of_the_command_without_a_secret(app: Flask, signed_in: FlaskClient) -> None:
    id_ = an_active(app)
    answer = signed_in.get(f"/integrations/{id_}/configuration.yaml")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="integration-{id_}.yaml"'
    written = app.test_cli_runner().invoke(args=["integrations", "export", str(id_)])
    assert answer.get_data(as_text=True) == written.output
    with app.app_context(), write() as session:
        session.get_one(Integration, id_).state = IntegrationState.DRAFT
    assert signed_in.get(f"/integrations/{id_}/configuration.yaml").status_code == 404
