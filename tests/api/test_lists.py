"""The lists of the public API: their pages, filters and records, and what is refused (rung R)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from harmony.api.blueprint import LIMITS
from harmony.api.limits import ApiLimits, RatePolicy
from harmony.api.routes import COLLECTIONS
from harmony.db import db, write
from harmony.device_api.rate_limit import Buckets
from harmony.models import Device, DeviceStatus, Integration, IntegrationState, Risk, Role
from tests.api.program import Program, problem_of
from tests.builders import a_choice, an_integration
from tests.database import on_both
from tests.protect.stored import found
from tests.sampling import sample
from tests.stored import a_hold, a_run, a_sync, devices, protect, store

database = on_both
OFTEN = settings(
    max_examples=sample(30, 1000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
LISTS = [collection.name for collection in COLLECTIONS]


@pytest.fixture
def fleet(context: Flask) -> int:
    """An integration of 25 devices: five are active, one of them at high risk for being rooted."""
    integration_id = an_integration()
    store(integration_id, 25)
    ids = [device.id for device in devices(integration_id)]
    for device_id in ids[:5]:
        protect(device_id, DeviceStatus.ACTIVE)
    protect(ids[0], DeviceStatus.ACTIVE, Risk.HIGH)
    found(ids[0], "ROOTED", Risk.HIGH)
    return integration_id


@pytest.fixture
def program(app: Flask) -> Program:
    return Program.with_role(app, Role.ADMINISTRATOR)


def walked(program: Program, path: str, cursor: str = "") -> Iterator[dict[str, Any]]:
    """Every record of a list, page after page."""
    while True:
        page = program.read(path + cursor)
        yield from page["data"]
        if page["next_cursor"] is None:
            return
        cursor = f"&cursor={page['next_cursor']}"


@pytest.mark.parametrize("sort", ["name", "-name", "risk", "-risk", "status", "group", "platform"])
def test_pages_have_every_device_once_in_the_order_asked_for(program: Program, fleet: int, sort: str) -> None:
    whole = [device["id"] for device in program.read(f"/devices?limit=500&sort={sort}")["data"]]
    pages = [device["id"] for device in walked(program, f"/devices?limit=4&sort={sort}")]
    assert pages == whole
    assert len(set(pages)) == 25


def test_a_device_that_comes_or_goes_shifts_no_page(program: Program, fleet: int) -> None:
    first = program.read("/devices?limit=10")
    with write() as session:
        session.delete(session.get_one(Device, first["data"][3]["id"]))
    rest = list(walked(program, "/devices?limit=10", f"&cursor={first['next_cursor']}"))
    assert len(rest) == 15


def test_a_device_that_nobody_assesses_is_not_assessed(program: Program, fleet: int) -> None:
    risks = [device["risk"] for device in program.read("/devices")["data"]]
    assert [risks.count(word) for word in ("not_assessed", "none", "high")] == [20, 4, 1]
    assert len(program.read("/devices?risk=not_assessed")["data"]) == 20
    assert len(program.read("/devices?risk=none")["data"]) == 4


def test_filters_narrow_as_on_the_page(program: Program, fleet: int) -> None:
    assert len(program.read("/devices?status=active")["data"]) == 5
    assert len(program.read("/devices?factor=ROOTED")["data"]) == 1
    assert [row["serial"] for row in program.read("/devices?q=s24")["data"]] == ["S24"]
    assert program.read("/devices?risk=high&status=provisioned")["data"] == []
    assert len(program.read("/findings?factor=ROOTED&state=open&risk=high")["data"]) == 1
    assert program.read("/findings?state=closed")["data"] == []


def test_a_record_can_be_read_alone(program: Program, fleet: int) -> None:
    listed = program.read("/devices?limit=1")["data"][0]
    assert program.read(f"/devices/{listed['id']}") == listed
    assert problem_of(program.get("/devices/999999")) == "not_found"


def test_every_list_answers_and_shows_its_rows(program: Program, fleet: int) -> None:
    a_run(fleet)
    for name in LISTS:
        body = program.read(f"/{name}")
        assert set(body) == {"data", "next_cursor"}, name
        for record in body["data"]:
            assert program.read(f"/{name}/{record['id']}") == record
    assert program.read("/integrations")["data"][0]["devices"] == 25
    assert program.read("/tags") == {"data": [], "next_cursor": None}


def test_runs_are_device_syncs_unless_another_job_is_asked_for(program: Program, fleet: int) -> None:
    sync = a_run(fleet)
    with write() as session:
        session.add(a_sync(fleet, kind="apps", sync_kind=""))
    (record,) = program.read("/runs")["data"]
    assert (record["id"], record["job"], record["kind"], record["counts"]) == (
        sync,
        "devices",
        "snapshot",
        {},
    )
    assert program.read("/runs?job=devices")["data"] == [record]
    (other,) = program.read("/runs?job=apps")["data"]
    assert (other["job"], other["kind"], other["added"]) == ("apps", None, 0)
    assert program.read(f"/runs/{other['id']}") == other
    assert program.read(f"/runs?job=apps&integration={fleet + 1}")["data"] == []
    assert problem_of(program.get("/runs?job=sweep")) == "parameter"


def test_the_policy_has_the_risk_of_every_threat_factor(program: Program) -> None:
    policy = program.read("/policy")
    assert (policy["version"], policy["inactive_days"]) == (0, 7)
    assert {row["code"]: row["risk"] for row in policy["factors"]}["ROOTED"] == "high"


def test_an_integration_that_is_removed_and_can_come_back_shows_nowhere(program: Program, fleet: int) -> None:
    with write() as session:
        session.get_one(Integration, fleet).state = IntegrationState.HIDDEN
    for name in ("devices", "findings", "integrations", "runs", "holds"):
        assert program.read(f"/{name}")["data"] == [], name


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/devices?colour=red", ["colour"]),
        ("/devices?risk=extreme", ["risk"]),
        ("/devices?risk=high&risk=low", ["risk"]),
        ("/devices?integration=x&limit=0", ["integration", "limit"]),
        ("/devices?limit=501", ["limit"]),
        ("/devices?limit=-1", ["limit"]),
        ("/devices?sort=udid", ["sort"]),
        ("/devices?q=%00", ["q"]),
        ("/devices?group=" + "x" * 300, ["group"]),
        ("/events?vector=", ["vector"]),
        ("/runs?sort=id", ["sort"]),
        ("/policy?x=1", ["x"]),
        ("/tags?integration=x", ["integration"]),
    ],
)
def test_what_a_page_would_ignore_is_refused(program: Program, path: str, names: list[str]) -> None:
    answer = program.get(path)
    assert problem_of(answer) == "parameter"
    assert [complaint["name"] for complaint in answer.json["errors"]] == names


def test_a_cursor_is_good_for_its_own_list_only(program: Program, fleet: int) -> None:
    cursor = program.read("/devices?limit=2&status=active")["next_cursor"]
    assert len(program.read(f"/devices?limit=2&status=active&cursor={cursor}")["data"]) == 2
    for path in ("/devices?limit=2", "/devices?limit=2&status=active&sort=-name", "/apps?limit=2"):
        assert problem_of(program.get(f"{path}&cursor={cursor}")) == "cursor", path


@OFTEN
@given(
    text=st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode())
)
def test_no_cursor_of_somebody_elses_is_followed(app: Flask, text: str) -> None:
    program = Program(app, _key(app))
    answer = program.client.get(
        "/api/v1/devices", query_string={"cursor": text}, headers=program._headers({})
    )
    assert problem_of(answer) == "cursor"


@OFTEN
@given(
    name=st.sampled_from(sorted({kind.name for one in COLLECTIONS for kind in one.filters} | {"sort"})),
    text=st.text(max_size=300),
    collection=st.sampled_from(LISTS),
)
def test_no_filter_breaks_a_list(app: Flask, name: str, text: str, collection: str) -> None:
    program = Program(app, _key(app))
    answer = program.client.get(
        f"/api/v1/{collection}", query_string={name: text}, headers=program._headers({})
    )
    assert answer.status_code == 200 or problem_of(answer) == "parameter"


def _key(app: Flask) -> str:
    """The same key for all examples of a test, with no limit that they could use up."""
    if "test.key" not in app.extensions:
        app.extensions["test.key"] = Program.with_role(app, Role.ADMINISTRATOR).key
    app.extensions[LIMITS] = ApiLimits()
    return str(app.extensions["test.key"])


def test_a_key_that_sees_no_personal_data_gets_none_and_cannot_ask_for_it(app: Flask, fleet: int) -> None:
    program = Program.with_role(app, hides_personal_data=True)
    pages = list(walked(program, "/devices?limit=10"))
    assert len(pages) == 25
    assert {device[name] for device in pages for name in ("name", "user_name", "email", "phone")} == {None}
    assert {row["device"] for row in program.read("/findings")["data"]} == {None}
    for path in ("/devices?q=user", "/devices?sort=name", "/devices?sort=-name"):
        answer = program.get(path)
        assert (answer.status_code, problem_of(answer)) == (403, "personal_data"), path


def test_no_cursor_of_such_a_key_holds_a_name(app: Flask, fleet: int) -> None:
    program = Program.with_role(app, hides_personal_data=True)
    for path in ("/devices?limit=2", "/devices?limit=2&sort=risk"):
        cursor = program.read(path)["next_cursor"]
        assert b"phone" not in base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


def test_a_key_with_a_scope_sees_the_devices_of_its_groups_only(app: Flask, fleet: int) -> None:
    with write() as session:
        inside = set(session.scalars(select(Device.id).order_by(Device.id).limit(3)))
        session.execute(update(Device).where(Device.id.in_(inside)).values(group_id="571"))
        session.execute(update(Device).where(Device.id.not_in(inside)).values(group_id="570"))
    program = Program.with_role(app, Role.OPERATOR, scope=[f"{fleet}:571", "nonsense", "99:570"])
    assert {row["id"] for row in walked(program, "/devices?limit=2")} == inside
    assert {row["device_id"] for row in program.read("/findings")["data"]} == inside & {min(inside)}
    outside = max(inside) + 1
    assert problem_of(program.get(f"/devices/{outside}")) == "not_found"
    assert program.get("/posture?serial=S0").status_code == 200
    assert problem_of(program.get("/posture?serial=S20")) == "not_found"
    assert program.read("/apps")["data"] == []
    for path in ("/integrations", "/runs", "/holds", "/tags", "/policy"):
        answer = program.get(path)
        assert problem_of(answer) == "not_permitted", path
    assert "device groups" in answer.json["detail"]
    assert problem_of(program.post(f"/integrations/{fleet}/sync")) == "not_permitted"
    assert Program.with_role(app, scope=[]).read("/devices")["data"] == []


def test_roles_see_what_they_may(app: Flask, fleet: int) -> None:
    viewer = Program.with_role(app, Role.VIEWER)
    assert viewer.get("/integrations").status_code == 200
    assert problem_of(viewer.get("/users")) == "not_permitted"
    assert problem_of(viewer.post(f"/integrations/{fleet}/sync")) == "not_permitted"


def test_every_answer_says_what_is_left_and_is_not_kept_by_caches(program: Program, fleet: int) -> None:
    answer = program.get("/devices")
    assert answer.headers["RateLimit-Policy"] == '"requests";q=600;w=60'
    assert answer.headers["RateLimit"].startswith('"requests";r=599;t=')
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Authorization" in answer.headers["Vary"]


def test_a_list_that_did_not_change_is_not_sent_again(program: Program, fleet: int) -> None:
    tag = program.get("/devices").headers["ETag"]
    again = program.get("/devices", If_None_Match=tag)
    assert (again.status_code, again.get_data()) == (304, b"")
    protect(devices(fleet)[3].id, DeviceStatus.INACTIVE)
    assert program.get("/devices", If_None_Match=tag).status_code == 200


def test_a_key_that_asks_too_often_is_told_when_to_ask_again(app: Flask, program: Program) -> None:
    app.extensions[LIMITS] = ApiLimits(requests=RatePolicy("requests", Buckets(3, 1 / 3600)))
    answers = [program.get("/policy") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert problem_of(answers[3]) == "too_many"
    assert 0 < int(answers[3].headers["Retry-After"]) <= 3600
    assert answers[3].headers["RateLimit"].startswith('"requests";r=0;t=')
    assert Program.with_role(app).get("/policy").status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch", "options"])
def test_other_methods_and_addresses_are_refused_in_the_same_form(program: Program, method: str) -> None:
    call = getattr(program.client, method)
    answer = call("/api/v1/devices", headers=program._headers({}))
    assert (answer.status_code, problem_of(answer)) == (405, "not_allowed")
    assert "GET" in answer.headers["Allow"]
    answer = call("/api/v1/nothing", headers=program._headers({}))
    assert (answer.status_code, problem_of(answer)) == (404, "not_found")


def test_a_hold_that_waits_is_listed(program: Program, context: Flask) -> None:
    integration_id = an_integration(a_choice("570", deletion_after=1, deletion_threshold=20), due=None)
    hold_id = a_hold(integration_id, 10, 9).id
    db.session.remove()
    held = program.read(f"/holds?state=open&integration={integration_id}")["data"]
    assert [row["id"] for row in held] == [hold_id]
    assert held[0]["reasons"][0].endswith(".")
