"""Rung R: a role that sees no personal data: lists, pages, files, search, order; on each database."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from harmony.clock import now
from harmony.db import db, write
from harmony.models import Device, Role
from harmony.security import role_settings
from tests.builders import NOON, an_integration
from tests.database import on_both
from tests.protect.stored import registered
from tests.web.reading import pages_from
from tests.web.test_roles import sign_in

database = on_both
PEOPLE = ("Zoe's phone", "Zoe Quill", "zoe.quill@corp.example", "+41791112233", "zoe")


@pytest.fixture
def device_id(app: Flask, client: FlaskClient) -> int:
    """A device of a person; viewers do not see people."""
    with app.app_context():
        [id_] = registered(an_integration())
        with write() as session:
            device = session.get_one(Device, id_)
            device.name, device.name_key = "Zoe's phone", "zoe's phone"
            device.user_name, device.email, device.phone = (
                "Zoe Quill",
                "zoe.quill@corp.example",
                "+41791112233",
            )
            device.serial, device.udid, device.udid_key = "SER77", "abc-def-77", "abcdef77"
            device.search_text = "zoe's phone\nser77\nabc-def-77\nabcdef77\nzoe quill\nzoe.quill@corp.example"
        role_settings.hide_personal_data(Role.VIEWER, True, "test", now())
        db.session.remove()
    return id_


def shown(client: FlaskClient, path: str) -> str:
    answer = (client.post if path.endswith(".csv") else client.get)(path)
    assert answer.status_code == 200, path
    return answer.text


def test_no_page_and_no_file_names_a_person(app: Flask, device_id: int) -> None:
    browser, chief = sign_in(app, Role.VIEWER), sign_in(app, Role.OPERATOR, name="bob")
    for path in (
        "/devices", "/devices/devices.csv", f"/devices/{device_id}", f"/devices/{device_id}/why",
        f"/devices/{device_id}/why.json", f"/devices/{device_id}/findings", f"/devices/{device_id}/history",
        "/events", "/events.csv", f"/events?device={device_id}", "/apps", "/", "/settings/messages",
    ):  # fmt: skip
        page = shown(browser, path)
        assert [word for word in PEOPLE if word in page] == [], path
    assert f"Device {device_id}" in shown(browser, "/devices")
    assert "Hidden" in shown(browser, f"/devices/{device_id}")
    assert "Zoe Quill" in shown(chief, f"/devices/{device_id}")
    assert "zoe.quill@corp.example" in shown(chief, "/devices/devices.csv")


def test_a_person_cannot_be_searched_for_but_a_serial_number_can(app: Flask, device_id: int) -> None:
    browser = sign_in(app, Role.VIEWER)
    for text in ("zoe", "quill", "corp.example"):
        assert f'href="/devices/{device_id}"' not in shown(browser, f"/devices?q={text}"), text
    for text in ("SER77", "ser7", "abc-def", "ABCDEF77"):
        assert f'href="/devices/{device_id}"' in shown(browser, f"/devices?q={text}"), text


def test_pages_of_the_list_follow_one_another_without_names(app: Flask, device_id: int) -> None:
    with app.app_context():
        ids = registered_more(55)
    browser = sign_in(app, Role.VIEWER)
    pages = list(pages_from(browser, "/devices"))
    assert len(pages) == 2
    assert all(any(f'href="/devices/{id_}"' in page for page in pages) for id_ in [device_id, *ids])


def registered_more(number: int) -> list[int]:
    found = registered(an_integration(name="Another"), number)
    db.session.remove()
    return found


def test_an_operator_without_names_acts_and_changes_no_name(app: Flask, device_id: int) -> None:
    with app.app_context():
        role_settings.hide_personal_data(Role.OPERATOR, True, "test", now())
        with write() as session:
            device = session.get_one(Device, device_id)
            device.deleted_at, device.deleted_by = NOON, "test"
        db.session.remove()
    browser = sign_in(app, Role.OPERATOR)
    assert browser.post(f"/devices/{device_id}/restore").status_code == 303
    assert browser.post(f"/devices/{device_id}/registration-code").status_code in {200, 303}
    with app.app_context():
        device = db.session.get_one(Device, device_id)
        assert (device.name, device.user_name, device.deleted_at) == ("Zoe's phone", "Zoe Quill", None)
        assert device.email == "zoe.quill@corp.example"
        assert device.name_key == "zoe's phone"


def test_the_switch_is_a_form_of_the_roles(app: Flask, device_id: int, signed_in: FlaskClient) -> None:
    browser = sign_in(app, Role.VIEWER)
    assert "Zoe" not in shown(browser, "/devices")
    assert signed_in.post("/settings/users/roles", data={"operator": "y"}).location == "/settings/users/roles"
    assert "Zoe" in shown(browser, "/devices")
