"""The control port and its page: what a tester sees and does."""

from __future__ import annotations

from typing import Any

import pytest

from harmony.simulator.actions import ACTIONS
from harmony.simulator.switches import SWITCHES, Switches
from tests.simulator.caller import Caller

FORM = "application/x-www-form-urlencoded"


def page(uem: Caller, query: str = "") -> str:
    return uem.send("GET", f"/control?{query}").body.decode()


def test_the_state_counts_calls_by_endpoint(uem: Caller) -> None:
    for number in range(3):
        uem.get(f"/API/mdm/devices/search?page={number}")
    state = uem.send("GET", "/control/state").json()
    assert state["calls"] == {"POST /connect/token": 1, "GET /mdm/devices/search": 3}
    assert state["statuses"] == {"200": 2, "204": 2}
    assert uem.control("counters/reset") == {"calls": {}}


def test_devices_come_and_go(uem: Caller) -> None:
    assert len(uem.control("devices/add", count=5)["ids"]) == 5
    assert uem.control("devices/remove", ids=[60001, "60002"]) == {"removed": 2}
    assert uem.control("devices/remove", count=3, group=571) == {"removed": 3}
    assert uem.send("GET", "/control/state").json()["devices"] == 60


def test_devices_move_and_change(clean: Caller) -> None:
    assert clean.control("devices/move", count=2, group=571, to=588) == {"moved": 2}
    assert len(clean.world.direct(588)) == 2
    clean.control("devices/edit", ids=[60001], set={"LocationGroupName": None}, unset=["Imei"])
    device = clean.get("/API/mdm/devices/60001").json()
    assert device["LocationGroupName"] is None
    assert "Imei" not in device


@pytest.mark.parametrize(
    ("action", "values"),
    [
        ("devices/add", {"group": 1}),
        ("devices/add", {"count": "many"}),
        ("devices/remove", {"ids": ["x"]}),
        ("devices/move", {"ids": [60001]}),
        ("devices/edit", {"ids": [60001], "set": 5}),
        ("devices/touch", {"at": "noon"}),
        ("apps/install", {"ids": [60001]}),
        ("apps/remove", {"ids": ["x"], "identifier": "com.example.maps"}),
        ("groups/empty", {}),
        ("groups/delete", {"group": 570}),
        ("groups/delete", {"smart_group": 1}),
        ("switches", {"nothing": "1"}),
        ("switches", {"lgid_inclusive": "maybe"}),
        ("faults", {"kind": "nothing"}),
        ("quota", {}),
        ("access", {"denied": ["everything"]}),
    ],
)
def test_what_makes_no_sense_is_422_with_a_sentence(uem: Caller, action: str, values: dict[str, Any]) -> None:
    answer = uem.post(f"/control/{action}", values)
    assert answer.status == 422
    assert answer.json()["error"]
    assert len(uem.world.devices) == 60


def test_a_form_is_sent_back_to_the_page(uem: Caller) -> None:
    answer = uem.send(
        "POST", "/control/devices/remove", b"ids=60001%2C+60002&count=&group=", content_type=FORM
    )
    assert (answer.status, answer.headers["location"]) == (303, "/control")
    assert len(uem.world.devices) == 58


@pytest.mark.parametrize("name", SWITCHES)
def test_every_switch_takes_each_of_its_positions_from_a_form(uem: Caller, name: str) -> None:
    for choice in SWITCHES[name].choices or ("7",):
        body = f"name={name}&value={choice}".encode()
        assert uem.send("POST", "/control/switches", body, content_type=FORM).status == 303
        assert uem.tenant.switches[name] == choice
    uem.control("switches/reset")
    assert uem.tenant.switches.all() == Switches().all()


def test_the_page_escapes_hostile_names() -> None:
    uem = Caller(400)
    shown = page(uem, "search=%3Cscript%3E")
    assert "&lt;script&gt;alert(document.domain)" in shown
    assert "<script" not in shown
    assert "Labs &lt;b&gt;R&amp;D&lt;/b&gt;" in shown


def test_the_page_searches_and_turns_pages(uem: Caller) -> None:
    assert "60 found, page 1" in page(uem)
    assert "60 found, page 2" in page(uem, "page=1")
    assert f"{len(uem.world.tags[10001].devices)} found" in page(uem, "tag=10001")
    assert f"{len(uem.world.inclusive(571))} found" in page(uem, "group=571")


def test_the_page_has_a_form_for_every_action(uem: Caller) -> None:
    shown = page(uem)
    assert [name for name in ACTIONS if f'action="/control/{name}"' not in shown] == []


def test_the_page_needs_no_inline_script_or_style(uem: Caller) -> None:
    shown = page(uem)
    assert "<style" not in shown
    assert uem.send("GET", "/control/style.css").content_type.startswith("text/css")


def test_faults_latency_and_revoked_access_do_not_touch_the_control_port(uem: Caller) -> None:
    uem.control("faults", kind="server_error")
    uem.control("access", revoked=True)
    assert uem.send("GET", "/control/state").status == 200
    assert uem.send("GET", "/control/nothing").status == 404
    assert uem.send("POST", "/control/state").status == 404
