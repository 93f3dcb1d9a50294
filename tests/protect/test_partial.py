"""A broken part of a report never costs the rest, and is told (rung: shell)."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from harmony.db import db
from harmony.device_api.partial import MOST_APPS, MOST_FINDINGS
from harmony.models import App, Event, Finding, InstalledApp, Registration, Verb
from tests.protect.agent import TOKEN, Agent, an_open_integration, device_of

GOOD = {"identifier": "com.good", "version": "1", "name": "Good"}
ROOTED = {"code": "ROOTED"}


@pytest.fixture
def registered(agent: Agent) -> Agent:
    """An app that has registered."""
    an_open_integration()
    agent.register()
    return agent


def installed() -> list[tuple[str, str, str]]:
    db.session.rollback()
    rows = select(App.identifier, App.version, App.name).join(InstalledApp, InstalledApp.app_id == App.id)
    return sorted(tuple(row) for row in db.session.execute(rows))  # type: ignore[misc]


def open_threats() -> list[tuple[str, str]]:
    db.session.rollback()
    rows = select(Finding.code, Finding.subject).where(Finding.closed_at.is_(None))
    return sorted(tuple(row) for row in db.session.execute(rows))  # type: ignore[misc]


def unread_events() -> list[str]:
    db.session.rollback()
    told = select(Event.detail).where(Event.verb == Verb.UNREAD).order_by(Event.id)
    return list(db.session.scalars(told))


def unread(left_out: int = 0, cut: int = 0, field: str = "apps") -> list[dict[str, object]]:
    return [{"field": field, "left_out": left_out, "cut": cut}]


def sent_raw(agent: Agent, body: bytes) -> Any:
    sent = agent.client.post(
        "/protect/v1/check-in", data=body, content_type="application/json", headers=agent.headers
    )
    assert sent.status_code == 200, sent.get_data(as_text=True)
    return sent.json


@pytest.mark.parametrize(
    ("listed", "kept", "told"),
    [
        ({"version": "9" * 89}, ("com.a", "9" * 64, "com.a"), unread(cut=1)),
        ({"version": None, "name": None}, ("com.a", "", "com.a"), None),
        ({"version": 15, "name": 7.5}, ("com.a", "15", "7.5"), None),
        ({"version": {}, "name": []}, ("com.a", "", "com.a"), unread(cut=2)),
        ({"version": True}, ("com.a", "", "com.a"), unread(cut=1)),
        ({"name": "x" * 5000}, ("com.a", "", "x" * 256), unread(cut=1)),
        ({"name": "a\ud800b", "version": "1\udfff"}, ("com.a", "1", "ab"), None),
        ({"name": "a\x00\x07b\u202e", "version": "\n1\t"}, ("com.a", "1", "ab"), None),
        ({"version": 10**30}, ("com.a", "", "com.a"), unread(cut=1)),
        ({"identifier": None}, None, unread(left_out=1)),
        ({"identifier": 7}, None, unread(left_out=1)),
        ({"identifier": "\x00 \u200b".replace("\u200b", "")}, None, unread(left_out=1)),
        ({"identifier": "x" * 257}, None, unread(left_out=1)),
    ],
)  # fmt: skip
def test_an_app_that_cannot_be_read_costs_itself_at_most(
    registered: Agent, listed: dict[str, object], kept: tuple[str, str, str] | None, told: object
) -> None:
    apps = [GOOD, {"identifier": "com.a"} | listed]
    answer = sent_raw(registered, json.dumps({"findings": [ROOTED], "apps": apps}).encode())
    assert answer["risk"] == "high"
    assert answer.get("unread") == told
    assert installed() == sorted([("com.good", "1", "Good"), *([kept] if kept else [])])


@pytest.mark.parametrize("entry", [None, 7, "com.a", [], [GOOD], True, {}])
def test_what_is_no_app_is_left_out(registered: Agent, entry: object) -> None:
    answer = registered.check_in("ROOTED", apps=[entry, GOOD, GOOD])
    assert (answer.json["risk"], answer.json["unread"]) == ("high", unread(left_out=1))
    assert [identifier for identifier, _, _ in installed()] == ["com.good"]


@pytest.mark.parametrize("apps", ["com.a", {"com.a": "1"}, 7, True])
def test_a_list_that_is_none_leaves_the_apps_as_they_are(registered: Agent, apps: object) -> None:
    registered.check_in(apps=[GOOD])
    answer = registered.check_in("ROOTED", apps=apps)
    assert (answer.json["risk"], answer.json["unread"]) == ("high", unread(left_out=1))
    assert len(installed()) == 1


def test_ten_thousand_apps_are_read_as_far_as_they_are_kept(registered: Agent) -> None:
    apps = [
        {"identifier": f"com.app{number:05}", "version": "1" * 60, "name": "x" * 40}
        for number in range(10_000)
    ]
    answer = registered.check_in("ROOTED", apps=apps)
    assert (answer.json["risk"], answer.json["unread"]) == ("high", unread(left_out=10_000 - MOST_APPS))
    assert len(installed()) == MOST_APPS
    assert unread_events() == [f"apps: {10_000 - MOST_APPS:,} left out"]


def test_a_list_with_something_left_out_lets_no_app_go_but_for_its_newer_version(registered: Agent) -> None:
    other = {"identifier": "com.other", "version": "1", "name": "Other"}
    registered.check_in(apps=[GOOD, other])
    registered.check_in(apps=[GOOD | {"version": "2"}, {"identifier": None}])
    assert [app[:2] for app in installed()] == [("com.good", "2"), ("com.other", "1")]
    registered.check_in(apps=[GOOD | {"version": "2"}])
    assert [app[:2] for app in installed()] == [("com.good", "2")]


def test_lists_that_are_never_whole_do_not_grow_for_ever(registered: Agent) -> None:
    for batch in range(4):
        names = [f"com.batch{batch}.app{number}" for number in range(900)]
        registered.check_in(apps=[*({"identifier": name} for name in names), None])
    assert len(installed()) <= 2000


@pytest.mark.parametrize(
    ("finding", "found", "told"),
    [
        ({"code": "rooted"}, ("ROOTED", ""), None),
        ({"code": " Rooted\n"}, ("ROOTED", ""), None),
        ({"code": "\uff32\uff2f\uff2f\uff34\uff25\uff24"}, ("ROOTED", ""), None),
        ({"code": "usb-debugging"}, ("USB_DEBUGGING", ""), None),
        ({"code": "ROOTED", "subject": None}, ("ROOTED", ""), None),
        ({"code": "ROOTED", "subject": 42}, ("ROOTED", "42"), None),
        ({"code": "ROOTED", "subject": "x" * 4000}, ("ROOTED", "x" * 256), (0, 1)),
        ({"code": "ROOTED", "subject": {"a": 1}}, ("ROOTED", ""), (1, 0)),
        ({"code": "A" * 900}, ("A" * 64, ""), (0, 1)),
        ({"code": "NEVER_HEARD_OF"}, ("NEVER_HEARD_OF", ""), None),
        ({"code": "\u0436\u0443\u043a"}, None, (1, 0)),
        ({"code": None}, None, (1, 0)),
        ({"subject": "x"}, None, (1, 0)),
        ("ROOTED", None, (1, 0)),
        (None, None, (1, 0)),
    ],
)  # fmt: skip
def test_a_threat_that_cannot_be_read_costs_no_other(
    registered: Agent, finding: object, found: tuple[str, str] | None, told: tuple[int, int] | None
) -> None:
    answer = registered.check_in(findings=[finding, {"code": "PHISHING"}, None][: 2 if told or found else 3])
    assert answer.json["risk"] == "high"
    assert answer.json.get("unread") == (unread(*told, field="findings") if told else None)
    assert open_threats() == sorted([("PHISHING", ""), *([found] if found else [])])


def test_nothing_ends_while_a_threat_cannot_be_read(registered: Agent) -> None:
    registered.check_in("ROOTED", "PHISHING")
    assert registered.check_in(findings=[ROOTED, {"code": []}]).json["risk"] == "high"
    assert open_threats() == [("PHISHING", ""), ("ROOTED", "")]
    registered.check_in("ROOTED")
    assert open_threats() == [("ROOTED", "")]


def test_of_too_many_threats_the_known_ones_count(registered: Agent) -> None:
    noise = [{"code": f"NOISE_{number}"} for number in range(300)]
    apps = [{"code": "SUSPICIOUS_APP", "subject": f"com.app{number}"} for number in range(300)]
    answer = registered.check_in(findings=[*noise, *apps, ROOTED])
    assert (answer.json["risk"], answer.json["unread"]) == (
        "high",
        unread(601 - MOST_FINDINGS, field="findings"),
    )
    assert len(open_threats()) == MOST_FINDINGS
    for round_ in range(5):
        registered.check_in(findings=[*({"code": f"R{round_}_{number}"} for number in range(300)), ROOTED])
    assert len(open_threats()) <= 400
    assert ("ROOTED", "") in open_threats()


@pytest.mark.parametrize(
    ("fields", "kept", "told"),
    [
        ({"os_version": 15, "client_version": 4.2}, ("15", "4.2"), []),
        ({"os_version": "9" * 89}, ("9" * 64, ""), unread(cut=1, field="os_version")),
        ({"os_version": [], "client_version": "4"}, ("", "4"), unread(left_out=1, field="os_version")),
        ({"os_version": None, "device_time": 7}, ("", ""), []),
        ({"device_time": "x" * 4000, "client_version": "4\ud8002"}, ("", "42"), []),
        ({"device_time": "2026-01-15T12:00:00" + "0" * 99}, ("", ""), []),
    ],
)  # fmt: skip
def test_other_values_are_read_as_far_as_they_can_be(
    registered: Agent, fields: dict[str, object], kept: tuple[str, str], told: list[object]
) -> None:
    answer = sent_raw(registered, json.dumps({"findings": [ROOTED]} | fields).encode())
    assert (answer["risk"], answer.get("unread", [])) == ("high", told)
    row = db.session.scalars(select(Registration)).one()
    assert (row.os_version, row.client_version) == kept


@pytest.mark.parametrize(
    "label",
    [
        b"\xff\xfe",
        b"caf\xe9",
        b"a\x00b",
        b"a\x1bb",
        b"line\nbreak",
        rb"\ud800",
        rb"\udc00\ud800",
        b"\xed\xa0\x80",
    ],
)
def test_a_label_in_no_encoding_costs_nothing_else(registered: Agent, label: bytes) -> None:
    app = b'{"identifier": "com.a", "name": "' + label + b'"}'
    answer = sent_raw(registered, b'{"findings": [{"code": "ROOTED"}], "apps": [' + app + b"]}")
    assert answer["risk"] == "high"
    assert [identifier for identifier, _, _ in installed()] == ["com.a"]


@pytest.mark.parametrize("number", [b"NaN", b"1e999", b"-Infinity", b"1" * 5000, b"-0"])
def test_a_number_that_is_none_costs_nothing_else(registered: Agent, number: bytes) -> None:
    body = (
        b'{"findings": [{"code": "ROOTED"}], "apps": [{"identifier": "com.a", "version": ' + number + b"}]}"
    )
    assert sent_raw(registered, body)["risk"] == "high"


def test_a_byte_order_mark_is_no_fault(registered: Agent) -> None:
    assert sent_raw(registered, b'\xef\xbb\xbf{"findings": [{"code": "ROOTED"}]}')["risk"] == "high"


def test_what_was_not_read_is_on_the_page_of_the_device_until_a_report_is_read_in_full(
    registered: Agent, signed_in: FlaskClient
) -> None:
    page = f"/devices/{device_of('UDID0').id}"
    broken = {"apps": [GOOD, {"identifier": "com.a", "version": "9" * 89}, None]}
    for _ in range(3):
        registered.check_in("ROOTED", **broken)
    assert "not read in full. apps: 1 left out, 1 cut." in signed_in.get(page).get_data(as_text=True)
    assert unread_events() == ["apps: 1 left out, 1 cut"]
    registered.check_in("ROOTED", apps=[GOOD])
    assert "not read in full" not in signed_in.get(page).get_data(as_text=True)
    assert "Not read in full" in signed_in.get("/events?event=unread").get_data(as_text=True)


def test_a_registration_is_read_likewise(agent: Agent) -> None:
    an_open_integration()
    answer = agent.register(model=7, os_version="9" * 89, serial=[], client_version="4\x00", device_key={})
    assert answer.status_code == 201
    assert answer.json["unread"] == [
        *unread(left_out=1, field="device_key"), *unread(cut=1, field="os_version"),
        *unread(left_out=1, field="serial"),
    ]  # fmt: skip
    assert agent.repeat().json == answer.json
    row = db.session.scalars(select(Registration)).one()
    assert (row.model, row.os_version, row.serial, row.client_version) == ("7", "9" * 64, "", "4")


def deep(levels: int = 5000) -> bytes:
    return b'[{"x":' * levels + b"1" + b"}]" * levels


@pytest.mark.parametrize(
    ("field", "kept", "told"),
    [
        (b'"os_version": %s', [], unread(left_out=1, field="os_version")),
        (b'"client_version": %s', [], unread(left_out=1, field="client_version")),
        (b'"device_time": %s', [], None),
        (b'"x": %s', [], None),
        (b'"apps": %s', [], unread(left_out=1)),
        (b'"apps": [%s, {"identifier": "com.good"}]', [("com.good", "", "com.good")], unread(left_out=1)),
        (
            b'"apps": [{"identifier": "com.good", "version": %s}]',
            [("com.good", "", "com.good")],
            unread(cut=1),
        ),
    ],
)
def test_what_is_nested_too_deeply_to_be_read_costs_itself_at_most(
    registered: Agent, field: bytes, kept: list[object], told: object
) -> None:
    answer = sent_raw(registered, b'{"findings": [{"code": "ROOTED"}], ' + field % deep() + b"}")
    assert (answer["risk"], answer.get("unread")) == ("high", told)
    assert open_threats() == [("ROOTED", "")]
    assert installed() == kept


def test_a_threat_with_a_subject_that_is_nested_too_deeply_counts_without_it(registered: Agent) -> None:
    answer = sent_raw(registered, b'{"findings": [{"code": "ROOTED", "subject": %s}]}' % deep())
    assert (answer["risk"], answer["unread"]) == ("high", unread(left_out=1, field="findings"))


def test_a_registration_with_something_nested_too_deeply_is_read_likewise(agent: Agent) -> None:
    an_open_integration()
    body = {"token": TOKEN, "udid": "UDID0", "platform": "android", "request_id": str(uuid4()), "model": 0}
    sent = json.dumps(body).encode().replace(b"0}", deep() + b"}")
    answer = agent.client.post("/protect/v1/register", data=sent, content_type="application/json")
    assert (answer.status_code, answer.json["unread"]) == (201, unread(left_out=1, field="model"))
    refused = agent.client.post(
        "/protect/v1/register", data=b'{"udid": %s}' % deep(), content_type="application/json"
    )
    assert refused.status_code == 422, "what is required must be right"
