"""Simulated Protect apps: their script (rungs pure, H), and what they do with answers (rung S)."""

from __future__ import annotations

import doctest
import threading
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmony.protection.catalogue import CATALOGUE, is_code
from harmony.simulator.agents import fleet as fleets
from harmony.simulator.agents import script
from harmony.simulator.agents.agent import Agent
from harmony.simulator.agents.fleet import Fleet, Pace
from harmony.simulator.agents.records import ANDROID, IOS, Handset, Report, Threat
from harmony.simulator.agents.wire import Line, Refused, Unreachable
from tests.simulator.scripted_dashboard import STANDING, WELCOME, Desk, serving

ONE_ROUND = Pace(seconds=0)
PHONE = Handset("UDID1", ANDROID, model="Pixel", os_version="14", serial="S1", token="hmtoken_test")


def phones(count: int) -> list[Handset]:
    """Half of them each."""
    return [Handset(f"UDID{number}", (IOS, ANDROID)[number % 2]) for number in range(count)]


def quiet(_agent: Agent, _minute: float) -> Report:
    return Report()


def sent_out(desk: Desk, *agents: Agent, pace: Pace = ONE_ROUND) -> Fleet:
    """A fleet that has done its turns."""
    fleet = Fleet(desk.url, agents, quiet, pace)
    fleet.run()
    return fleet


@given(st.integers(0, 50), st.floats(0, 500), st.sampled_from(phones(40)))
def test_the_same_seed_tells_the_same_story(seed: int, minute: float, phone: Handset) -> None:
    told = script.report(seed, phone, minute)
    assert told == script.report(seed, phone, minute)
    for threat in told.threats:
        factor = CATALOGUE.get(threat.code)
        assert is_code(threat.code)
        assert factor is None or (phone.platform in factor.platforms and not factor.concluded)


def test_threats_come_and_go_on_a_part_of_the_fleet() -> None:
    fleet = phones(300)
    at_once = [sum(bool(script.report(1, phone, minute).threats) for phone in fleet) for minute in (0, 9, 60)]
    assert all(30 <= troubled <= 150 for troubled in at_once)
    for phone in fleet:
        open_at = [bool(script.report(1, phone, minute).threats) for minute in range(0, 200, 4)]
        assert not all(open_at), "no threat stays for ever"


def test_only_some_have_the_app_that_a_person_would_block_and_only_android_lists_its_apps() -> None:
    lists = [(phone, script.report(1, phone, 0).apps) for phone in phones(200)]
    assert all((apps is None) is (phone.platform == IOS) for phone, apps in lists)
    having = sum(script.TEST_APP in apps for _, apps in lists if apps)
    assert 10 <= having <= 50


def test_the_pace_is_fixed_beforehand() -> None:
    failed, tried = doctest.testmod(fleets)
    assert (failed, tried > 0) == (0, True)
    turns = Pace(every=10, seconds=25).turns([0], of=1)
    assert [due for due, _ in turns] == [0, 10, 20]
    large = Pace(every=1, seconds=250).turns([0], of=20_000)
    assert [due for due, _ in large] == [0, 200], "never more than a hundred calls a second"


def test_it_registers_with_all_it_knows_and_checks_in_with_its_key() -> None:
    agent = Agent(PHONE)
    with serving() as desk:
        tally = sent_out(desk, agent).tally
    (registration,), (check_in,) = desk.asked("register"), desk.asked("check-in")
    known = ("udid", "profile", "platform", "model", "serial", "token")
    assert [registration.body[name] for name in known] == [
        "UDID1", "device", "android", "Pixel", "S1", "hmtoken_test"
    ]  # fmt: skip
    assert "code" not in registration.body
    assert (registration.key, check_in.key, check_in.body["findings"]) == ("", "hmkey_test", [])
    assert (tally.registered, tally.checked_in, dict(tally.errors)) == (1, 1, {})


def test_a_registration_that_got_lost_is_the_same_request_when_it_is_said_again() -> None:
    agent = Agent(PHONE)
    with (
        serving((0, "cut"), (503, {"error": "busy", "message": "Busy."})) as desk,
        closing(Line(desk.url)) as line,
    ):
        with pytest.raises(Refused, match="Busy"):
            agent.register(line.send, Report())
        agent.register(line.send, Report())
        first, second, third = (one.body["request_id"] for one in desk.asked("register"))
        agent.unregister(line.send)
        agent.register(line.send, Report())
    assert first == second == third
    assert desk.heard[-1].body["request_id"] != first, "another registration is another request"


def test_a_line_that_was_closed_idle_is_opened_again() -> None:
    with serving() as desk, closing(Line(desk.url)) as line:
        agent = Agent(PHONE, key="hmkey_test")
        agent.check_in(line.send, Report())
        agent.check_in(line.send, Report())
        assert desk.connections == 1, "it is kept alive"
        desk.replies = [(0, "cut")]
        assert agent.check_in(line.send, Report()).status == "active"
        assert desk.connections == 2


@pytest.mark.parametrize(
    ("below", "path"), [("", ""), ("/", ""), ("/harmony", "/harmony"), ("/a/b/", "/a/b")]
)
def test_a_dashboard_below_a_path_is_asked_there(below: str, path: str) -> None:
    with serving() as desk, closing(Line(desk.url + below)) as line:
        Agent(PHONE, key="hmkey_test").check_in(line.send, Report())
    assert [one.path for one in desk.heard] == [f"{path}/protect/v1/check-in"]


@pytest.mark.parametrize("raw", [b"<html>Bad gateway</html>", b"[]", b""])
def test_an_answer_that_is_not_a_dashboards_is_not_taken_for_one(raw: bytes) -> None:
    with serving((502, raw)) as desk, closing(Line(desk.url)) as line, pytest.raises(Unreachable):
        Agent(PHONE, key="hmkey_test").check_in(line.send, Report())


def test_nobody_there_is_counted_and_said() -> None:
    with serving() as desk:
        gone = desk.url
    fleet = Fleet(gone, [Agent(PHONE), Agent(PHONE)], quiet, ONE_ROUND)
    fleet.run()
    assert fleet.tally.errors == {"unreachable": 2}
    assert "Failed calls: unreachable 2. The latest: The dashboard does not answer" in "\n".join(
        fleet.tally.summary(1)
    )


def test_who_lost_its_key_registers_again_and_who_cannot_get_in_gives_up() -> None:
    often = Pace(every=0.01, seconds=0.025)
    reset, deleted = Agent(PHONE, key="hmkey_old"), Agent(PHONE, key="hmkey_gone")
    with serving((401, {"error": "key_unknown", "message": "Unknown."})) as desk:
        sent_out(desk, reset, pace=often)
        assert [one.what for one in desk.heard][:3] == ["check-in", "register", "check-in"]
    with serving((410, {"error": "device_deleted", "message": "Deleted."})) as desk:
        sent_out(desk, deleted, pace=often)
        assert [one.what for one in desk.heard] == ["check-in"]


def test_who_is_told_to_wait_waits_and_stops_at_once_when_told_to() -> None:
    stop = threading.Event()
    with serving((429, {"error": "too_many", "message": "Wait.", "wait": 30})) as desk:
        fleet = Fleet(desk.url, [Agent(PHONE, key="hmkey_test")], quiet, Pace(every=0.01), stop)
        running = threading.Thread(target=fleet.run)
        running.start()
        while not fleet.tally.errors:
            stop.wait(0.01)
        stop.set()
        running.join(10)
        assert not running.is_alive()
    assert [one.what for one in desk.heard] == ["check-in"]


def test_the_summary_says_how_it_went() -> None:
    high = STANDING | {"risk": "high"}
    with serving((201, WELCOME | STANDING), (200, STANDING), (200, high)) as desk:
        fleet = sent_out(desk, Agent(PHONE), pace=Pace(every=0.01, seconds=0.015))
    lines = "\n".join(fleet.tally.summary(2))
    assert "1 device registered." in lines
    assert "2 check-ins in 2 s, 1.0 a second" in lines
    assert "Risk they were told last: high 1." in lines
    assert "Failed" not in lines


def test_keys_and_tokens_stay_out_of_what_is_printed() -> None:
    agent = Agent(Handset("U", IOS, token="hmtoken_x", code="c0de", device_key="hmkey_x"), key="hmkey_y")
    assert not any(secret in repr(agent) for secret in ("hmtoken_x", "c0de", "hmkey_x", "hmkey_y"))
    assert Threat("ROOTED") == ("ROOTED", "")
