"""The preview of a policy promises what the roll-out does, and large changes are confirmed (rung: shell)."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from datetime import timedelta

import msgspec
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from harmony.clock import now
from harmony.config.version import VERSION
from harmony.db import bulk, db, release, write
from harmony.models import Device, PolicyRecord, Protection, Registration
from harmony.models.configuration import Tagging
from harmony.protection import policy, policy_rollout
from harmony.protection.change import NewFinding
from harmony.sync.deletion import soft_delete
from harmony.tagging.desired_state import Desire, DeviceRange
from harmony.web.policy import forms as policy_forms
from harmony.web.policy import impact_queries
from harmony.web.policy.impact import TagMove
from tests.builders import an_integration
from tests.database import on_both
from tests.protect.stored import change, registered
from tests.web.reading import look

database = on_both

PAGE = "/settings/policy"
PREVIEW = f"{PAGE}/preview"
DAY = timedelta(days=1)
# The OS version of a device, and the days since its last contact.
FLEET = (("13", 0), ("15", 0), ("15", 3), ("15", 5), ("15", 9))
NEW = PolicyRecord(
    risks={"ROOTED": 1}, inactive_days=4, silent_days=2, silent_risk=2, minimum_os={"android": "14"}
)


def a_fleet() -> int:
    """Rooted devices, some with an old system, some silent, one deleted, in the state of the defaults."""
    integration_id, at = an_integration(), now()
    ids = registered(integration_id, 10, contact=at)
    with write() as session:
        for registration in session.scalars(select(Registration)):
            version, days = FLEET[registration.device_id % len(FLEET)]
            registration.os_version, registration.last_contact_at = version, at - days * DAY
            session.get_one(Protection, registration.device_id).last_contact_at = at - days * DAY
    for id_ in ids[:5]:
        change(id_, at, opened=[NewFinding("device", "ROOTED", "", 3)])
    gone = soft_delete.Deletion("lee", "", None, at)
    soft_delete.delete_softly((Device.id == ids[-1],), gone, lambda _session: True)
    policy.save(PolicyRecord(inactive_days=8), 0, "kim", at)
    policy_rollout.roll_out(at)
    return integration_id


def standings() -> dict[int, tuple[str, int]]:
    """Status and risk of every live device that ever registered."""
    rows = select(Protection.device_id, Protection.status, Protection.risk).join(
        Device, Device.id == Protection.device_id
    )
    found = {
        id_: (status, risk)
        for id_, status, risk in db.session.execute(rows.where(Device.deleted_at.is_(None)))
    }
    release()
    return found


def carried(integration_id: int) -> set[tuple[int, str]]:
    """The tags that each device should carry."""
    sql, values = Desire(integration_id, Tagging()).wanted(DeviceRange("{id} > ?", (0,)))
    found = {(device_id, key) for device_id, _external_id, key in bulk.fetch_all(db.session(), sql, values)}
    release()
    return found


def sent(record: PolicyRecord, version: int = 1, **more: str) -> dict[str, str]:
    """The values of a policy as the preview sends them."""
    values = policy_forms.values_of(policy_forms.filled(record))
    return values | {"version": str(version), "reason": "A test"} | more


@pytest.mark.parametrize("batch", [3, 1000])
def test_the_preview_is_what_the_roll_out_then_does(
    context: Flask, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(impact_queries, "BATCH", batch)
    integration_id, at = a_fleet(), now()
    before, tags_before = standings(), carried(integration_id)
    impact = impact_queries.measure(NEW, at)
    promised = {one.device.device_id: one.after for one in impact_queries.changed_devices(NEW, at)}
    policy.save(NEW, 1, "kim", at)
    policy_rollout.roll_out(at)
    after, tags_after = standings(), carried(integration_id)
    changed = {id_: standing for id_, standing in after.items() if standing != before[id_]}
    assert promised == changed
    assert (impact.rated, impact.changed) == (len(before), len(changed))
    assert len(changed) > 4
    moved = Counter(TagMove(integration_id, key, True) for _id, key in tags_after - tags_before)
    moved.update(TagMove(integration_id, key, False) for _id, key in tags_before - tags_after)
    assert impact.tags == moved
    assert impact_queries.measure(NEW, at).changed == 0, "once it is rolled out"


def test_the_page_says_how_many_which_devices_and_which_tags(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        a_fleet()
    answer = signed_in.get(PREVIEW, query_string=sent(NEW))
    page = " ".join(answer.get_data(as_text=True).split())
    assert answer.status_code == 200
    assert "of 9</strong>" in page
    assert "CHKP_TF_OS_OUTDATED" in page
    assert 'href="/devices/' in page
    assert "Rooted</dt><dd>High → Low</dd>" in page
    assert 'name="confirmed"' in page
    with app.app_context():
        assert policy.in_force(db.session())[0] == 1, "nothing is saved"


def test_the_file_lists_every_device_that_would_change(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        a_fleet()
        promised = impact_queries.measure(NEW, now()).changed
    answer = signed_in.post(f"{PREVIEW}.csv", query_string=sent(NEW))
    lines = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True).lstrip("\ufeff"))))
    assert len(lines) == promised
    assert {"status", "new_status", "risk", "new_risk"} <= lines[0].keys()
    assert ("High", "Low") in {(line["risk"], line["new_risk"]) for line in lines}


def test_a_large_change_is_saved_once_its_box_is_ticked(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        a_fleet()
    answer = signed_in.post(PAGE, data=sent(NEW))
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "Tick this box to save; nothing was saved." in page
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page))
    assert sent(NEW).items() <= hidden.items(), "nothing typed is lost"
    with app.app_context():
        assert policy.in_force(db.session())[0] == 1
    assert signed_in.post(PAGE, data=hidden | {"confirmed": "y"}).status_code == 303
    with app.app_context():
        version, saved = policy.in_force(db.session())
        assert (version, saved.overrides["ROOTED"].reason) == (2, "A test")
        assert msgspec.structs.replace(saved, overrides={}) == NEW


def test_the_share_that_counts_is_the_one_in_force(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        a_fleet()
        calm = PolicyRecord(inactive_days=8, confirm_above=100)
    sly = PolicyRecord(risks={"ROOTED": 1}, inactive_days=8, confirm_above=100)
    assert signed_in.post(PAGE, data=sent(sly)).status_code == 422
    assert signed_in.post(PAGE, data=sent(calm)).status_code == 303, "it changes no device"
    assert signed_in.post(PAGE, data=sent(sly, 2)).status_code == 303


def test_a_small_change_needs_no_box(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        a_fleet()
    small = PolicyRecord(inactive_days=8, risks={"PHISHING": 1})
    page = look(signed_in, f"{PREVIEW}?{'&'.join(f'{name}={value}' for name, value in sent(small).items())}")
    assert "would change status or risk" in page
    assert 'name="confirmed"' not in page
    assert signed_in.post(PAGE, data=sent(small)).status_code == 303


def test_a_policy_saved_meanwhile_is_a_conflict_before_and_after_the_preview(
    app: Flask, signed_in: FlaskClient
) -> None:
    with app.app_context():
        a_fleet()
        policy.save(PolicyRecord(inactive_days=20), 1, "lee", now())
    for answer in (
        signed_in.get(PREVIEW, query_string=sent(NEW)),
        signed_in.post(PAGE, data=sent(NEW)),
        signed_in.post(PAGE, data=sent(NEW, confirmed="y")),
    ):
        page = answer.get_data(as_text=True)
        assert answer.status_code == 409
        assert "Somebody else saved the policy meanwhile" in page
        assert 'name="inactive_days"' in page
        assert 'value="4"' in page, "what was typed"


def test_values_that_cannot_be_are_refused_before_the_preview(signed_in: FlaskClient) -> None:
    answer = signed_in.post(PREVIEW, data=sent(NEW, 0, inactive_days="0"))
    assert answer.status_code == 422
    assert "Enter a whole number from 1 to 90 days." in answer.get_data(as_text=True)
    unfounded = signed_in.post(PREVIEW, data=sent(NEW, 0, reason=""))
    assert unfounded.status_code == 422
    assert "Say why, for whoever looks at this next." in unfounded.get_data(as_text=True)
    assert signed_in.get(PREVIEW).status_code == 303
    assert signed_in.post(f"{PREVIEW}.csv").status_code == 303


def test_the_preview_leads_back_to_the_form_as_it_was_typed(signed_in: FlaskClient) -> None:
    asked = signed_in.post(PREVIEW, data=sent(NEW, 0))
    assert asked.status_code == 303
    page = look(signed_in, asked.location)
    back = re.search(r'href="(/settings/policy\?[^"]+)"', page)
    assert back
    form = look(signed_in, back[1].replace("&amp;", "&"))
    assert re.search(r'name="inactive_days"[^>]* value="4"', form) or 'value="4"' in form
    assert "No device is rated yet" in page


def test_what_is_in_force_already_needs_no_preview(signed_in: FlaskClient) -> None:
    answer = signed_in.get(PREVIEW, query_string=sent(PolicyRecord(), 0))
    assert (answer.status_code, answer.location) == (303, PAGE)
    assert "nothing was changed" in look(signed_in, PAGE)


def test_the_foot_of_the_page_names_the_version_of_harmony_not_that_of_the_policy(
    signed_in: FlaskClient,
) -> None:
    answer = signed_in.post(PREVIEW, data=sent(NEW, 0), follow_redirects=True)
    assert answer.status_code == 200
    assert f"Harmony {VERSION}</footer>" in answer.get_data(as_text=True)
