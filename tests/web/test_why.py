"""The page "Why?" of a device and its JSON, from what is stored (rung: shell on each database)."""

from __future__ import annotations

import html
import json
from datetime import datetime, timedelta
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete

from harmony.clock import now
from harmony.db import bulk, db, write
from harmony.jobs.kinds import JobKind
from harmony.models import (
    AppException,
    Device,
    Event,
    Hold,
    HoldState,
    Integration,
    JobRun,
    LinkState,
    PolicyRecord,
    TagLink,
    UemTag,
    Verb,
)
from harmony.models.configuration import Tagging
from harmony.protection import policy, policy_rollout
from harmony.protection.change import NewFinding
from harmony.protection.reevaluate import reevaluate
from harmony.sync.deletion import soft_delete
from harmony.tagging.desired_state import Desire, DeviceRange
from tests import stored
from tests.builders import an_integration
from tests.database import on_both
from tests.protect.stored import change, enrolled, found, registered
from tests.web.reading import look

database = on_both

HOUR = timedelta(hours=1)


def why(client: FlaskClient, device_id: int) -> dict[str, Any]:
    """Return the JSON; the page must say every conclusion of it."""
    answer = client.get(f"/devices/{device_id}/why.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    said: dict[str, Any] = json.loads(answer.data)
    page = html.unescape(look(client, f"/devices/{device_id}/why"))
    links = [link for link in said.values() if isinstance(link, dict)]
    assert all(link["conclusion"] in page for link in links)
    assert all(sentence in page for link in links for sentence in link["unknown"])
    return said


def a_tag(device_id: int, integration_id: int, at: datetime, **changes: Any) -> None:
    """A tag for High risk in the UEM, with its link to the device."""
    link = {"state": LinkState.DONE, "wanted": True, "present": True, "external_id": "1"} | changes
    common = {"integration_id": integration_id, "key": "risk:high"}
    with write() as session:
        session.add(UemTag(name="CHKP_Risk_High", external_id="9", checked_at=at + HOUR, **common))
        session.add(TagLink(device_id=device_id, changed_at=at, **common, **link))


def a_sync(integration_id: int, at: datetime, state: str = "ok", reason: str = "") -> int:
    """A complete sync that ended then."""
    with write() as session:
        run = stored.a_sync(integration_id, at, state=state, reason=reason)
        session.add(run)
        session.flush()
        return run.id


def missing(integration_id: int, device_id: int, since: datetime, snapshots: int) -> None:
    """Let so many complete syncs since then not have listed the device."""
    with write() as session:
        session.get_one(Integration, integration_id).snapshots = snapshots
        device = session.get_one(Device, device_id)
        device.missing_since, device.absent_from = since, 1


def test_the_chain_leads_from_the_check_in_to_the_tag(app: Flask, signed_in: FlaskClient) -> None:
    at = now() - HOUR
    with app.app_context():
        integration_id = an_integration()
        (id_,) = registered(integration_id, contact=at, client_version="4.2")
        policy.save(PolicyRecord(risks={"DEBUG_CERTIFICATE": 3}), 0, "lee", at)
        change(id_, at + HOUR / 2, opened=[NewFinding("device", "DEBUG_CERTIFICATE", "com.x", 3)])
        policy_rollout.roll_out(at + HOUR / 2)
        a_tag(id_, integration_id, at)
        with write() as session:
            session.add(
                JobRun(
                    integration_id=integration_id, kind=JobKind.TAGGING, state="ok", started_by="schedule",
                    started_at=at, heartbeat_at=at, finished_at=at, owner="w", fence=1,
                )
            )  # fmt: skip
    said = why(signed_in, id_)
    assert said["check_ins"]["apps"][0]["client_version"] == "4.2"
    (finding,) = said["findings"]["findings"]
    assert (finding["severity"], finding["opened_under"], finding["rule"]) == ("critical", 1, "policy")
    assert finding["reason"].startswith(
        "Version 1 of the policy sets Debug Certificate to High; the default is No Risk."
    )
    assert said["policy"]["conclusion"] == "Version 1 is in force. It has rated this device."
    assert said["risk"]["conclusion"] == "High: its only open finding is Debug Certificate."
    assert said["status"]["rule"] == "in_contact"
    high = next(tag for tag in said["tags"]["tags"] if tag["key"] == "risk:high")
    assert (high["because"], high["call"]) == ("The risk is High.", "Put on.")
    assert high["read_back_at"]
    assert said["tags"]["last_push_at"]
    assert said["absence"] is None


def test_a_version_that_has_not_reached_the_device_is_said(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        (id_,) = registered(an_integration(), contact=now())
        change(id_, now(), opened=[NewFinding("device", "ROOTED", "", 3)])
        policy.save(PolicyRecord(risks={"ROOTED": 1}), 0, "lee", now())
    said = why(signed_in, id_)
    assert "has not rated this device yet" in said["policy"]["conclusion"]
    assert "It becomes Low" in said["risk"]["conclusion"]
    assert said["findings"]["findings"][0]["pending"]


def test_an_app_exception_is_named_with_its_administrator(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        (id_,) = registered(an_integration(), contact=now())
        found(id_, "HACKING_TOOL", 1, "com.tool")
        row = AppException(
            platform="android", identifier="com.tool", action="low", reason="Lab", by="lee", at=now()
        )
        with write() as session:
            session.add(row)
    (finding,) = why(signed_in, id_)["findings"]["findings"]
    assert finding["rule"] == "exception"
    assert finding["reason"].startswith("Low: lee made an app exception on ")
    assert "“Lab”" in finding["reason"]


def test_the_status_is_known_since_its_event_and_unknown_once_that_is_gone(
    app: Flask, signed_in: FlaskClient
) -> None:
    with app.app_context():
        (id_,) = registered(an_integration(), contact=now() - timedelta(days=9))
        policy_rollout.roll_out(now())
        with write() as session:
            reevaluate(session, [id_], PolicyRecord(), now())
    said = why(signed_in, id_)["status"]
    assert said["conclusion"].startswith("Inactive: no contact for more than 7 days.")
    assert said["since"]
    with app.app_context(), write() as session:
        session.execute(delete(Event).where(Event.verb == Verb.INACTIVE))
        session.add(Event(at=now(), severity="information", verb=Verb.ACTIVE, device_id=id_))
    said = why(signed_in, id_)["status"]
    assert (said["since"], len(said["unknown"])) == (None, 1)
    assert "events are kept for 365 days" in said["unknown"][0]


def test_a_missing_device_shows_its_syncs_and_those_that_are_not_kept(
    app: Flask, signed_in: FlaskClient
) -> None:
    since = now() - timedelta(days=2)
    with app.app_context():
        integration_id = an_integration(due=now() + HOUR)
        (id_,) = enrolled(integration_id)
        a_sync(integration_id, since - HOUR)
        first, last = a_sync(integration_id, since), a_sync(integration_id, since + HOUR)
        a_sync(integration_id, since + 2 * HOUR, "incomplete")
        missing(integration_id, id_, since, 2)
    absence = why(signed_in, id_)["absence"]
    assert [sync["run_id"] for sync in absence["missed_by"]] == [last, first]
    assert (absence["misses"], absence["unknown"]) == (2, [])
    assert absence["expected_at"]
    with app.app_context(), write() as session:
        session.execute(delete(JobRun).where(JobRun.id == first))
    absence = why(signed_in, id_)["absence"]
    assert absence["unknown"] == ["1 complete sync of these is not kept any more: runs are kept for 90 days."]


def test_a_held_deletion_names_the_hold_and_its_reasons(app: Flask, signed_in: FlaskClient) -> None:
    since = now() - timedelta(days=2)
    with app.app_context():
        integration_id = an_integration()
        (id_,) = enrolled(integration_id)
        a_sync(integration_id, since)
        a_sync(integration_id, since + HOUR)
        run = a_sync(integration_id, since + 2 * HOUR, "held", "Deletions wait for you; none was made.")
        missing(integration_id, id_, since, 3)
        with write() as session:
            session.add(
                Hold(
                    integration_id=integration_id, run_id=run, state=HoldState.OPEN, created_at=since,
                    up_to=1, devices=1, live=1, digest="", reasons=["threshold:1:1:20"],
                )
            )  # fmt: skip
    absence = why(signed_in, id_)["absence"]
    assert absence["hold_reasons"] == ["1 of 1 devices would go; the deletion threshold is 20 %."]
    assert "held until a person decides" in absence["conclusion"]
    assert "Deletions wait for you" in absence["missed_by"][0]["guard"]
    page = look(signed_in, f"/devices/{id_}/why")
    assert f'href="/integrations/{integration_id}/holds/{absence["hold_id"]}"' in page


def test_a_deleted_device_and_one_of_a_removed_integration_are_explained(
    app: Flask, signed_in: FlaskClient
) -> None:
    with app.app_context():
        integration_id = an_integration()
        (id_,) = enrolled(integration_id)
        gone = soft_delete.Deletion("sync", "", None, now())
        soft_delete.delete_softly((Device.id == id_,), gone, lambda _session: True)
    assert why(signed_in, id_)["absence"]["conclusion"].startswith("Deleted by sync.")
    with app.app_context(), write() as session:
        session.get_one(Integration, integration_id).state = "removed"
    assert "The integration was removed" in why(signed_in, id_)["tags"]["conclusion"]


def test_the_tags_that_are_wanted_are_those_that_the_push_wants(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        integration_id = an_integration()
        (id_,) = registered(integration_id, contact=now())
        change(id_, now(), opened=[NewFinding("device", "ROOTED", "", 3)])
        sql, values = Desire(integration_id, Tagging()).wanted(DeviceRange("{id} > ?", (0,)))
        desired = {key for _id, _external_id, key in bulk.fetch_all(db.session(), sql, values)}
        db.session.rollback()
    tags = why(signed_in, id_)["tags"]
    assert {tag["key"] for tag in tags["tags"]} == desired == {"status:active", "risk:high", "factor:ROOTED"}
    with app.app_context(), write() as session:
        session.get_one(Integration, integration_id).uem_generation = 1
    tags = why(signed_in, id_)["tags"]
    assert (tags["tags"], "A full sync has to read the device" in tags["conclusion"]) == ([], True)


def test_the_page_is_found_from_the_device_and_from_the_list_of_missing_ones(
    app: Flask, signed_in: FlaskClient
) -> None:
    with app.app_context():
        integration_id = an_integration()
        (id_,) = enrolled(integration_id)
        missing(integration_id, id_, now(), 1)
    assert look(signed_in, f"/devices/{id_}").count(f"/devices/{id_}/why") == 3
    assert f'href="/devices/{id_}/why"' in look(signed_in, "/devices")
    assert signed_in.get("/devices/999/why.json").status_code == 404


def test_a_hostile_name_stays_text(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        (id_,) = registered(an_integration(), contact=now(), device={"name": "<script>x</script>"})
        found(id_, "HACKING_TOOL", 2, "<script>y</script>")
        db.session.rollback()
    why(signed_in, id_)
    assert "<script>x" not in look(signed_in, f"/devices/{id_}/why")
    assert "<script>y" not in look(signed_in, f"/devices/{id_}/why")
