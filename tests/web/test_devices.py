"""The device list and page (rung: shell on a file SQLite)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import product
from typing import Any

import pytest
from flask import Flask, get_template_attribute
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Row, text

from harmony.clock import now
from harmony.db import db, write
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import Device, DeviceStatus, Risk
from harmony.sync import job as sync_job
from harmony.uem.records import UemDevice as DeviceRecord
from harmony.web.devices import queries, related_filters, search
from harmony.web.devices.queries import FILTERS, ORDERS, devices, filters_of
from harmony.web.shared.paging import BEGINNING, PAGE_SIZE, Cursor, Place
from tests.builders import NOON, FakeUem, a_choice, a_device, an_integration
from tests.files import rows_of
from tests.protect.agent import ENTERPRISE
from tests.stored import devices as devices_of
from tests.stored import plan_of, protect, store
from tests.stored import synced as snapshot
from tests.web.reading import link_on, look, pages_from

STATS = re.compile(r'<span class="stat-value">([\d,]+)</span> <span class="stat-label">(\w+)</span>')


def synced(app: Flask, *listed: DeviceRecord, **changes: str) -> int:
    """An integration with these devices."""
    with app.app_context():
        id_ = an_integration(a_choice("570"), **changes)
        lease.request(id_, JobKind.DEVICES, "test", now())
        sync_job.sync(id_, opener=lambda *_: FakeUem({"570": listed}, page_size=500))
        return id_


def named(*names: str) -> list[DeviceRecord]:
    return [a_device(external_id=str(number), name=name) for number, name in enumerate(names)]


def rows_said(page: str) -> tuple[str, ...] | None:
    """Which rows of how many the page says it has."""
    found = re.search(r"([\d,]+)\N{EN DASH}([\d,]+)\s+of ([\d,]+)", page)
    return found and found.groups()


def names_on(page: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="/devices/\d+">(.*?)</a>', page)


def test_devices_stand_in_the_order_of_their_names_whatever_case_and_accents(
    app: Flask, signed_in: FlaskClient
) -> None:
    synced(app, *named("berta", "Anton", "ÄRGER", "anna"))
    assert names_on(look(signed_in, "/devices")) == ["anna", "Anton", "ÄRGER", "berta"]


def test_every_device_is_on_exactly_one_page_forwards_and_backwards(
    app: Flask, signed_in: FlaskClient
) -> None:
    names = [f"phone {number // 3:03}" for number in range(PAGE_SIZE * 2 + 7)]
    synced(app, *named(*names))
    pages = list(pages_from(signed_in, "/devices"))
    seen = [names_on(page) for page in pages]
    assert [name for page_names in seen for name in page_names] == sorted(names)
    previous = link_on(pages[-1], 'rel="prev"')
    assert previous
    assert [names_on(page) for page in pages_from(signed_in, previous, "prev")] == seen[-2::-1]


SORTS = [word for name in ORDERS for word in (name, f"-{name}")]


def spread(app: Flask, count: int) -> None:
    """Devices of every status and risk, in three groups; names and ids rise together."""
    id_ = synced(app, *named(*(f"phone {number:03}" for number in range(count))))
    with app.app_context():
        for number, device in enumerate(devices_of(id_)):
            if number % 4:
                protect(device.id, list(DeviceStatus)[number % 3], Risk(number % 4))
        with write() as session:
            session.execute(
                text("UPDATE device SET group_name = 'group ' || (id % 3), platform = 'p' || (id % 2)")
            )


def key_of(word: str, row: Row[Any]) -> tuple[object, int]:
    """What a row is sorted by, told without the columns that were made for it."""
    risk = -1 if row.risk is None else row.risk
    keys = {
        "name": row.name,
        "status": row.status,
        "risk": risk,
        "group": row.group_name,
        "platform": row.platform,
    }
    return keys[word.lstrip("-")], row.id


@pytest.mark.parametrize("word", SORTS)
def test_a_sorted_list_has_every_device_once_forwards_backwards_and_as_a_file(
    app: Flask, signed_in: FlaskClient, word: str
) -> None:
    spread(app, PAGE_SIZE * 2 + 7)
    with app.app_context():
        rows = list(queries.every(filters_of({})))
    # The highest risk comes first; a minus is the other way round.
    ids = [
        row.id
        for row in sorted(
            rows,
            key=partial(key_of, word),
            reverse=word in {"-name", "-status", "-group", "-platform", "risk"},
        )
    ]
    names = {row.id: row.name for row in rows}
    expected = [names[id_] for id_ in ids]
    pages = list(pages_from(signed_in, f"/devices?sort={word}"))
    seen = [names_on(page) for page in pages]
    assert [name for page in seen for name in page] == expected
    previous = link_on(pages[-1], 'rel="prev"')
    assert previous
    assert [names_on(page) for page in pages_from(signed_in, previous, "prev")] == seen[-2::-1]
    header, *lines = rows_of(signed_in.post(f"/devices/devices.csv?sort={word}"))
    assert [line[header.index("name")] for line in lines] == expected


def test_a_heading_says_how_the_list_is_sorted_and_leads_to_the_other_way_round(
    app: Flask, signed_in: FlaskClient
) -> None:
    spread(app, 3)
    page = look(signed_in, "/devices?status=active&sort=risk&row=7")
    assert re.search(
        r'aria-sort="descending">\s*<a href="/devices\?status=active&amp;sort=-risk">Risk<', page
    )
    assert re.search(r'<th scope="col"\s*>\s*<a href="/devices\?status=active">Name<', page)
    assert page.count("aria-sort") == 1
    assert re.search(
        r'aria-sort="ascending">\s*<a href="/devices\?sort=-name">Name<', look(signed_in, "/devices")
    )


def test_each_page_says_which_rows_of_how_many_it_has(app: Flask, signed_in: FlaskClient) -> None:
    spread(app, PAGE_SIZE * 2 + 7)
    pages = list(pages_from(signed_in, "/devices"))
    assert [rows_said(page) for page in pages] == [
        ("1", "50", "107"),
        ("51", "100", "107"),
        ("101", "107", "107"),
    ]
    assert link_on(pages[0], ">First<") is None
    assert link_on(pages[2], ">First<") == "/devices"
    back = list(pages_from(signed_in, link_on(pages[2], 'rel="prev"') or "", "prev"))
    assert [rows_said(page) for page in back] == [("51", "100", "107"), ("1", "50", "107")]


@pytest.mark.parametrize(
    "query", ["sort=x", "sort=--risk", "sort=-", "sort=risk&after=5.eA", "row=x", "row=-1"]
)
def test_a_sort_or_a_place_that_is_nonsense_is_ignored(
    app: Flask, signed_in: FlaskClient, query: str
) -> None:
    spread(app, 3)
    assert len(names_on(look(signed_in, f"/devices?{query}"))) == 3


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("KIM", ["Kims phone"]),
        ("serial-7", ["Kims phone"]),
        ("00aa", ["Kims phone"]),
        ("user.k", ["Kims phone"]),
        ("KIM@example", ["Kims phone"]),
        ("00AA", ["Kims phone"]),
        ("ff-00aa", ["Kims phone"]),
        ("100%", ["100% cotton"]),
        ("a_b", ["a_b"]),
        ("\\", ["back\\slash"]),
        ("nobody", []),
    ],
)
def test_search_finds_name_serial_udid_user_and_email_to_the_letter(
    app: Flask, signed_in: FlaskClient, typed: str, found: list[str]
) -> None:
    bare = {"user_name": "", "serial": "", "email": ""}
    others = [
        a_device(external_id=name, name=name, udid=f"{number}", **bare)
        for number, name in enumerate(("100% cotton", "100 cotton", "a_b", "axb", "back\\slash"))
    ]
    kim = a_device(
        external_id="1",
        name="Kims phone",
        serial="SERIAL-7",
        udid="FF00AA",
        user_name="user.K",
        email="kim@example.com",
    )
    synced(app, kim, *others)
    page = signed_in.get("/devices", query_string={"q": typed}).get_data(as_text=True)
    assert names_on(page) == found
    if not found:
        assert "No device matches" in page


@pytest.mark.parametrize(
    "typed", ["anna's iphone", "ANNA\u2019S", "JOSE\u0301", "jose", "m\u00fcller-lab", "a\u00a0b"]
)
def test_search_finds_what_is_typed_alike(app: Flask, signed_in: FlaskClient, typed: str) -> None:
    name = "Anna\u2019s iPhone a\u2009b Jos\u00e9 Mu\u0308ller\u2011Lab"
    synced(app, a_device(external_id="1", name=name), a_device(external_id="2", name="Annas iPad"))
    page = signed_in.get("/devices", query_string={"q": typed}).get_data(as_text=True)
    assert names_on(page) == [name]


def test_the_list_can_be_narrowed_to_an_integration_and_to_missing_devices(
    app: Flask, signed_in: FlaskClient
) -> None:
    one = synced(app, *named("first"))
    two = synced(app, *named("second", "third"))
    with app.app_context(), write() as session:
        session.execute(
            text("UPDATE device SET missing_since = :now, absent_from = 1 WHERE name = 'third'"),
            {"now": NOON.replace(tzinfo=None).isoformat(" ")},
        )
    assert names_on(look(signed_in, f"/devices?integration={one}")) == ["first"]
    assert names_on(look(signed_in, f"/devices?integration={two}&state=missing")) == ["third"]
    assert "1 device with this filter" in look(signed_in, f"/devices?integration={two}&state=missing")


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
        "state=x",
        "after=WyJhIiwxZTk5XQ",
        "q=%ff",
    ],
)
def test_nonsense_in_the_address_is_no_error(signed_in: FlaskClient, query: str) -> None:
    assert signed_in.get(f"/devices?{query}").status_code == 200


@pytest.mark.usefixtures("context")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(), st.text(), st.text())
def test_no_cursor_is_an_error(after: str, before: str, number: str) -> None:
    rows, order = devices(filters_of({"integration": number}))
    assert str(order.statement(rows, order.place({"after": after, "before": before})))


PLACES = [BEGINNING, Place(after=Cursor(5, "m")), Place(before=Cursor(5, "m"))]
WALKED: list[dict[str, str]] = [
    {},
    *({"integration": "1"} | other for other in ({}, {"status": "active"}, {"risk": "high"}, {"q": "x-1"})),
    *({"status": status.value} for status in DeviceStatus),
    *({"risk": risk} for risk in (*(risk.name.lower() for risk in Risk), "not_assessed")),
    {"status": "inactive", "risk": "none"},
    {"status": "provisioned", "risk": "low", "integration": "1"},
    {"q": "an"},
    {"q": "an", "status": "active"},
]


def plan(query: dict[str, str], place: Place) -> list[str]:
    rows, order = devices(filters_of(query))
    if order.is_number:
        place = Place(*(cursor and Cursor(cursor.id, "1") for cursor in (place.after, place.before)))
    return plan_of(order.statement(rows, place))


def plans(queries: list[dict[str, str]]) -> Iterator[tuple[str, Place, list[str]]]:
    """Yield the plan of every query in every order at every place."""
    for query, sort, place in product(queries, SORTS, PLACES):
        yield sort, place, plan(query | {"sort": sort}, place)


def test_no_page_of_the_list_sorts_or_reads_the_whole_table(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index of the order leads, and filters are checked in it; nothing else is looked at."""
    monkeypatch.setattr(related_filters, "FEW_TO_SORT", -1)
    with app.app_context():
        wrong = [
            (sort, place, steps)
            for sort, place, steps in plans(WALKED)
            if len(steps) != 1
            or f"USING INDEX ix_device_by_{sort.lstrip('-')}" not in steps[0]
            or steps[0].startswith("SEARCH") != bool(place)
        ]
    assert not wrong


SEARCHED: list[dict[str, str]] = [
    {"q": "anna"} | other
    for other in ({}, {"status": "active"}, {"integration": "1", "risk": "high"}, {"factor": "ROOTED"})
]


def test_few_devices_that_a_search_finds_are_looked_up_by_key_and_many_by_walking_the_order(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        by_key = "SEARCH device USING INTEGER PRIMARY KEY (rowid=?)"
        assert not [found for found in plans(SEARCHED) if found[2][0] != by_key]
        monkeypatch.setattr(search, "FEW", -1)
        monkeypatch.setattr(related_filters, "FEW", -1)
        monkeypatch.setattr(related_filters, "FEW_TO_SORT", -1)
        wrong = [
            (sort, place, steps)
            for sort, place, steps in plans(SEARCHED)
            if f"USING INDEX ix_device_by_{sort.lstrip('-')}" not in steps[0]
            or any("TEMP B-TREE" in step for step in steps)
            or not any("device_search VIRTUAL TABLE INDEX 0:M" in step for step in steps)
        ]
    assert not wrong


def test_every_single_filter_of_the_list_has_a_plan() -> None:
    """A new filter has to be added to the queries above or below."""
    assert {kind.name for kind in FILTERS} == {name for query in WALKED for name in query} | {
        "state",
        "lacking",
        *RELATED,
    }


RELATED = {
    "factor": ("ROOTED", "ix_finding_open_code", "ix_finding_open_code"),
    "tag": ("risk:high", "ix_tag_link_integration_id_key_present", "SEARCH tag_link USING PRIMARY KEY"),
    "wanted": ("risk:high", "ix_tag_link_integration_id_key_present", "SEARCH tag_link USING PRIMARY KEY"),
    "app": ("1", "ix_installed_app_app_id_device_id", "installed_app"),
    "profile": ("work", "ix_registration_live_profile", "registration"),
    "platform": ("ios", "ix_device_by_platform", "ix_device_by_name"),
    "group": ("Sales", "ix_device_by_group", "ix_device_by_name"),
}


@pytest.mark.parametrize("name", RELATED)
def test_few_devices_to_which_something_belongs_are_looked_up_by_key_and_many_by_walking_names(
    app: Flask, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    word, index_of_few, index_of_many = RELATED[name]
    with app.app_context():
        an_integration()
        few = plan({name: word}, BEGINNING)
        monkeypatch.setattr(related_filters, "FEW", -1)
        many = plan({name: word}, BEGINNING)
    assert "USING INTEGER PRIMARY KEY" in few[0] or index_of_few in few[0]
    assert "ix_device_by_name" in many[0]
    assert not any("TEMP B-TREE FOR ORDER" in step for step in many)
    assert index_of_few in " | ".join(few)
    assert index_of_many in " | ".join(many)
    assert not any(step.startswith("SCAN") and "ix_device_by_name" not in step for step in (*few, *many))


@pytest.mark.parametrize("query", [{}, {"status": "active"}, {"integration": "1"}], ids=str)
def test_what_a_profile_lacks_is_looked_up_by_key_for_each_device(
    app: Flask, monkeypatch: pytest.MonkeyPatch, query: dict[str, str]
) -> None:
    monkeypatch.setattr(related_filters, "FEW_TO_SORT", -1)
    with app.app_context():
        an_integration(ENTERPRISE)
        steps = plan(query | {"lacking": "work"}, BEGINNING)
    assert "USING INDEX ix_device_by_name" in steps[0]
    assert [step for step in steps if step.startswith("SCAN") and "ix_device_by_name" not in step] == []
    assert not any("TEMP B-TREE" in step for step in steps)


STATES = [
    ("missing", "ix_device_absent"),
    ("deleted", "ix_device_deleted"),
    ("unlisted", "ix_device_unlisted"),
]


@pytest.mark.parametrize(("state", "index"), STATES)
@pytest.mark.parametrize(
    "other", [{}, {"integration": "1"}, {"status": "active"}, {"risk": "high", "q": "x"}]
)
def test_the_few_of_a_state_are_found_by_an_index_of_their_own(
    app: Flask, state: str, index: str, other: dict[str, str]
) -> None:
    with app.app_context():
        for place in PLACES:
            steps = plan({"state": state} | other, place)
            assert index in steps[0], steps


@pytest.mark.parametrize(("state", "index"), STATES)
def test_of_many_of_a_state_none_are_sorted(
    app: Flask, state: str, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harmony.web.devices.related_filters.FEW", -1)
    with app.app_context():
        for place in PLACES:
            steps = plan({"state": state}, place)
            assert len(steps) == 1, steps
            assert "USING INDEX ix_device_by_name" in steps[0], steps


def test_a_device_that_is_not_there_is_a_404_with_a_way_on(signed_in: FlaskClient) -> None:
    answer = signed_in.get("/devices/1")
    assert answer.status_code == 404
    assert "Not found" in answer.get_data(as_text=True)


def deleted(app: Flask, fleet: int, gone: int) -> int:
    """An integration of which a sync has deleted the first `gone` devices of `fleet`."""
    with app.app_context():
        id_ = an_integration(a_choice("570", deletion_after=1, deletion_threshold=90), due=None)
        store(id_, fleet)
        assert snapshot(id_, range(gone, fleet)).deleted == gone
        return id_


def device_ids(app: Flask) -> list[int]:
    with app.app_context():
        return list(db.session.scalars(db.select(Device.id).order_by(Device.id)))


def test_deleted_devices_are_left_out_unless_they_are_asked_for(app: Flask, signed_in: FlaskClient) -> None:
    id_ = deleted(app, 5, 2)
    for href in ("/devices", f"/devices?integration={id_}", "/devices?q=phone"):
        assert names_on(look(signed_in, href)) == ["phone 000002", "phone 000003", "phone 000004"]
        assert "3 devices" in look(signed_in, href)
    assert names_on(look(signed_in, "/devices?state=missing")) == []
    page = look(signed_in, f"/devices?integration={id_}&state=deleted")
    assert names_on(page) == ["phone 000000", "phone 000001"]
    assert "2 devices with this filter" in page
    assert 'data-label="Restorable until"' in page
    assert "14 Feb 2026" in page, "30 days after noon of 15 January"


def test_a_deleted_device_is_restored_from_its_page(app: Flask, signed_in: FlaskClient) -> None:
    deleted(app, 5, 2)
    first = device_ids(app)[0]
    page = look(signed_in, f"/devices/{first}")
    assert "It can be restored until" in page
    assert "by sync" in page
    answer = signed_in.post(f"/devices/{first}/restore")
    assert (answer.status_code, answer.location) == (303, f"/devices/{first}")
    assert "Restored. If the UEM does not list it" in look(signed_in, f"/devices/{first}")
    assert names_on(look(signed_in, "/devices"))[0] == "phone 000000"


def test_restoring_what_is_live_or_gone_says_that_nothing_was_done(
    app: Flask, signed_in: FlaskClient
) -> None:
    deleted(app, 5, 2)
    for id_ in (device_ids(app)[-1], 999):
        assert signed_in.post(f"/devices/{id_}/restore").location == "/devices?state=deleted"
        assert "Nothing was restored" in look(signed_in, "/devices?state=deleted")


def test_all_deleted_devices_that_the_filter_shows_are_restored_at_once(
    app: Flask, signed_in: FlaskClient
) -> None:
    one = deleted(app, 20, 12)
    deleted(app, 5, 2)
    page = look(signed_in, f"/devices?integration={one}&state=deleted&q=user+1")
    assert "Restore all 3" in page
    action = re.search(r'action="(/devices/restore[^"]*)"', page)
    assert action
    signed_in.post(action[1].replace("&amp;", "&"))
    assert "Restored 3 devices" in look(signed_in, "/devices?state=deleted")
    assert len(names_on(look(signed_in, "/devices?state=deleted"))) == 11
    assert names_on(look(signed_in, "/devices?q=user+1")).count("phone 000010") == 1


def test_nothing_deleted_is_said_kindly(app: Flask, signed_in: FlaskClient) -> None:
    synced(app, *named("first"))
    page = look(signed_in, "/devices?state=deleted")
    assert "No device is deleted" in page
    assert "30 days" in page


@pytest.mark.parametrize(
    ("state", "news"), [("missing", "No device is missing"), ("unlisted", "The UEM lists every device")]
)
def test_nobody_out_of_step_is_good_news_and_no_search_in_vain(
    app: Flask, signed_in: FlaskClient, state: str, news: str
) -> None:
    synced(app, *named("first"))
    assert news in look(signed_in, f"/devices?state={state}")
    for narrower in ("q=first", "risk=high"):
        assert "No device matches" in look(signed_in, f"/devices?state={state}&{narrower}")


def test_the_integration_page_counts_the_live_the_missing_and_the_deleted(
    app: Flask, signed_in: FlaskClient
) -> None:
    id_ = deleted(app, 5, 2)
    page = look(signed_in, f"/integrations/{id_}")
    counts = dict(reversed(pair) for pair in STATS.findall(page))
    assert (counts["Devices"], counts["Missing"], counts["Deleted"]) == ("3", "0", "2")


@pytest.mark.parametrize(
    ("query", "count"),
    [("", 2003), ("q=user+7", 112), ("state=missing", 0), ("state=deleted", 7), ("integration=1", 1993)],
)
def test_the_list_is_a_file_with_the_same_filters(
    app: Flask, signed_in: FlaskClient, query: str, count: int
) -> None:
    deleted(app, 2000, 7)
    deleted(app, 12, 2)
    if query == "state=deleted":
        count += 2
    answer = signed_in.post(f"/devices/devices.csv?{query}")
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["Cache-Control"] == "no-store"
    header, *rows = rows_of(answer)
    assert len({row[0] for row in rows}) == len(rows) == count
    assert [row[header.index("name")] for row in rows] == sorted(row[header.index("name")] for row in rows)


def test_a_cell_that_would_be_a_formula_is_made_harmless(app: Flask, signed_in: FlaskClient) -> None:
    synced(app, *named("=cmd()"))
    assert "'=cmd()" in signed_in.post("/devices/devices.csv").get_data(as_text=True)


def test_a_device_page_shows_what_is_known_and_that_it_is_missing(app: Flask, signed_in: FlaskClient) -> None:
    id_ = synced(app, *named("first", "second"))
    with app.app_context():
        lease.request(id_, JobKind.DEVICES, "test", now())
        sync_job.sync(id_, opener=lambda *_: FakeUem({"570": named("first")}))
        device = db.session.scalars(db.select(Device.id).where(Device.name == "second")).one()
    page = look(signed_in, f"/devices/{device}")
    assert "The last complete sync did not list this device" in page
    assert "kim@example.com" in page
    assert 'data-state="missing"' in look(signed_in, "/devices?state=missing")


@pytest.mark.parametrize("year", [1, 1753, 1900, 1970, 9999])
def test_a_year_that_means_never_is_shown_as_never(app: Flask, year: int) -> None:
    with app.test_request_context():
        shown = get_template_attribute("_ui.html", "time")(datetime(year, 1, 1, tzinfo=UTC))
    assert ("never" in shown, str(year) in shown) == (True, False)


def test_a_file_keeps_every_letter(app: Flask, signed_in: FlaskClient) -> None:
    synced(app, *named("Größe 東京 İ"))
    header, row = rows_of(signed_in.post("/devices/devices.csv"))
    assert row[header.index("name")] == "Größe 東京 İ"


@pytest.mark.parametrize(("udid", "marked"), [("System.Byte[]", True), ("00008030-001C2D3E4F50002E", False)])
def test_a_device_whose_udid_identifies_nobody_is_marked(
    app: Flask, signed_in: FlaskClient, udid: str, marked: bool
) -> None:
    synced(app, a_device(external_id="1", udid=udid))
    id_ = device_ids(app)[0]
    for href in ("/devices", f"/devices/{id_}"):
        assert ("annot be matched with an app" in look(signed_in, href)) == marked
