"""The Tagging page against a simulated UEM over real TLS (rung S), as without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from harmony.clock import now
from harmony.db import db, write
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import AuditEntry, Device, FormerTag, Integration, UemTag
from harmony.models.configuration import TAGGING, Tagging, from_row
from harmony.simulator import changes
from harmony.simulator.actions import ACTIONS
from harmony.simulator.arguments import Arguments
from harmony.simulator.server import RunningSimulator, start
from harmony.simulator.world import World
from harmony.sync import integration_removal
from harmony.sync import job as sync_job
from harmony.tagging import job as tagging
from harmony.uem.trust.address import origin_of
from tests.web.walking import Walk, form_of

pytestmark = pytest.mark.usefixtures("uem")

STANDARD = ("Provisioned", "Active", "Inactive")


def foreign(uem: RunningSimulator, *names: str) -> None:
    """Tags that somebody else made at the top group."""
    world = uem.tenant.world
    with world.lock:
        for name in names:
            changes.add_tag(world, name, avatar=name, kind=1, group=570, when=now())


def kept(app: Flask, walk: Walk) -> Tagging:
    """What the page's draft says."""
    with app.app_context():
        page = db.session.get_one(Integration, walk.id).page(TAGGING)
        return from_row(Tagging, page.draft if page else None)


def rows(page: str) -> dict[str, str]:
    """The table of needed tags: name to the rest of its row."""
    table = page.partition('id="needed-tags"')[2].partition("</table>")[0]
    return dict(re.findall(r'<tr><th scope="row">([^<]+)</th>(.*?)</tr>', table, re.S))


def test_all_three_are_on_and_verify_lists_every_tag_with_group_and_devices(
    signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    walk = Walk.begin(signed_in).to_tagging()
    assert {"tag_status", "tag_risk", "tag_factors"} <= set(walk.values("tagging"))
    assert "tag_no_risk" not in walk.values("tagging")
    page = walk.verify("tagging")
    found = rows(page)
    expected = [f"CHKP_Status_{one}" for one in STANDARD] + [
        f"CHKP_Risk_{one}" for one in ("High", "Medium", "Low")
    ]
    assert list(found) == expected
    assert all('data-state="missing"' in row and "Acme Logistics" in row for row in found.values())
    assert "Settings &gt; Tags &gt; edit" in page
    assert "Devices &amp; Users &gt; Advanced &gt; Tags" in page
    assert not any("addtag" in path or "adddevices" in path for path in map(str, uem.tenant.meter.calls))
    assert walk.send("tagging", "/verify?then=next").location.endswith("/setup/deployment")


def test_names_follow_the_prefix_unless_they_were_changed(app: Flask, signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in).to_tagging()
    page = walk.verify("tagging", risk_high="On fire")
    assert list(kept(app, walk).names) == ["risk:high"]
    page = walk.verify("tagging", prefix="ACME ")
    assert form_of(page)["status_active"] == "ACMEStatus_Active"
    assert form_of(page)["risk_high"] == "On fire"
    assert "ACMETF_ROOTED" in page
    assert kept(app, walk).names == {"risk:high": "On fire"}


@pytest.mark.parametrize(
    ("typed", "field", "sentence"),
    [
        ({"risk_low": ""}, "risk_low", "Enter a name."),
        ({"risk_low": "chkp_risk_HIGH"}, "risk_low", "Another tag has this name."),
        ({"risk_low": "CHKP_TF_ROOTED"}, "risk_low", "Names that begin like this are for threat factors."),
        ({"risk_low": "a  b"}, "risk_low", "hidden characters"),
        ({"prefix": "x" * 31}, "prefix", "At most 30 characters."),
    ],
)
def test_a_name_that_cannot_be_used_is_said_beside_its_field_and_nothing_is_lost(
    app: Flask, signed_in: FlaskClient, typed: dict[str, str], field: str, sentence: str
) -> None:
    walk = Walk.begin(signed_in).to_tagging()
    answer = walk.send("tagging", "/verify?then=next", status_active="Kept", **typed)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert sentence in page.partition(f'id="field-{field}"')[2].partition("</div></div>")[0]
    assert '<details class="panel" open>' in page
    assert form_of(page)["status_active"] == "Kept"
    assert form_of(page)[field] == typed[field]
    assert kept(app, walk).names == {}


def test_a_name_of_somebody_elses_tag_is_refused_until_it_is_adopted(
    app: Flask, signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    foreign(uem, "CHKP_Risk_High", "CHKP_Risk_High_and_more")
    walk = Walk.begin(signed_in).to_tagging()
    answer = walk.send("tagging", "/verify?then=next")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "adopt it below" in page.partition('id="field-risk_high"')[2].partition("</div></div>")[0]
    assert "Your values are kept, but not verified." in page
    assert "Not made for this integration" not in rows(page)["CHKP_Risk_Low"]
    assert "Not made for this integration" in rows(page)["CHKP_Risk_High"]
    answer = walk.next("tagging", adopted=["CHKP_Risk_High", "Somebody's"])
    assert answer.location.endswith("/setup/deployment")
    assert kept(app, walk).adopted == ("CHKP_Risk_High",)
    assert form_of(walk.look("tagging")).getlist("adopted") == ["CHKP_Risk_High"]
    assert walk.send("tagging", "/verify?then=next").location.endswith("/setup/deployment")
    assert kept(app, walk).adopted == ("CHKP_Risk_High",)


def test_adoption_ends_when_it_is_unticked_or_the_name_is_changed(
    app: Flask, signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    foreign(uem, "CHKP_Risk_High")
    walk = Walk.begin(signed_in).to_tagging()
    walk.verify("tagging")
    walk.verify("tagging", adopted=["CHKP_Risk_High"])
    assert walk.send("tagging", "/verify?then=next", drop=("adopted",)).status_code == 422
    assert kept(app, walk).adopted == ()
    walk.verify("tagging", adopted=["CHKP_Risk_High"], risk_high="Mine")
    assert kept(app, walk).adopted == ()


def test_a_uem_that_cannot_be_asked_fails_verify_in_words(
    signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    walk = Walk.begin(signed_in).to_tagging()
    ACTIONS["faults"](uem.tenant, Arguments({"kind": "server_error"}))
    answer = walk.send("tagging", "/verify?then=next")
    assert answer.location.endswith("/setup/tagging#verification")
    assert 'class="danger failed"' in walk.look("tagging")


def in_uem(uem: RunningSimulator) -> set[str]:
    return {tag.name for tag in uem.tenant.world.tags.values()}


def test_missing_tags_are_created_from_the_page_and_known_to_be_ours(
    app: Flask, signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    walk = Walk.begin(signed_in).to_tagging()
    walk.verify("tagging")
    answer = walk.send("tagging", "/create", risk_high="On fire")
    assert answer.status_code == 303
    page = walk.look("tagging")
    assert "Created in the UEM: CHKP_Status_Provisioned, " in page
    assert {"On fire", "CHKP_Risk_Low"} <= in_uem(uem)
    assert "CHKP_Risk_High" not in in_uem(uem)
    assert all('data-state="ok"' in row for row in rows(page).values())
    assert "Create missing tags" not in page
    with app.app_context():
        made = {tag.name: tag for tag in db.session.query(UemTag)}
        assert made["On fire"].key == "risk:high"
        assert made["On fire"].organization_group_id == "570"
        assert not any(tag.adopted for tag in made.values())
        newest = db.session.query(AuditEntry).order_by(AuditEntry.id.desc()).first()
        assert newest is not None
        assert newest.what == "Created tags in the UEM"
    walk.send("tagging", "/create", risk_high="CHKP_Risk_High")
    walk.send("tagging", "/create", risk_high="On fire")
    assert 'data-state="ok"' in rows(walk.look("tagging"))["On fire"]


def test_without_the_permission_the_page_names_it_and_the_menu(
    signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    walk = Walk.begin(signed_in).to_tagging()
    ACTIONS["access"](uem.tenant, Arguments({"denied": ["tags_write"]}))
    walk.send("tagging", "/create")
    page = walk.look("tagging")
    assert "No tag was created:" in page
    assert "Settings &gt; Tags" in page.partition("No tag was created:")[2].partition("</div>")[0]
    assert "Advanced &gt; Tags" in page
    assert "CHKP_Risk_High" not in in_uem(uem)
    assert walk.send("tagging", "/verify?then=next").location.endswith("/setup/deployment")


def test_somebody_elses_tag_is_not_made_a_second_time(signed_in: FlaskClient, uem: RunningSimulator) -> None:
    foreign(uem, "CHKP_Risk_High")
    walk = Walk.begin(signed_in).to_tagging()
    walk.send("tagging", "/create")
    page = walk.look("tagging")
    assert "A tag of this name is in the UEM already, and was not made for this integration." in page
    assert len([tag for tag in uem.tenant.world.tags.values() if tag.name == "CHKP_Risk_High"]) == 1


def test_a_tag_that_was_made_under_an_id_nobody_confirms_is_told_and_found_by_the_next_press(
    app: Flask, signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    walk = Walk.begin(signed_in).to_tagging()
    uem.tenant.faults.add("other_id", path="addtag", times=1)
    walk.send("tagging", "/create")
    page = walk.look("tagging")
    assert "The UEM has not confirmed which of its tags is CHKP_" in page
    uem.tenant.faults.clear()
    walk.send("tagging", "/create")
    with app.app_context():
        ids = {tag.external_id for tag in db.session.query(UemTag)}
    assert ids == {str(tag.id) for tag in uem.tenant.world.tags.values() if tag.name.startswith("CHKP_")}


def test_a_draft_that_runs_is_left_to_the_worker(
    app: Flask, signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    walk = Walk.begin(signed_in).to_deployment().finish()
    assert "The worker creates the missing tags once you have saved." in walk.verify("tagging")
    assert walk.send("tagging", "/create").status_code == 409
    answer = signed_in.post(f"/integrations/{walk.id}/tags/create")
    assert answer.location == f"/integrations/{walk.id}/tags"
    with app.app_context():
        assert (walk.id, JobKind.TAGGING) in lease.due(now())
    assert "CHKP_Status_Active" not in in_uem(uem)


def test_the_worker_tags_the_devices_and_every_page_says_so(
    app: Flask, signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    walk = Walk.begin(signed_in).to_deployment().finish()
    with app.app_context():
        sync_job.sync(walk.id)
        tagging.tag(walk.id)
        devices = db.session.query(Device).filter_by(integration_id=walk.id).count()
    provisioned = next(tag for tag in uem.tenant.world.tags.values() if tag.name == "CHKP_Status_Provisioned")
    assert len(provisioned.devices) == devices
    page = signed_in.get(f"/integrations/{walk.id}").get_data(as_text=True)
    assert f"CHKP_Status_Provisioned: {devices}" in page
    page = signed_in.get(f"/integrations/{walk.id}/tags").get_data(as_text=True)
    assert f">{devices}</a>" in page
    assert 'data-state="ok"' in page
    page = walk.verify("tagging")
    assert 'data-state="ok"' in rows(page)["CHKP_Status_Provisioned"]
    assert f'class="num">{devices}<' in rows(page)["CHKP_Status_Provisioned"]
    with app.app_context():
        one = db.session.query(Device).filter_by(integration_id=walk.id).first()
        assert one is not None
        device = one.id
    panel = signed_in.get(f"/devices/{device}").get_data(as_text=True).partition("Tags in the UEM")[2]
    assert "CHKP_Status_Provisioned" in panel
    assert "On the device" in panel


def test_verify_and_next_stops_once_at_its_warning(signed_in: FlaskClient, uem: RunningSimulator) -> None:
    """The tags are not there yet: whoever goes on has read so, and is not stopped a second time."""
    walk = Walk.begin(signed_in).to_tagging()
    answer = walk.send("tagging", "/verify?then=next")
    assert answer.location.endswith("/setup/tagging#verification")
    page = walk.look("tagging")
    assert "Verify passed with a warning." in page
    assert "CHKP_Status_Active, CHKP_Status_Inactive and 3 more are not there" in page
    answer = walk.send("tagging", "/verify?then=next", risk_low="Another")
    assert answer.location.endswith("/setup/deployment")


def test_another_warning_than_the_one_that_was_read_stops_again(signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in).to_tagging()
    walk.verify("tagging")
    answer = walk.send("tagging", "/verify?then=next", status_active="Guarded")
    assert answer.location.endswith("/setup/tagging#verification")
    assert "Guarded" in walk.look("tagging")
    assert walk.send("tagging", "/verify?then=next").location.endswith("/setup/deployment")


def test_verify_and_next_without_a_warning_goes_on_at_once(signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in).to_tagging()
    walk.send("tagging", "/create")
    assert walk.send("tagging", "/verify?then=next").location.endswith("/setup/deployment")


def test_a_tag_in_other_letters_is_offered_and_its_spelling_is_used(
    app: Flask, signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    """For the UEM it is the same tag: to make ours beside it would be refused there."""
    foreign(uem, "chkp_risk_HIGH")
    walk = Walk.begin(signed_in).to_tagging()
    answer = walk.send("tagging", "/verify?then=next")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "In the UEM already as chkp_risk_HIGH" in page
    assert "there: chkp_risk_HIGH" in rows(page)["CHKP_Risk_High"]
    assert walk.next("tagging", adopted=["chkp_risk_HIGH"]).location.endswith("/setup/deployment")
    assert kept(app, walk).adopted == ("chkp_risk_HIGH",)
    assert kept(app, walk).names == {"risk:high": "chkp_risk_HIGH"}
    page = walk.look("tagging")
    assert form_of(page)["risk_high"] == "chkp_risk_HIGH"
    assert 'data-state="ok"' in rows(page)["chkp_risk_HIGH"]


def test_a_long_name_is_shown_as_it_is_shortened_and_one_verify_is_enough(
    app: Flask, signed_in: FlaskClient
) -> None:
    walk = Walk.begin(signed_in).to_tagging()
    name = form_of(walk.verify("tagging", risk_high="High " + "risk" * 20))["risk_high"]
    other = form_of(walk.verify("tagging", risk_low="High " + "risk" * 20 + "!"))["risk_low"]
    assert len(name) == len(other) == 50
    assert name != other
    assert {name, other} <= set(rows(walk.look("tagging")))
    assert walk.send("tagging").location.endswith("/setup/deployment")
    assert kept(app, walk).names == {"risk:high": name, "risk:low": other}


def test_adopt_all_is_one_press_for_what_a_removed_integration_made(
    app: Flask, signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    first = Walk.begin(signed_in).to_tagging()
    first.send("tagging", "/create")
    assert signed_in.post(f"/integrations/{first.id}/remove").status_code == 303
    with app.app_context():
        integration_removal.carry_out(first.id)
        assert db.session.query(UemTag).count() == 0
    walk = Walk.begin(signed_in).to_tagging()
    answer = walk.send("tagging", "/verify?then=next")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert page.count("Made by Harmony earlier</span>") == 6
    assert "Not made for this integration" not in page
    assert "Adopt a tag only if nobody else uses it" not in page
    assert "Adopt all 6" in page
    assert walk.send("tagging", "/verify", adopt_all="y").status_code == 303
    page = walk.look("tagging")
    assert all('data-state="ok"' in row for row in rows(page).values())
    assert len(kept(app, walk).adopted) == 6
    assert walk.send("tagging", "/verify?then=next").location.endswith("/setup/deployment")


@pytest.fixture
def other_uem() -> Iterator[RunningSimulator]:
    """A second UEM, whose tags have other ids."""
    simulator = start(World(20, seed=8))
    foreign(simulator, *(f"Elsewhere {number}" for number in range(9)))
    yield simulator
    simulator.stop()


def move(walk: Walk, there: RunningSimulator) -> None:
    """Lead the Server Details of an integration in force to another UEM, and save them."""
    account = {"client_id": there.credentials.client_id, "client_secret": there.credentials.client_secret}
    address = {"server_address": there.url, "token_region": "other", "token_other": there.token_url}
    walk.verify("server", **account, **address, certificate=there.ca_pem)
    assert walk.send("server").location == f"/integrations/{walk.id}"


def test_adopt_all_is_offered_for_the_tags_of_a_server_that_was_left(
    app: Flask, signed_in: FlaskClient, uem: RunningSimulator, other_uem: RunningSimulator
) -> None:
    first = Walk.begin(signed_in).to_tagging()
    first.send("tagging", "/create")
    first.next("tagging")
    move(first.finish(), other_uem)
    with app.app_context():
        former = db.session.query(FormerTag).all()
        assert {tag.server for tag in former} == {origin_of(uem.url)}
        assert len(former) == 6
    walk = Walk.begin(signed_in).to_tagging()
    page = walk.send("tagging", "/verify?then=next").get_data(as_text=True)
    assert page.count("Made by Harmony earlier</span>") == 6
    assert "Adopt all 6" in page
    walk.send("tagging", "/verify", adopt_all="y")
    assert len(kept(app, walk).adopted) == 6
    assert walk.send("tagging", "/verify?then=next").location.endswith("/setup/deployment")


def test_what_was_made_in_a_former_uem_proves_nothing_in_another(
    app: Flask, signed_in: FlaskClient, other_uem: RunningSimulator
) -> None:
    """Neither a tag with one of our names nor one with one of our former ids is ours there."""
    first = Walk.begin(signed_in).to_tagging()
    first.send("tagging", "/create")
    first.next("tagging")
    foreign(other_uem, "CHKP_Risk_High")
    with other_uem.tenant.world.lock:
        there = next(tag for tag in other_uem.tenant.world.tags.values() if tag.name == "CHKP_Risk_High")
    with app.app_context(), write() as session:
        low = session.query(UemTag).filter_by(key="risk:low").one()
        low.external_id = str(there.id)
    move(first.finish(), other_uem)
    page = first.send("tagging", "/verify").get_data(as_text=True)
    assert "Made by Harmony earlier" not in page
    assert "Not made for this integration" in rows(first.look("tagging"))["CHKP_Risk_High"]


def test_the_tags_of_another_integration_of_the_same_uem_are_harmonys(signed_in: FlaskClient) -> None:
    first = Walk.begin(signed_in).to_tagging("organization:571")
    first.send("tagging", "/create")
    second = Walk.begin(signed_in).to_tagging("organization:572")
    page = second.send("tagging", "/verify?then=next").get_data(as_text=True)
    assert page.count("Made by Harmony earlier</span>") == 6


def test_names_go_on_following_the_prefix_after_a_refused_verify(
    app: Flask, signed_in: FlaskClient, uem: RunningSimulator
) -> None:
    """The page shows the names that were looked for, so that sending it again says the same."""
    foreign(uem, "WALK_Risk_High")
    walk = Walk.begin(signed_in).to_tagging()
    answer = walk.send("tagging", "/verify?then=next", prefix="WALK_")
    assert answer.status_code == 422
    shown = form_of(answer.get_data(as_text=True))
    assert shown["status_active"] == "WALK_Status_Active"
    shown.setlist("adopted", ["WALK_Risk_High"])
    assert signed_in.post(walk.href("tagging") + "/verify", data=shown).status_code == 303
    assert kept(app, walk).names == {}
    assert kept(app, walk).adopted == ("WALK_Risk_High",)
