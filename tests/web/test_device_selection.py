"""Chosen columns and selected devices of the list (rung: shell on a file SQLite)."""

from __future__ import annotations

import html
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from harmony.db import db, write
from harmony.models import AuditEntry, Device, Message, Registration, RegistrationCode
from harmony.web.devices import selection
from harmony.web.devices.columns import COLUMNS
from tests.builders import NOON, a_choice, an_integration
from tests.files import records_of
from tests.stored import devices as devices_of
from tests.stored import store
from tests.web.reading import look

HEADINGS = re.compile(r'<th scope="col"[^>]*>(?:\s*<a [^>]*>)?([^<]+)<')
USUAL = [column.label for column in COLUMNS if column.is_usual]


def fleet(app: Flask, count: int = 3, **choice: object) -> list[int]:
    """Devices of one integration; every second has a Protect app."""
    with app.app_context():
        id_ = an_integration(a_choice("570", **choice))
        store(id_, count)
        ids = [device.id for device in devices_of(id_)]
        with write() as session:
            session.execute(update(Device).values(phone="+49 170 1"))
            for device_id in ids[::2]:
                row = Registration(device_id=device_id, profile="device", key_hash=f"{device_id:064}")
                row.client_version, row.registered_at, row.last_contact_at = "9.8.7", NOON, NOON
                session.add(row)
        return ids


def headings(page: str) -> list[str]:
    return [html.unescape(text.strip()) for text in HEADINGS.findall(page)]


def the(ids: list[int]) -> str:
    return "&".join(f"device={id_}" for id_ in ids)


def test_the_usual_columns_are_the_vendor_s(app: Flask, signed_in: FlaskClient) -> None:
    fleet(app)
    page = look(signed_in, "/devices")
    assert headings(page) == ["Name", *USUAL]
    assert {*USUAL} >= {
        "ID",
        "Email",
        "Device Number",
        "OS",
        "Device Details",
        "OS Version",
        "Client Version",
    }
    assert {*USUAL} >= {"Status", "Risk", "Last connection", "Group", "Serial"}
    assert page.count("9.8.7") == 2


def test_chosen_columns_are_remembered_until_the_usual_ones_are_asked_for(
    app: Flask, signed_in: FlaskClient
) -> None:
    fleet(app)
    chosen = {"column": ["serial", "status", "no such column", "seen"]}
    answer = signed_in.post("/devices/columns?status=provisioned&sort=-name", data=chosen)
    assert (answer.status_code, answer.location) == (303, "/devices?status=provisioned&sort=-name")
    for _ in range(2):
        page = look(signed_in, "/devices")
        assert headings(page) == ["Name", "Status", "Last seen by the UEM", "Serial"]
    assert len(re.findall(r'name="column" value="\w+" checked', page)) == 3
    signed_in.post("/devices/columns", data={"usual": "1", "column": ["serial"]})
    assert headings(look(signed_in, "/devices")) == ["Name", *USUAL]
    signed_in.post("/devices/columns")
    assert headings(look(signed_in, "/devices")) == ["Name", *USUAL]


def test_columns_of_personal_data_that_no_integration_imports_are_not_offered(
    app: Flask, signed_in: FlaskClient
) -> None:
    fleet(app, import_email=False, import_number=False)
    signed_in.post("/devices/columns", data={"column": ["email", "number"]})
    page = look(signed_in, "/devices")
    assert not {"Email", "Device Number"} & set(headings(page))
    assert 'value="email"' not in page
    assert headings(page)[:3] == ["Name", "ID", "Status"]
    fleet(app)
    assert headings(look(signed_in, "/devices")) == ["Name", "Email", "Device Number"]


def test_the_form_of_the_list_says_how_it_is_sorted_where_headings_do_not_show(
    app: Flask, signed_in: FlaskClient
) -> None:
    fleet(app)
    for word, said in (("risk", "Risk, highest first"), ("name", "Name"), ("-risk", "The other way round")):
        page = look(signed_in, f"/devices?sort={word}")
        select_ = re.search(r'<select name="sort">.*?</select>', page, re.DOTALL)
        assert select_
        assert re.findall(r"selected>([^<]+)<", select_[0]) == [said]


def test_the_group_of_a_device_leads_to_the_devices_in_it(app: Flask, signed_in: FlaskClient) -> None:
    ids = fleet(app)
    with app.app_context(), write() as session:
        session.execute(update(Device).where(Device.id != ids[1]).values(group_name="Sales & <co>"))
    found = re.search(r'href="(/devices\?group=[^"]+)"', look(signed_in, f"/devices/{ids[0]}"))
    assert found
    page = look(signed_in, html.unescape(found[1]))
    assert re.findall(r'<a href="/devices/(\d+)">', page) == [str(ids[0]), str(ids[2])]


def test_selected_devices_are_a_file_that_the_audit_log_knows_of(app: Flask, signed_in: FlaskClient) -> None:
    ids = fleet(app)
    with app.app_context(), write() as session:
        session.execute(update(Device).where(Device.id == ids[0]).values(name="=cmd()"))
    answer = signed_in.post("/devices/selection/devices.csv", data={"device": [ids[0], ids[2], "x", 10**19]})
    assert {int(row["id"]): row["name"] for row in records_of(answer)} == {
        ids[0]: "'=cmd()",
        ids[2]: "phone 000002",
    }
    with app.app_context():
        entry = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
        assert entry is not None
        assert (entry.what, entry.detail) == ("Exported devices", "2 devices")


def ward(app: Flask) -> tuple[list[int], list[int]]:
    """120 devices, of which the first 70 are in a group that fills a page and more; those, and the others."""
    ids = fleet(app, 120)
    with app.app_context(), write() as session:
        session.execute(update(Device).where(Device.id.in_(ids[:70])).values(group_name="Ward"))
    return ids[:70], ids[70:]


def test_all_devices_that_match_are_a_file_whatever_the_page_shows(
    app: Flask, signed_in: FlaskClient
) -> None:
    inside, outside = ward(app)
    assert re.search(r'name="all" value="1">\s*All 70 that match', look(signed_in, "/devices?group=Ward"))
    with app.app_context(), write() as session:
        session.execute(update(Device).where(Device.id == outside[0]).values(group_name="Elsewhere"))
    assert 'name="all"' not in look(signed_in, "/devices?group=Elsewhere"), "one page has them all"
    form = {"device": outside[1], "all": "1"}
    answer = signed_in.post("/devices/selection/devices.csv?group=Ward", data=form)
    assert [int(row["id"]) for row in records_of(answer)] == inside
    with app.app_context():
        entry = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
        assert entry is not None
        assert (entry.what, entry.detail) == ("Exported devices", "Filtered by: Group")


def test_an_action_on_all_that_match_names_these_before_it_is_done_to_them(
    app: Flask, signed_in: FlaskClient
) -> None:
    inside, outside = ward(app)
    page = look(signed_in, f"/devices/selection?{the(outside[:2])}&all=1&do=reset&group=Ward")
    assert "Reset the registration of 70 devices" in page
    named = [int(id_) for id_ in re.findall(r'name="device" value="(\d+)"', page)]
    assert named == inside
    signed_in.post("/devices/selection/reset", data={"device": named})
    with app.app_context():
        live = select(Registration.device_id).where(Registration.ended_at.is_(None))
        assert set(db.session.scalars(live)) == set(outside[::2])


def parts_of(client: FlaskClient, address: str) -> list[list[int]]:
    """Confirm part after part, from the first page on; the ids that each part names."""
    parts = []
    while address.startswith("/devices/selection?"):
        page = look(client, address)
        parts.append([int(id_) for id_ in re.findall(r'name="device" value="(\d+)"', page)])
        beyond = dict(re.findall(r'name="(beyond)" value="(\d+)"', page))
        form = re.search(r'<form method="post" action="(/devices/selection[^"]*)"', page)
        assert form
        sent = client.post(html.unescape(form[1]), data={"device": parts[-1]} | beyond)
        following = re.search(r'href="(/devices/selection\?[^"]*)"', sent.text)
        address = sent.location or (html.unescape(following[1]) if following else "")
    return parts


@pytest.mark.parametrize("action", ["reset", "message", "code"])
def test_an_action_on_more_than_can_be_done_at_once_is_done_part_by_part(
    app: Flask, signed_in: FlaskClient, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    monkeypatch.setattr(selection, "MOST", 2)
    ids = fleet(app, 5)
    parts = parts_of(signed_in, f"/devices/selection?all=1&do={action}&sort=risk")
    assert [len(part) for part in parts] == [2, 2, 1]
    assert sorted(id_ for part in parts for id_ in part) == ids
    with app.app_context():
        live = select(func.count()).select_from(Registration).where(Registration.ended_at.is_(None))
        assert (db.session.scalar(live) == 0) == (action == "reset")
        codes = db.session.scalar(select(func.count()).select_from(RegistrationCode))
        assert codes == (5 if action == "code" else 0)


def test_a_part_says_that_others_follow(
    app: Flask, signed_in: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "MOST", 4)
    ids = fleet(app, 5)
    assert "These are the first 4 by name" in look(signed_in, "/devices/selection?all=1&do=reset")
    following = f"/devices/selection?all=1&do=reset&beyond={ids[3]}"
    assert "These are the last" in look(signed_in, following)
    assert "by name" not in look(signed_in, f"/devices/selection?{the(ids[:4])}&do=reset")
    ended = signed_in.get(f"/devices/selection?all=1&do=reset&beyond={ids[4]}&sort=risk")
    assert ended.location == "/devices?sort=risk"
    removed = signed_in.get(f"/devices/selection?all=1&do=reset&beyond={max(ids) + 1}&sort=risk")
    assert removed.location == "/devices?sort=risk", "never the first part again"


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("reset", "Reset the registration of 2 devices"),
        ("message", "Send a registration message to 2 devices"),
        ("code", "New registration codes for 2 devices"),
    ],
)
def test_a_page_says_what_is_done_to_how_many_devices_before_it_is(
    app: Flask, signed_in: FlaskClient, action: str, said: str
) -> None:
    ids = fleet(app)
    page = look(signed_in, f"/devices/selection?{the(ids[:2])}&do={action}&status=provisioned&sort=-name")
    assert said in page
    assert "phone 000001" in page
    assert "phone 000002" not in page
    form = re.search(r'<form method="post" action="(/devices/selection[^"]*)".*?</form>', page, re.DOTALL)
    assert form
    assert "status=provisioned&amp;sort=-name" in form[1]
    assert re.findall(r'name="device" value="(\d+)"', form[0]) == [str(id_) for id_ in ids[:2]]


@pytest.mark.parametrize(
    "query", ["", "do=reset", "do=x&device=1", "do=code&device=x&device=99999999999999999999"]
)
def test_nothing_selected_leads_back_to_the_list(app: Flask, signed_in: FlaskClient, query: str) -> None:
    fleet(app)
    answer = signed_in.get(f"/devices/selection?{query}&risk=high")
    assert answer.location == "/devices?risk=high"
    assert "No device was selected" in look(signed_in, "/devices")
    for path in ("devices.csv", "reset", "message"):
        assert signed_in.post(f"/devices/selection/{path}").status_code == 303


def test_registrations_of_the_selected_devices_alone_are_reset(app: Flask, signed_in: FlaskClient) -> None:
    ids = fleet(app, 5)
    answer = signed_in.post("/devices/selection/reset?sort=risk", data={"device": ids[:3]})
    assert answer.location == "/devices?sort=risk"
    assert "The registration of 2 devices was reset; 1 had nothing to reset." in look(signed_in, "/devices")
    with app.app_context():
        live = select(Registration.device_id).where(Registration.ended_at.is_(None))
        assert db.session.scalars(live).all() == [ids[4]]


def test_new_codes_are_shown_once_for_each_selected_device_that_is_not_deleted(
    app: Flask, signed_in: FlaskClient
) -> None:
    ids = fleet(app)
    with app.app_context(), write() as session:
        session.execute(update(Device).where(Device.id == ids[2]).values(deleted_at=NOON, deleted_by="sync"))
    page = signed_in.post("/devices/selection/codes", data={"device": ids}).get_data(as_text=True)
    assert len(set(re.findall(r"<code>(\w{4}(?:-\w{4}){3})</code>", page))) == 2
    with app.app_context():
        assert sorted(db.session.scalars(select(RegistrationCode.device_id))) == ids[:2]


def test_messages_that_cannot_be_sent_are_counted_and_nothing_is_queued(
    app: Flask, signed_in: FlaskClient
) -> None:
    ids = fleet(app)
    page = look(signed_in, f"/devices/selection?{the(ids)}&do=message")
    assert "Mail: reaches 0 of 3" in page
    signed_in.post("/devices/selection/message", data={"device": ids, "channel": "email"})
    assert "A message is queued for 0 devices. 3 got none" in look(signed_in, "/devices")
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Message)) == 0
