"""The device list and page (rung: shell on a file SQLite)."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from harmony.clock import now
from harmony.db import db, write
from harmony.models import Device
from harmony.sync import run, schedule
from harmony.uem.records import Device as DeviceRecord
from harmony.web.listing import PAGE_SIZE, Filters, statement
from tests.builders import NOON, FakeUem, a_choice, a_device, an_integration


def synced(app: Flask, *listed: DeviceRecord, **changes: str) -> int:
    """An integration with these devices."""
    with app.app_context():
        id_ = an_integration(a_choice("570"), **changes)
        schedule.request_sync(id_, "test", now())
        run.sync(id_, opener=lambda *_: FakeUem({"570": listed}, page_size=500))
        return id_


def named(*names: str) -> list[DeviceRecord]:
    return [a_device(external_id=str(number), name=name) for number, name in enumerate(names)]


def names_on(page: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="/devices/\d+">(.*?)</a>', page)


def look(client: FlaskClient, href: str) -> str:
    answer = client.get(href)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def test_devices_stand_in_the_order_of_their_names_whatever_the_case(
    app: Flask, signed_in: FlaskClient
) -> None:
    synced(app, *named("berta", "Anton", "ÄRGER", "anna"))
    assert names_on(look(signed_in, "/devices")) == ["anna", "Anton", "berta", "ÄRGER"]


def test_every_device_is_on_exactly_one_page_forwards_and_backwards(
    app: Flask, signed_in: FlaskClient
) -> None:
    names = [f"phone {number // 3:03}" for number in range(PAGE_SIZE * 2 + 7)]
    synced(app, *named(*names))
    seen, href = [], "/devices"
    while True:
        page = look(signed_in, href)
        seen.append(names_on(page))
        following = re.search(r'href="([^"]+)" rel="next"', page)
        if not following:
            break
        href = following[1].replace("&amp;", "&")
    assert [name for page_names in seen for name in page_names] == sorted(names)
    back = []
    while previous := re.search(r'href="([^"]+)" rel="prev"', page):
        page = look(signed_in, previous[1].replace("&amp;", "&"))
        back.append(names_on(page))
    assert back == seen[-2::-1]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("KIM", ["Kims phone"]),
        ("serial-7", ["Kims phone"]),
        ("00aa", ["Kims phone"]),
        ("user.k", ["Kims phone"]),
        ("100%", ["100% cotton"]),
        ("a_b", ["a_b"]),
        ("\\", ["back\\slash"]),
        ("nobody", []),
    ],
)
def test_search_finds_name_serial_udid_and_user_to_the_letter(
    app: Flask, signed_in: FlaskClient, typed: str, found: list[str]
) -> None:
    bare = {"user_name": "", "serial": "", "udid": ""}
    others = [
        a_device(external_id=name, name=name, **bare)
        for name in ("100% cotton", "100 cotton", "a_b", "axb", "back\\slash")
    ]
    kim = a_device(external_id="1", name="Kims phone", serial="SERIAL-7", udid="FF00AA", user_name="user.K")
    synced(app, kim, *others)
    page = signed_in.get("/devices", query_string={"q": typed}).get_data(as_text=True)
    assert names_on(page) == found
    if not found:
        assert "No device matches" in page


def test_the_list_can_be_narrowed_to_an_integration_and_to_missing_devices(
    app: Flask, signed_in: FlaskClient
) -> None:
    one = synced(app, *named("first"))
    two = synced(app, *named("second", "third"))
    with app.app_context(), write() as session:
        session.execute(
            text("UPDATE device SET missing_since = :now WHERE name = 'third'"),
            {"now": NOON.replace(tzinfo=None).isoformat(" ")},
        )
    assert names_on(look(signed_in, f"/devices?integration={one}")) == ["first"]
    assert names_on(look(signed_in, f"/devices?integration={two}&missing=1")) == ["third"]
    assert "1 device with this filter" in look(signed_in, f"/devices?integration={two}&missing=1")


def test_an_empty_list_says_why(app: Flask, signed_in: FlaskClient) -> None:
    assert "none is connected yet" in look(signed_in, "/devices")
    synced(app)
    assert "No sync has brought a device yet" in look(signed_in, "/devices")


def test_hostile_text_is_shown_as_text(app: Flask, signed_in: FlaskClient) -> None:
    bad = '<script>alert(1)</script><a hx-get="/x">'
    synced(app, a_device(external_id="1", name=bad, user_name=bad, model=bad, group_name=bad))
    page = look(signed_in, "/devices")
    with app.app_context():
        id_ = db.session.execute(db.select(Device.id)).scalar_one()
    for shown in (page, look(signed_in, f"/devices/{id_}")):
        assert "<script>alert" not in shown
        assert "&lt;script&gt;alert(1)" in shown
        assert 'hx-get="/x"' not in shown


@pytest.mark.parametrize(
    "query",
    [
        "after=x",
        "after=W10",
        "before=%00",
        "integration=abc",
        "integration=99999999999999999999",
        "missing=x",
        "after=WyJhIiwxZTk5XQ",
        "q=%ff",
    ],
)
def test_nonsense_in_the_address_is_no_error(signed_in: FlaskClient, query: str) -> None:
    assert signed_in.get(f"/devices?{query}").status_code == 200


@given(st.text(), st.text(), st.text())
def test_no_cursor_is_an_error(after: str, before: str, number: str) -> None:
    filters = Filters.from_query({"after": after, "before": before, "integration": number})
    assert str(statement(filters))


def test_no_page_of_the_list_sorts_or_reads_the_whole_table(app: Flask) -> None:
    with app.app_context():
        for filters in (
            Filters(),
            Filters(after=("m", 5)),
            Filters(before=("m", 5)),
            Filters(integration_id=1),
            Filters(integration_id=1, after=("m", 5)),
            Filters(integration_id=1, before=("m", 5)),
        ):
            sql = statement(filters).compile(db.engine, compile_kwargs={"literal_binds": True})
            plan = [row[-1] for row in db.session.execute(text(f"EXPLAIN QUERY PLAN {sql}"))]
            assert len(plan) == 1
            assert "USING INDEX" in plan[0], plan
            assert "TEMP B-TREE" not in plan[0], plan


def test_a_device_that_is_not_there_is_a_404_with_a_way_on(signed_in: FlaskClient) -> None:
    answer = signed_in.get("/devices/1")
    assert answer.status_code == 404
    assert "Not found" in answer.get_data(as_text=True)


def test_a_device_page_shows_what_is_known_and_that_it_is_missing(app: Flask, signed_in: FlaskClient) -> None:
    id_ = synced(app, *named("first", "second"))
    with app.app_context():
        schedule.request_sync(id_, "test", now())
        run.sync(id_, opener=lambda *_: FakeUem({"570": named("first")}))
        device = db.session.scalars(db.select(Device.id).where(Device.name == "second")).one()
    page = look(signed_in, f"/devices/{device}")
    assert "The last complete sync did not list this device" in page
    assert "kim@example.com" in page
    assert 'data-state="missing"' in look(signed_in, "/devices?missing=1")
