"""The list of apps, one app, its exception (rung: shell on a file SQLite)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from harmony.apps.exceptions import carry_out
from harmony.apps.inventory import SeenApp
from harmony.db import db, write
from harmony.models import Action, App, AppDecision, AppException, Device
from harmony.web.shared.paging import PAGE_SIZE
from tests.builders import NOON, an_integration
from tests.files import rows_of
from tests.protect.stored_apps import MAIL, MAPS, list_apps, risk_of, some_devices
from tests.web.reading import link_on, look, pages_from

HOSTILE = SeenApp("com.example.hostile", "1", "<img src=x onerror=alert(1)>")
FORMULA = SeenApp("com.example.formula", "1", "=HYPERLINK(1)")


@pytest.fixture
def devices(app: Flask) -> Iterator[list[int]]:
    """Two devices; both have Maps, in two versions, and only one of them Mail."""
    with app.app_context():
        ids = some_devices(an_integration(), 2)
        list_apps(ids[0], MAPS, MAIL)
        list_apps(ids[1], MAPS._replace(version="2"))
        yield ids


def names_on(page: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="/apps/\d+">([^<]*)</a>', page)


def the_app(identifier: str, version: str | None = None) -> App:
    wanted = select(App).where(App.identifier == identifier)
    wanted = wanted.where(App.version == version) if version else wanted
    return db.session.scalars(wanted.limit(1)).one()


def test_every_version_is_listed_by_name_with_its_install_base(
    signed_in: FlaskClient, devices: list[int]
) -> None:
    page = look(signed_in, "/apps")
    assert names_on(page) == ["Mail", "Maps", "Maps"]
    assert "3 app versions" in page
    assert "com.example.mail" in page


def test_it_finds_by_name_and_identifier_and_narrows_by_platform_and_exception(
    signed_in: FlaskClient, devices: list[int]
) -> None:
    assert names_on(look(signed_in, "/apps?q=AI")) == ["Mail"]
    assert names_on(look(signed_in, "/apps?q=example.MAPS")) == ["Maps", "Maps"]
    assert names_on(look(signed_in, "/apps?q=%25")) == []
    assert names_on(look(signed_in, "/apps?platform=ios")) == []
    assert "No app is excepted" in look(signed_in, "/apps?excepted=1")
    with write() as session:
        row = AppException(
            platform="android", identifier=MAIL.identifier, action=Action.LOW, reason="", by="kim"
        )
        row.at = NOON
        session.add(row)
    assert names_on(look(signed_in, "/apps?excepted=1")) == ["Mail"]


def test_all_pages_together_list_every_app_once(signed_in: FlaskClient, devices: list[int]) -> None:
    list_apps(devices[0], *(SeenApp(f"app.{n:03}", "1", f"App {n % 7}") for n in range(PAGE_SIZE * 2 + 3)))
    pages = list(pages_from(signed_in, "/apps?q=app."))
    found = re.findall(r'data-label="Package or bundle id">([^<]*)<', "".join(pages))
    assert len(found) == len(set(found)) == PAGE_SIZE * 2 + 3
    back = link_on(pages[-1], 'rel="prev"')
    assert back is not None
    assert len(names_on(look(signed_in, back))) == PAGE_SIZE


def test_the_file_has_all_of_them_and_no_formula(signed_in: FlaskClient, devices: list[int]) -> None:
    list_apps(devices[0], HOSTILE, FORMULA)
    rows = rows_of(signed_in.post("/apps/apps.csv"))
    assert rows[0] == ["id", "application", "identifier", "version", "os", "install_base", "exception"]
    assert [row[1] for row in rows[1:] if row[2] == FORMULA.identifier] == ["'=HYPERLINK(1)"]
    assert "<img src=x" not in look(signed_in, "/apps")


def test_an_app_names_its_versions_and_links_to_the_devices_that_have_it(
    signed_in: FlaskClient, devices: list[int]
) -> None:
    first = the_app(MAPS.identifier, "1.2").id
    page = look(signed_in, f"/apps/{first}")
    assert {f"/devices/{id_}" for id_ in devices} <= set(re.findall(r'href="(/devices/\d+)"', page))
    only = look(signed_in, f"/apps/{first}?only=1")
    assert re.findall(r'<th scope="row"><a href="/devices/(\d+)"', only) == [str(devices[0])]
    assert "Devices that have version 1.2" in only


def test_a_device_leads_to_the_apps_it_has(signed_in: FlaskClient, devices: list[int]) -> None:
    page = look(signed_in, f"/devices/{devices[1]}")
    (href, count) = re.findall(r'<a href="(/apps\?device=\d+)">(\d+) apps?</a>', page)[0]
    listed = look(signed_in, href)
    assert f'on <a href="/devices/{devices[1]}">' in listed
    assert len(re.findall(r'<th scope="row"><a href="/apps/', listed)) == int(count) > 0
    assert MAIL.identifier not in listed
    assert MAIL.identifier not in signed_in.post(href.replace("/apps", "/apps/apps.csv")).text
    assert "or is on this device" in look(signed_in, f"{href}&q={MAIL.name}")


def test_deleted_devices_are_not_among_those_that_have_it(signed_in: FlaskClient, devices: list[int]) -> None:
    with write() as session:
        session.get_one(Device, devices[0]).deleted_at = NOON
    page = look(signed_in, f"/apps/{the_app(MAIL.identifier).id}")
    assert "No device has it any more" in page


def test_blocking_needs_a_reason_and_says_so(signed_in: FlaskClient, devices: list[int]) -> None:
    href = f"/apps/{the_app(MAIL.identifier).id}/exception"
    for data in (
        {"action": "block"},
        {"action": "block", "reason": " "},
        {"action": "nonsense", "reason": "x"},
    ):
        answer = signed_in.post(href, data=data)
        assert answer.status_code == 422
        assert "needs your attention" in answer.get_data(as_text=True)
    assert db.session.scalars(select(AppException)).all() == []


def test_reload_after_a_refused_exception_leads_to_its_form_again(
    signed_in: FlaskClient, devices: list[int]
) -> None:
    page = f"/apps/{the_app(MAIL.identifier).id}"
    refused = signed_in.post(page + "/exception", data={"action": "block", "reason": ""})
    assert refused.status_code == 422
    again = signed_in.get(page + "/exception")
    assert (again.status_code, again.location) == (303, page)
    assert f'action="{page}/exception"' in look(signed_in, again.location)


def test_a_block_is_saved_at_once_shown_while_it_is_under_way_and_lifted(
    signed_in: FlaskClient, devices: list[int]
) -> None:
    id_ = the_app(MAIL.identifier).id
    href = f"/apps/{id_}"
    answer = signed_in.post(href + "/exception", data={"action": "block", "reason": "Leaks"})
    assert (answer.status_code, answer.location) == (303, href)
    page = look(signed_in, href)
    assert "Saved. The devices that have the app follow within a minute." in page
    assert f'hx-get="{href}/decisions"' in page
    assert f'hx-get="{href}/decisions?only=1"' in look(signed_in, href + "?only=1")
    carry_out()
    assert risk_of(devices[0]) == 3
    part = look(signed_in, href + "/decisions")
    assert "hx-get" not in part
    assert re.search(rf'href="/devices/{devices[0]}".*?High', part, re.DOTALL)
    assert "1 changed" in part
    assert "Leaks" in part
    signed_in.post(href + "/exception", data={"action": "", "reason": ""})
    carry_out()
    assert risk_of(devices[0]) == 0
    assert "Lifted" in look(signed_in, href)
    assert "Mail (com.example.mail): Block" in look(signed_in, "/audit")


def test_the_same_again_says_that_nothing_changed(signed_in: FlaskClient, devices: list[int]) -> None:
    id_ = the_app(MAIL.identifier).id
    answer = signed_in.post(f"/apps/{id_}/exception", data={"action": ""}, follow_redirects=True)
    assert "It was so already" in answer.get_data(as_text=True)
    assert db.session.scalars(select(AppDecision)).all() == []


def test_an_empty_dashboard_says_where_apps_come_from(signed_in: FlaskClient) -> None:
    assert "Apps of iOS devices are read from the UEM" in look(signed_in, "/apps")
    assert signed_in.get("/apps/1").status_code == 404
