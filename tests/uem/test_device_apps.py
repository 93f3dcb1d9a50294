"""The apps of a device: pages with mocked answers, and the simulated UEM over TLS. Rungs: pure, R, S."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import responses

from harmony.simulator.apps import installed as apps_on
from harmony.simulator.server import RunningSimulator, start
from harmony.simulator.world import World
from harmony.uem.connection import Connection, OAuth2
from harmony.uem.errors import Forbidden, MalformedAnswer, NotFound, SignInRefused, TooLarge
from harmony.uem.records import AppList, AppOnDevice, AppPage, Completeness
from harmony.uem.trust.outbound import OutboundPolicy
from harmony.uem.workspace_one.client import WorkspaceOne
from harmony.uem.workspace_one.device_apps import MAX_PAGES, all_apps
from harmony.uem.workspace_one.endpoints import Call
from harmony.uem.workspace_one.readers import read_nothing
from tests.uem.test_workspace_one import BASIC, HOST, Seconds, paged, reply, sent, serve

TWO_NAMES = (AppOnDevice("a", "1", "Mail"), AppOnDevice("a", "1", "Chat"))
PATH = "/API/mdm/devices/5/apps"
COUNTED, UNCOUNTED = Completeness.COUNTED, Completeness.UNCOUNTED
UNEVEN, PARTIAL = Completeness.UNEVEN, Completeness.PARTIAL
LOOPBACK = OutboundPolicy(allow_http=True, allow_loopback=True)


def apps(*numbers: int) -> tuple[AppOnDevice, ...]:
    return tuple(AppOnDevice(f"app{number}", "1", f"App {number}") for number in numbers)


def pages(*served: AppPage) -> Any:
    asked: list[int] = []

    def fetch(number: int) -> AppPage:
        asked.append(number)
        return served[number] if number < len(served) else AppPage()

    fetch.asked = asked  # type: ignore[attr-defined]
    return fetch


def page(numbers: range, total: int | None, unreadable: int = 0) -> AppPage:
    return AppPage(apps(*numbers), tuple(map(str, numbers)), unreadable, total)


def test_one_call_is_enough_when_as_many_came_as_were_announced() -> None:
    fetch = pages(page(range(3), 3))
    assert all_apps(fetch, 10) == AppList(apps(0, 1, 2), COUNTED)
    assert fetch.asked == [0]


def test_a_page_that_was_cut_or_is_full_is_followed_by_another() -> None:
    fetch = pages(page(range(4), 6), page(range(4, 6), 6))
    assert all_apps(fetch, 10) == AppList(apps(*range(6)), COUNTED)
    full = all_apps(pages(page(range(4), 4), page(range(4, 5), 4)), 4)
    assert len(full.apps) == 5, "a count that lies does not hide what follows a full page"
    assert full.completeness is UNEVEN


@pytest.mark.parametrize(
    ("served", "completeness"),
    [
        ([page(range(3), 3)], COUNTED),
        ([page(range(4), 4), page(range(4), 4)], COUNTED),
        ([page(range(3), 2)], UNEVEN),
        ([AppPage(apps(0, 1), ("0", "1", "1"), 0, 3)], UNEVEN),
        ([page(range(3), None)], UNCOUNTED),
        ([AppPage()], UNCOUNTED),
        ([page(range(0), 0)], COUNTED),
        ([page(range(3), None), page(range(3), None)], PARTIAL),
        ([page(range(3), 9)], PARTIAL),
        ([page(range(3), 9), page(range(3), 9)], PARTIAL),
        ([page(range(3), 9), page(range(3, 6), 4)], PARTIAL),
        ([page(range(3), 4, unreadable=1)], PARTIAL),
        ([page(range(0), 1, unreadable=1)], PARTIAL),
        ([AppPage(total=7)], PARTIAL),
        ([AppPage(TWO_NAMES, ("1", "2"), 0, 2)], PARTIAL),
    ],
)
def test_a_list_says_how_far_it_is_believed(served: list[AppPage], completeness: Completeness) -> None:
    assert all_apps(pages(*served), 4).completeness is completeness


def test_versions_and_a_missing_name_do_not_make_an_app_ambiguous() -> None:
    rows = (AppOnDevice("a", "1", "Mail"), AppOnDevice("a", "2", "Mail"), AppOnDevice("a", "2", "a"))
    found = all_apps(pages(AppPage(rows, ("1", "2", "3"), 0, 3)), 10)
    assert (len(found.apps), found.completeness) == (2, COUNTED)


def test_pages_without_an_end_are_given_up() -> None:
    with pytest.raises(TooLarge):
        all_apps(lambda number: page(range(number * 4, number * 4 + 4), None), 4)
    assert MAX_PAGES * 500 == 10_000


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
    assert basic.device_apps("5").apps == ()
    assert len(sent(wire, "apps")) == 1


def test_an_announced_list_that_is_not_there_is_an_error(wire: Any, basic: WorkspaceOne) -> None:
    serve(wire, PATH, reply({"Page": 0, "Total": 7}))
    with pytest.raises(MalformedAnswer):
        basic.device_apps("5")


def test_names_and_versions_may_have_any_type_and_case(wire: Any, basic: WorkspaceOne) -> None:
    rows = [
        {"ApplicationIdentifier": "a", "ApplicationName": "A\u202e", "Version": 12, "Size": "9 MB"},
        {"applicationIdentifier": " b ", "Version": None, "ApplicationName": ["odd"]},
    ]
    serve(wire, PATH, reply({"DeviceApps": rows, "Total": "2"}))
    assert basic.device_apps("5") == AppList(
        (AppOnDevice("a", "12", "A"), AppOnDevice("b", "", "b")), COUNTED
    )


@pytest.mark.parametrize("status", [2, "2", 2.0, " 2 ", "Installed", "INSTALLED", "installed", None, ""])
def test_an_installed_app_is_one_whose_status_says_so_or_that_has_none(
    wire: Any, basic: WorkspaceOne, status: Any
) -> None:
    serve(wire, PATH, reply({"DeviceApps": [{"ApplicationIdentifier": "a", "Status": status}], "Total": 1}))
    assert basic.device_apps("5") == AppList((AppOnDevice("a", "", "a"),), COUNTED)


@pytest.mark.parametrize("status", [0, 1, 3, -2, 2.5, "1", "NotInstalled", "not installed", "Removed"])
def test_an_app_with_any_other_status_is_read_and_not_installed(
    wire: Any, basic: WorkspaceOne, status: Any
) -> None:
    serve(wire, PATH, reply({"DeviceApps": [{"ApplicationIdentifier": "a", "Status": status}], "Total": 1}))
    assert basic.device_apps("5") == AppList((), COUNTED)


@pytest.mark.parametrize(
    "row",
    [
        {"ApplicationName": "nameless"},
        {"ApplicationIdentifier": None},
        {"ApplicationIdentifier": 5},
        {"ApplicationIdentifier": ["b"]},
        {"ApplicationIdentifier": " \u202e"},
        {"ApplicationIdentifier": "b" * 256},
        {"ApplicationIdentifier": "b", "Status": {"odd": 1}},
        {"ApplicationIdentifier": "b", "Status": True},
        {"ApplicationIdentifier": "b", "DeviceId": 6},
        {"ApplicationIdentifier": "b", "DeviceId": {"Value": 6}},
        {"ApplicationIdentifier": "b", "DeviceId": "6"},
        "no object",
        None,
        [],
    ],
)
def test_a_row_that_cannot_be_read_makes_the_list_partial(wire: Any, basic: WorkspaceOne, row: Any) -> None:
    rows = [{"ApplicationIdentifier": "a", "DeviceId": 5}, row]
    serve(wire, PATH, reply({"DeviceApps": rows, "Total": 2}))
    assert basic.device_apps("5") == AppList((AppOnDevice("a", "", "a"),), PARTIAL)


def test_an_answer_about_another_device_names_no_app_of_this_one(wire: Any, basic: WorkspaceOne) -> None:
    rows = [{"ApplicationIdentifier": "a"}]
    serve(wire, PATH, reply({"DeviceId": {"Value": 6}, "DeviceApps": rows, "Total": 1}))
    assert basic.device_apps("5") == AppList((), PARTIAL)


@pytest.mark.parametrize("own", [5, "5", "005", {"Value": 5}, None, 0, "no number"])
def test_the_id_of_the_device_may_have_any_form_or_none(wire: Any, basic: WorkspaceOne, own: Any) -> None:
    rows = [{"ApplicationIdentifier": "a", "DeviceId": own}]
    serve(wire, PATH, reply({"DeviceApps": rows, "Total": 1}))
    assert basic.device_apps("5").completeness is COUNTED


def test_more_than_a_page_is_read_to_its_end(wire: Any, basic: WorkspaceOne) -> None:
    rows = [{"ApplicationIdentifier": f"app{number}", "Version": "1"} for number in range(503)]
    answers = {
        0: reply({"DeviceApps": rows[:500], "Total": 503}),
        1: reply({"DeviceApps": rows[500:], "Total": 503}),
    }
    serve(wire, PATH, paged(answers))
    assert len(basic.device_apps("5").apps) == 503
    assert len(sent(wire, "apps")) == 2


def test_an_unknown_device_and_a_missing_permission_are_told_apart(wire: Any, basic: WorkspaceOne) -> None:
    serve(wire, PATH, reply({"errorCode": 5061}, 404))
    serve(wire, "/API/mdm/devices/6/apps", reply("", 403))
    with pytest.raises(NotFound):
        basic.device_apps("5")
    with pytest.raises(Forbidden, match="Apps"):
        basic.device_apps("6")


@pytest.mark.parametrize("call", Call)
@pytest.mark.parametrize("code", [7000, "7000"])
def test_a_401_with_code_7000_is_not_a_matter_of_credentials(
    wire: Any, basic: WorkspaceOne, call: Call, code: Any
) -> None:
    id_ = "5" if "{id}" in call.value.template else None
    method = responses.POST if call.method == "POST" else responses.GET
    wire.add(method, f"{HOST}{call.path(id_)}", json={"errorCode": code}, status=401)
    with pytest.raises(NotFound):
        basic.call(call, read_nothing, None, id_)
    wire.replace(method, f"{HOST}{call.path(id_)}", json={"errorCode": 1005}, status=401)
    with pytest.raises(SignInRefused):
        basic.call(call, read_nothing, None, id_)


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
    assert AppOnDevice("com.example.calendar", "3.3", "Calendar") in found.apps
    installed = {identifier for identifier, _, _ in apps_on(simulator.tenant.world, 60001)}
    assert {app.identifier for app in found.apps} == installed, "what is only assigned is not installed"
    assert found.completeness is COUNTED
    assert client.device_apps(str(without)).apps == ()
    assert client.calls() == 2
    with pytest.raises(NotFound):
        client.device_apps("99999999")
