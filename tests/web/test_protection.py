"""How a device is, on its page and in the list: codes, reset, profiles, findings, filters (rung: shell)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db, write
from harmony.models import AuditEntry, Device, DeviceStatus, Membership, Policy, Registration, Risk
from harmony.protection.change import NewFinding
from tests.files import records_of
from tests.protect.agent import ENTERPRISE, Agent, an_open_integration, device_of, refusal
from tests.protect.stored import change
from tests.scanning import scanned_on
from tests.web.test_devices import look, names_on


@pytest.fixture
def shown(app: Flask, signed_in: FlaskClient) -> FlaskClient:
    """The dashboard with five devices: UDID1 active and High, UDID2 inactive, UDID3 provisioned and Low."""
    with app.app_context():
        an_open_integration(5, auto_addition=True)
        for udid, status, risk in (
            ("UDID1", "active", 3),
            ("UDID2", "inactive", 0),
            ("UDID3", "provisioned", 1),
        ):
            opened = [NewFinding("device", "ROOTED", "", risk)] if risk else []
            change(device_of(udid).id, now(), opened=opened, status=DeviceStatus(status))
    return signed_in


def page_of(client: FlaskClient, udid: str) -> str:
    with client.application.app_context():
        id_ = device_of(udid).id
    return look(client, f"/devices/{id_}")


def an_agent(client: FlaskClient, udid: str = "UDID0") -> Agent:
    return Agent(client.application.test_client(), udid)


def badges(page: str) -> list[str]:
    """The words of the badges on a page."""
    return re.findall(r'data-state="\w+">.*?<span>([^<]*)</span></span>', page, re.DOTALL)


def numbers(names: list[str]) -> list[int]:
    return [int(name.removeprefix("phone ")) for name in names]


def test_a_device_that_no_app_looks_at_is_nowhere_called_safe(shown: FlaskClient) -> None:
    """Of five, the devices 0 and 4 never registered; 3 is at Low risk although its app is gone."""
    assert badges(look(shown, "/devices?risk=not_assessed")).count("Not assessed") == 2
    assert "Not assessed" not in badges(look(shown, "/devices?risk=none"))
    with shown.application.app_context():
        first, third = device_of("UDID0").id, device_of("UDID3").id
    assert "Not assessed" in badges(look(shown, f"/devices/{first}"))
    assert "Low" in badges(look(shown, f"/devices/{third}"))
    risks = [row["risk"] for row in records_of(shown.post("/devices/devices.csv"))]
    assert risks == ["Not assessed", "High", "No Risk", "Low", "Not assessed"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=active", [1]),
        ("status=inactive", [2]),
        ("status=provisioned", [0, 3, 4]),
        ("risk=high", [1]),
        ("risk=low", [3]),
        ("risk=none", [2]),
        ("risk=not_assessed", [0, 4]),
        ("status=provisioned&risk=not_assessed", [0, 4]),
        ("status=provisioned&risk=none", []),
        ("status=provisioned&risk=low", [3]),
        ("status=active&risk=low", []),
        ("status=asleep&risk=awful", [0, 1, 2, 3, 4]),
        ("integration=1&risk=high", [1]),
        ("q=udid3&risk=low", [3]),
    ],
)
def test_the_list_can_be_narrowed_to_a_status_and_a_risk(
    shown: FlaskClient, query: str, found: list[int]
) -> None:
    page = look(shown, f"/devices?{query}")
    assert numbers(names_on(page)) == found
    if "q=" not in query:
        assert f'<p class="lead">{len(found)} device' in page


def test_a_deleted_device_counts_nowhere(app: Flask, shown: FlaskClient) -> None:
    with app.app_context():
        ids = [device_of(udid).id for udid in ("UDID1", "UDID0")]
        with write() as session:
            for id_ in ids:
                session.get_one(Device, id_).deleted_at = now()
    assert "0 devices" in look(shown, "/devices?risk=high")
    assert "2 devices" in look(shown, "/devices?status=provisioned")


def test_the_numbers_of_an_integration_lead_to_the_devices_behind_them(shown: FlaskClient) -> None:
    page = look(shown, "/integrations/1")
    stats = re.findall(r'href="(/devices\?[^"]+)">\s*<span class="stat-value">(\d+)', page)
    wanted = [
        (href.replace("&amp;", "&"), int(count))
        for href, count in stats
        if "status" in href or "risk" in href
    ]
    assert sorted(count for _, count in wanted) == [0, 1, 1, 1, 1, 1, 2, 3]
    for href, count in wanted:
        assert len(names_on(look(shown, href))) == count


def test_the_file_has_status_and_risk_in_words(shown: FlaskClient) -> None:
    rows = records_of(shown.post("/devices/devices.csv?risk=high"))
    assert [(row["status"], row["risk"]) for row in rows] == [("active", "High")]


def test_a_device_that_no_sync_has_listed_is_flagged_and_can_be_found(shown: FlaskClient) -> None:
    agent = an_agent(shown, "NEW")
    assert agent.register().status_code == 201
    assert len(names_on(look(shown, "/devices?state=unlisted"))) == 1
    page = page_of(shown, "NEW")
    assert "Not listed by the UEM" in page
    assert "Added by registration" in page
    assert "Not listed by the UEM" in look(shown, "/integrations/1")


def test_a_device_that_is_nobodys_can_be_deleted_and_is_turned_away(app: Flask, shown: FlaskClient) -> None:
    agent = an_agent(shown, "STRANGER-1")
    agent.register()
    assert "Delete</button>" in page_of(shown, "STRANGER-1")
    assert "only what the UEM lists can carry one" in page_of(shown, "STRANGER-1")
    assert "Delete</button>" not in page_of(shown, "UDID0")
    with app.app_context():
        stranger, ours = device_of("STRANGER-1").id, device_of("UDID0").id
    assert "turned away" in shown.post(f"/devices/{stranger}/delete", follow_redirects=True).text
    assert refusal(agent.check_in()) == (410, "device_deleted")
    assert refusal(agent.register()) == (410, "device_deleted")
    assert "Nothing was deleted" in shown.post(f"/devices/{ours}/delete", follow_redirects=True).text
    shown.post(f"/devices/{stranger}/restore")
    assert agent.check_in().status_code == 200


def test_all_strangers_of_the_filter_are_deleted_at_once_and_nobody_else(
    app: Flask, shown: FlaskClient
) -> None:
    for udid in ("STRANGER-1", "STRANGER-2", "OTHER"):
        an_agent(shown, udid).register()
    page = look(shown, "/devices?state=unlisted&q=stranger")
    assert "Delete all 2" in page
    answer = shown.post("/devices/delete?state=unlisted&q=stranger", follow_redirects=True)
    assert "Deleted 2 devices" in answer.text
    with app.app_context():
        gone = db.session.scalars(select(Device.udid).where(Device.deleted_at.is_not(None)))
        assert set(gone) == {"STRANGER-1", "STRANGER-2"}
        entry = db.session.scalars(select(AuditEntry).where(AuditEntry.what == "Deleted devices")).one()
        assert (entry.who, entry.detail) == ("admin", "2 devices that the UEM does not list")


def an_enterprise_device() -> int:
    an_open_integration(choice=ENTERPRISE)
    return device_of("UDID0").id


def test_a_code_is_shown_once_and_registers_an_active_device_anew(app: Flask, shown: FlaskClient) -> None:
    agent = an_agent(shown)
    agent.register()
    with app.app_context():
        href = f"/devices/{device_of('UDID0').id}/registration-code"
    page = shown.post(href).get_data(as_text=True)
    (code,) = re.findall(r'value="((?:[0-9A-Z]{4}-){3}[0-9A-Z]{4})"', page)
    assert "Not used yet" in page
    assert scanned_on(page) == [f"http://localhost/register#{code}"]
    assert code not in look(shown, href)
    assert refusal(agent.register())[0] == 409
    assert agent.register(token=None, code=code).status_code == 201
    assert "Used" in look(shown, href)
    with app.app_context():
        assert "Made a registration code" in db.session.scalars(select(AuditEntry.what)).all()


def test_on_two_profiles_a_code_is_made_for_one_of_them(app: Flask, shown: FlaskClient) -> None:
    with app.app_context():
        href = f"/devices/{an_enterprise_device()}/registration-code"
    assert '<option value="work">' in look(shown, href)
    page = shown.post(href, data={"profile": "work"}).get_data(as_text=True)
    (code,) = re.findall(r'value="((?:[0-9A-Z]{4}-){3}[0-9A-Z]{4})"', page)
    assert '<td data-label="Profile">work</td>' in page
    assert scanned_on(page) == [f"http://localhost/register#work:{code}"]
    agent = Agent(app.test_client())
    assert refusal(agent.register(token=None, code=code, profile="personal")) == (409, "profile_differs")
    assert agent.register(token=None, code=code, profile="work").status_code == 201


def test_a_reset_ends_the_registration_and_is_audited(app: Flask, shown: FlaskClient) -> None:
    agent = an_agent(shown)
    agent.register()
    agent.check_in("ROOTED")
    assert "Rooted" in page_of(shown, "UDID0")
    with app.app_context():
        href = f"/devices/{device_of('UDID0').id}"
    answer = shown.post(f"{href}/reset-registration")
    assert (answer.status_code, answer.location) == (303, href)
    page = page_of(shown, "UDID0")
    assert "Provisioned" in page
    assert "1 finding that has ended" in " ".join(page.split())
    past = page[page.index("What has ended on this device") :]
    assert past.index("Rooted") < past.index('data-label="Ended"') < past.index("All findings")
    assert "Rooted" in look(shown, f"{href}/findings")
    assert refusal(agent.check_in()) == (401, "key_unknown")
    with app.app_context():
        entry = db.session.scalars(
            select(AuditEntry).where(AuditEntry.what == "Reset the registration")
        ).one()
        assert entry.who == "admin"
    assert "Reset registration" not in page
    assert "nothing to reset" in shown.post(f"{href}/reset-registration", follow_redirects=True).get_data(
        as_text=True
    )


def test_what_an_app_left_behind_can_be_reset_after_it_unregistered(shown: FlaskClient) -> None:
    agent = an_agent(shown)
    agent.register()
    agent.check_in("ROOTED")
    agent.unregister()
    page = page_of(shown, "UDID0")
    assert "Rooted" in page
    (href,) = re.findall(r'action="(/devices/[0-9]+/reset-registration)"', page)
    assert "The registration was reset" in shown.post(href, follow_redirects=True).get_data(as_text=True)
    assert "1 finding that has ended" in " ".join(page_of(shown, "UDID0").split())


def test_a_finding_says_what_it_is_about_and_on_which_profile(app: Flask, shown: FlaskClient) -> None:
    with app.app_context(), write() as session:
        values = {"minimum_os": {"android": "14"}}
        session.add(Policy(version=1, values=values, at=now(), by="kim"))
    agent = an_agent(shown)
    agent.register(profile="work")
    agent.check_in(
        os_version="13.1",
        findings=[{"code": "SUSPICIOUS_APP", "subject": "com.example.torch"}],
        apps=[{"identifier": "com.example.torch"}],
    )
    page = page_of(shown, "UDID0")
    assert 'Suspicious App <span class="muted small">Work profile</span>' in page
    assert re.search(r'<a href="/apps/\d+">com.example.torch</a>', page)
    assert "13.1 is below 14" in page
    assert "13.1 is below 14" in look(shown, "/events?event=detected")


def test_the_page_says_which_profile_of_an_android_enterprise_device_is_missing_or_silent(
    app: Flask, signed_in: FlaskClient
) -> None:
    with app.app_context():
        an_open_integration(choice=ENTERPRISE)
        assert db.session.scalars(select(Membership.group_id)).all() == ["570"]
    agent = an_agent(signed_in)
    assert "needs one in the personal and one in the work profile" in page_of(signed_in, "UDID0")
    agent.register(profile="work")
    assert "not registered in the personal profile" in page_of(signed_in, "UDID0")
    agent.register(profile="personal")
    assert "Not fully protected" not in page_of(signed_in, "UDID0")
    with app.app_context(), write() as session:
        work = select(Registration).where(Registration.profile == "work")
        session.scalars(work).one().last_contact_at -= timedelta(days=8)
    assert "was not heard from the work profile for more than 7 days" in page_of(signed_in, "UDID0")


def test_what_a_device_says_is_text_and_nothing_else(shown: FlaskClient) -> None:
    agent = an_agent(shown)
    agent.register(client_version="<b>4</b>")
    agent.check_in("ZZ_UNKNOWN", findings=[{"code": "ZZ_UNKNOWN", "subject": "<script>alert(1)</script>"}])
    page = page_of(shown, "UDID0")
    assert "<script>alert" not in page
    assert "<b>4</b>" not in page
    assert "ZZ_UNKNOWN" in page
    assert Risk.MEDIUM.label in page


def test_the_page_says_which_other_device_has_the_same_udid_and_what_to_do(
    app: Flask, shown: FlaskClient
) -> None:
    assert "Same UDID as" not in page_of(shown, "UDID0")
    with app.app_context():
        ids = {udid: device_of(udid).id for udid in ("UDID0", "UDID1", "UDID2")}
        with write() as session:
            session.get_one(Device, ids["UDID1"]).udid_key = "udid0"
    first, second = (f"/devices/{ids[udid]}" for udid in ("UDID0", "UDID1"))
    assert f'Same UDID as <a href="{second}">' in look(shown, first)
    assert "use a registration code" in look(shown, first)
    with app.app_context(), write() as session:
        session.get_one(Device, ids["UDID1"]).added_by = "registration"
    assert "Delete it here, and Protect registers again" in look(shown, second)
    assert "Delete the one that the UEM does not list" in look(shown, first)
    with app.app_context(), write() as session:
        for udid in ("UDID0", "UDID2"):
            session.get_one(Device, ids[udid]).udid_key = ""
    assert "Same UDID as" not in look(shown, first)
