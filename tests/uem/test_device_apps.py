"""The apps of a device: pages with mocked answers, and the simulated UEM over TLS. Rungs: pure, R, S."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import responses

from harmony.simulator.server import RunningSimulator, start
from harmony.simulator.world import World
from harmony.uem.connection import Connection, OAuth2
from harmony.uem.errors import Forbidden, Incomplete, MalformedAnswer, NotFound
from harmony.uem.outbound import OutboundPolicy
from harmony.uem.records import AppOnDevice, AppPage
from harmony.uem.workspace_one.client import WorkspaceOne
from harmony.uem.workspace_one.device_apps import all_apps
from tests.uem.test_workspace_one import BASIC, Seconds, paged, reply, sent, serve

PATH = "/API/mdm/devices/5/apps"
LOOPBACK = OutboundPolicy(allow_http=True, allow_loopback=True)


def apps(*numbers: int) -> tuple[AppOnDevice, ...]:
    return tuple(AppOnDevice(f"app{number}", "1", f"App {number}") for number in numbers)


def pages(*made: AppPage) -> Any:
    asked: list[int] = []

    def fetch(number: int) -> AppPage:
        asked.append(number)
        return made[number] if number < len(made) else AppPage((), 0, None)

    fetch.asked = asked  # type: ignore[attr-defined]
    return fetch


def page(numbers: range, total: int | None) -> AppPage:
    return AppPage(apps(*numbers), len(numbers), total)


def test_one_call_is_enough_when_as_many_came_as_were_announced() -> None:
    fetch = pages(page(range(3), 3))
    assert len(all_apps(fetch, 10)) == 3
    assert fetch.asked == [0]


def test_a_page_that_was_cut_or_is_full_is_followed_by_another() -> None:
    fetch = pages(page(range(4), 6), page(range(4, 6), 6))
    assert len(all_apps(fetch, 10)) == 6
    full = pages(page(range(4), 4), page(range(4, 5), 4))
    assert len(all_apps(full, 4)) == 5, "a count that lies does not hide what follows a full page"


def test_without_a_count_the_end_is_an_empty_page_or_the_same_one_again() -> None:
    assert len(all_apps(pages(page(range(3), None)), 10)) == 3
    assert len(all_apps(pages(page(range(3), None), page(range(3), None)), 10)) == 3


@pytest.mark.parametrize("second", [AppPage((), 0, None), page(range(3), 9)])
def test_fewer_than_announced_is_no_list(second: AppPage) -> None:
    with pytest.raises(Incomplete, match="announced 9"):
        all_apps(pages(page(range(3), 9), second), 10)


def test_rows_without_an_identifier_count_but_are_no_apps() -> None:
    assert all_apps(pages(AppPage((), 2, 2)), 10) == []


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def basic(wire: responses.RequestsMock) -> Iterator[WorkspaceOne]:
    client = WorkspaceOne(BASIC, times=Seconds().times())
    yield client
    client.close()


@pytest.mark.parametrize(
    "answer",
    [reply("", 204), reply({}), reply({"Page": 0, "Total": 0}), reply({"DeviceApps": [], "Total": 0})],
)
def test_no_apps_are_told_in_several_ways(wire: Any, basic: WorkspaceOne, answer: Any) -> None:
    serve(wire, PATH, answer)
    assert basic.device_apps("5") == []
    assert len(sent(wire, "apps")) == 1


def test_an_announced_list_that_is_not_there_is_an_error(wire: Any, basic: WorkspaceOne) -> None:
    serve(wire, PATH, reply({"Page": 0, "Total": 7}))
    with pytest.raises(MalformedAnswer):
        basic.device_apps("5")


def test_names_and_versions_may_have_any_type_and_case(wire: Any, basic: WorkspaceOne) -> None:
    rows = [
        {"ApplicationIdentifier": "a", "ApplicationName": "A\u202e", "Version": 12, "Size": "9 MB"},
        {"applicationIdentifier": "b", "Version": None, "Status": {"odd": 1}},
        {"ApplicationName": "nameless"},
        "no object",
    ]
    serve(wire, PATH, reply({"DeviceApps": rows, "Total": "4"}))
    assert basic.device_apps("5") == [AppOnDevice("a", "12", "A"), AppOnDevice("b", "", "b")]


def test_more_than_a_page_is_read_to_its_end(wire: Any, basic: WorkspaceOne) -> None:
    rows = [{"ApplicationIdentifier": f"app{number}", "Version": "1"} for number in range(503)]
    answers = {
        0: reply({"DeviceApps": rows[:500], "Total": 503}),
        1: reply({"DeviceApps": rows[500:], "Total": 503}),
    }
    serve(wire, PATH, paged(answers))
    assert len(basic.device_apps("5")) == 503
    assert len(sent(wire, "apps")) == 2


def test_an_unknown_device_and_a_missing_permission_are_told_apart(wire: Any, basic: WorkspaceOne) -> None:
    serve(wire, PATH, reply({"errorCode": 5061}, 404))
    serve(wire, "/API/mdm/devices/6/apps", reply("", 403))
    with pytest.raises(NotFound):
        basic.device_apps("5")
    with pytest.raises(Forbidden, match="Apps"):
        basic.device_apps("6")


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    running = start(World(60, seed=7))
    yield running
    running.stop()


@pytest.fixture
def client(simulator: RunningSimulator) -> Iterator[WorkspaceOne]:
    simulator.tenant.switches.reset()
    mine = simulator.credentials
    sign_in = OAuth2(simulator.token_url, mine.client_id, mine.client_secret)
    client = WorkspaceOne(Connection(simulator.url, sign_in, simulator.ca_pem, LOOPBACK))
    yield client
    client.close()


@pytest.mark.parametrize("types", ["int", "string"])
@pytest.mark.parametrize("empty", ["204", "absent"])
def test_the_simulated_uem_is_read_in_both_positions_of_its_switches(
    simulator: RunningSimulator, client: WorkspaceOne, types: str, empty: str
) -> None:
    simulator.tenant.switches.set("device_apps_types", types)
    simulator.tenant.switches.set("device_apps_empty", empty)
    without = next(ident for ident in simulator.tenant.world.devices if ident % 17 == 0)
    found = client.device_apps("60001")
    assert AppOnDevice("com.example.calendar", "3.3", "Calendar") in found
    assert client.device_apps(str(without)) == []
    assert client.calls() == 2
    with pytest.raises(NotFound):
        client.device_apps("99999999")
