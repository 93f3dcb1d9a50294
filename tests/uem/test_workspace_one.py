"""The branches of the Workspace ONE client with mocked answers; says nothing about sockets. Rung R."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
import responses

from harmony.uem.connection import Basic, Connection, OAuth2
from harmony.uem.errors import (
    AccountLocked,
    ApiKeyRefused,
    Forbidden,
    HtmlAnswer,
    Incomplete,
    MalformedAnswer,
    NotFound,
    RateLimited,
    RequestRefused,
    ServerFailed,
    SignInRefused,
    UemError,
)
from harmony.uem.http.client import TimeSource
from harmony.uem.http.request import Request
from harmony.uem.http.response import Answer
from harmony.uem.records import DevicePage, SkippedRow
from harmony.uem.registry import connect
from harmony.uem.workspace_one.client import WorkspaceOne
from harmony.uem.workspace_one.endpoints import Call
from harmony.uem.workspace_one.prefetch import pages_in_order

HOST = "https://as1.example.com"
TOKEN = "https://na.uemauth.example.com/connect/token"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BASIC = Connection(HOST, Basic("api", "canary-password", "canary-key"))
OAUTH = Connection(HOST, OAuth2(TOKEN, "client", "canary-secret"))
Reply = tuple[int, dict[str, str], str]


class Seconds:
    """A clock that the test moves, by hand or by sleeping on it."""

    def __init__(self) -> None:
        self.value = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.value += seconds

    def times(self) -> TimeSource:
        return TimeSource(monotonic=lambda: self.value, now=lambda: NOW, sleep=self.sleep, random=lambda: 1.0)


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def basic(wire: responses.RequestsMock, seconds: Seconds) -> Iterator[WorkspaceOne]:
    client = WorkspaceOne(BASIC, times=seconds.times())
    yield client
    finish(client)


@pytest.fixture
def oauth(wire: responses.RequestsMock, seconds: Seconds) -> Iterator[WorkspaceOne]:
    client = WorkspaceOne(OAUTH, times=seconds.times())
    yield client
    finish(client)


def finish(client: WorkspaceOne) -> None:
    """Fetches that nobody waits for any more must not call into the next test."""
    client.close()
    for thread in threading.enumerate():
        if thread.name.startswith("uem-page"):
            thread.join(10)


def reply(value: Any, status: int = 200, **headers: str) -> Reply:
    return status, headers, value if isinstance(value, str) else json.dumps(value)


def in_turn(*replies: Reply) -> Callable[[Any], Reply]:
    left = list(replies)

    def answer(request: Any) -> Reply:
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


def serve(wire: responses.RequestsMock, path: str, answer: Callable[[Any], Reply] | Reply) -> None:
    wire.add_callback(
        responses.GET,
        HOST + path,
        callback=answer if callable(answer) else in_turn(answer),
        content_type="application/json",
    )


def serve_token(wire: responses.RequestsMock, *replies: Reply) -> None:
    wire.add_callback(responses.POST, TOKEN, callback=in_turn(*replies), content_type="application/json")


INFO = reply({"ProductName": "AirWatch Platform Service", "ProductVersion": "26.2.0.0"})


def a_token(text: str = "t1", **more: Any) -> Reply:
    return reply({"access_token": text, "token_type": "Bearer", **more})


def sent(wire: responses.RequestsMock, path: str) -> list[requests.PreparedRequest]:
    return [call.request for call in wire.calls if path in str(call.request.url)]


def devices(first: int, size: int, total: Any = None) -> Reply:
    rows = [{"Id": {"Value": first + n}, "Udid": f"u{first + n}"} for n in range(size)]
    return reply({"Devices": rows, "Total": total})


def paged(pages: dict[int, Reply]) -> Callable[[Any], Reply]:
    def answer(request: Any) -> Reply:
        return pages.get(int(request.params["page"]), (204, {}, ""))

    return answer


def test_basic_sends_password_and_key_and_names_its_version(wire: Any, basic: WorkspaceOne) -> None:
    serve(wire, "/API/system/info", INFO)
    assert basic.system_info().version == "26.2.0.0"
    headers = sent(wire, "info")[0].headers
    assert headers["aw-tenant-code"] == "canary-key"
    assert headers["Authorization"].startswith("Basic ")
    assert headers["Accept"] == "application/json;version=1"


def test_a_refused_password_is_tried_once_and_never_again(
    wire: Any, basic: WorkspaceOne, seconds: Seconds
) -> None:
    serve(wire, "/API/system/info", reply({"errorCode": 1005, "message": "canary api"}, 401))
    for _ in range(3):
        with pytest.raises(SignInRefused) as caught:
            basic.system_info()
        assert "canary" not in str(caught.value) + repr(caught.value) + caught.value.advice
    assert len(wire.calls) == 1
    assert seconds.slept == []


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (401, 1005, SignInRefused),
        (401, "1005", SignInRefused),
        (401, None, SignInRefused),
        (403, 1013, ApiKeyRefused),
        (401, 1022, AccountLocked),
        (403, 1022, AccountLocked),
        (403, 9, Forbidden),
        (401, 7000, NotFound),
        (401, "7000", NotFound),
        (404, 5061, NotFound),
        (400, 6, NotFound),
        (400, 400, NotFound),
        (400, 7, RequestRefused),
        (406, None, RequestRefused),
        (422, None, RequestRefused),
    ],
)
def test_each_refusal_has_its_own_error(
    wire: Any, basic: WorkspaceOne, status: int, code: Any, expected: type[UemError]
) -> None:
    body = {} if code is None else {"errorCode": code, "message": "canary", "activityId": "x"}
    serve(wire, "/API/mdm/smartgroups/4211/devices", reply(body, status))
    with pytest.raises(UemError) as caught:
        basic.smart_group_members("4211")
    assert type(caught.value) is expected
    assert not caught.value.retryable
    assert caught.value.advice
    assert "canary" not in str(caught.value)


def test_an_empty_401_is_a_refusal_and_an_html_404_is_not_the_api(wire: Any, basic: WorkspaceOne) -> None:
    page = "<html><title>The resource cannot be found.</title></html>"
    serve(wire, "/API/mdm/smartgroups/5/devices", (404, {}, page))
    with pytest.raises(HtmlAnswer) as caught:
        basic.smart_group_members("5")
    assert "resource" not in str(caught.value)
    serve(wire, "/API/system/info", (401, {}, ""))
    with pytest.raises(SignInRefused):
        basic.system_info()


def test_a_missing_permission_is_named(wire: Any, basic: WorkspaceOne) -> None:
    serve(wire, "/API/mdm/tags/search", reply({"errorCode": 403}, 403))
    with pytest.raises(Forbidden, match="Settings > Tags > View Tag"):
        basic.tags("570")


def test_a_token_is_fetched_once_for_many_calls(wire: Any, oauth: WorkspaceOne) -> None:
    serve_token(wire, a_token(expires_in=3600))
    serve(wire, "/API/system/info", INFO)
    threads = [threading.Thread(target=oauth.system_info) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sent(wire, "/connect/token")) == 1
    request = sent(wire, "info")[0]
    assert request.headers["Authorization"] == "Bearer t1"
    assert "aw-tenant-code" not in request.headers
    form = parse_qs(str(sent(wire, "/connect/token")[0].body))
    assert form == {
        "grant_type": ["client_credentials"],
        "client_id": ["client"],
        "client_secret": ["canary-secret"],
    }


@pytest.mark.parametrize(
    ("expires_in", "renewed"),
    [(3600, 2880), ("1000", 800), (None, 240), (99999, 2880), ("soon", 240), (-1, 240)],
)
def test_a_token_is_renewed_at_four_fifths_of_its_life(
    wire: Any, oauth: WorkspaceOne, seconds: Seconds, expires_in: Any, renewed: float
) -> None:
    serve_token(wire, a_token("t1", expires_in=expires_in), a_token("t2", expires_in=expires_in))
    serve(wire, "/API/system/info", INFO)
    for moment in (0, renewed - 1, renewed + 1):
        seconds.value = moment
        oauth.system_info()
    assert [one.headers["Authorization"] for one in sent(wire, "info")] == [
        "Bearer t1",
        "Bearer t1",
        "Bearer t2",
    ]


def test_a_token_without_life_serves_once(wire: Any, oauth: WorkspaceOne) -> None:
    serve_token(wire, a_token("t1", expires_in=0), a_token("t2", expires_in=0))
    serve(wire, "/API/system/info", INFO)
    oauth.system_info()
    oauth.system_info()
    assert len(sent(wire, "/connect/token")) == 2


def test_a_refused_token_is_renewed_once_and_the_call_goes_on(wire: Any, oauth: WorkspaceOne) -> None:
    serve_token(wire, a_token("t1"), a_token("t2"))
    serve(wire, "/API/system/info", in_turn(reply("", 401), INFO))
    assert oauth.system_info().product
    assert [one.headers["Authorization"] for one in sent(wire, "info")] == ["Bearer t1", "Bearer t2"]


def test_a_second_refusal_ends_it(wire: Any, oauth: WorkspaceOne) -> None:
    serve_token(wire, a_token("t1"), a_token("t2"), a_token("t3"))
    serve(wire, "/API/system/info", reply({"errorCode": 401}, 401))
    for _ in range(3):
        with pytest.raises(SignInRefused):
            oauth.system_info()
    assert len(sent(wire, "info")) == 2
    assert len(sent(wire, "/connect/token")) == 2


def test_401_with_7000_costs_no_token(wire: Any, oauth: WorkspaceOne) -> None:
    serve_token(wire, a_token("t1"))
    serve(wire, "/API/mdm/smartgroups/5/devices", reply({"errorCode": 7000}, 401))
    with pytest.raises(NotFound):
        oauth.smart_group_members("5")
    assert len(sent(wire, "/connect/token")) == 1


@pytest.mark.parametrize(
    ("answer", "expected", "tries"),
    [
        (reply({"error": "invalid_client"}, 400), SignInRefused, 2),
        (reply({"error": "invalid_client"}, 401), SignInRefused, 2),
        (reply("", 404), NotFound, 1),
        (reply("<html>Sign in</html>"), HtmlAnswer, 1),
        (reply("busy", 503), ServerFailed, 4),
        (reply({"token_type": "Bearer"}), MalformedAnswer, 4),
        (a_token("two\r\nlines"), MalformedAnswer, 4),
        (a_token(""), MalformedAnswer, 4),
        (a_token("x" * 20_000), MalformedAnswer, 4),
    ],
)
def test_a_token_service_that_fails_is_told_apart(
    wire: Any, oauth: WorkspaceOne, answer: Reply, expected: type[UemError], tries: int
) -> None:
    serve_token(wire, answer)
    with pytest.raises(UemError) as caught:
        oauth.system_info()
    assert isinstance(caught.value, expected)
    assert len(wire.calls) == tries


def test_a_refused_client_is_not_asked_again(wire: Any, oauth: WorkspaceOne) -> None:
    serve_token(wire, reply({"error": "invalid_client"}, 400))
    for _ in range(3):
        with pytest.raises(SignInRefused, match="token service"):
            oauth.system_info()
    assert len(wire.calls) == 2, "once in the form and once as a header"


def all_pages(client: WorkspaceOne) -> list[DevicePage]:
    return list(client.device_pages("570"))


def test_it_stops_only_at_the_real_end(wire: Any, basic: WorkspaceOne) -> None:
    pages = {
        0: devices(1, 500, 999),
        1: devices(501, 3, 999),
        2: devices(504, 500, 999),
        3: devices(1004, 1, 999),
    }
    serve(wire, "/API/mdm/devices/search", paged(pages))
    found = all_pages(basic)
    assert [len(page.devices) for page in found] == [500, 3, 500, 1]
    assert [page.number for page in found] == [0, 1, 2, 3]


@pytest.mark.parametrize("end", [(204, {}, ""), reply({"Devices": [], "Total": 3})])
@pytest.mark.parametrize("total", [None, 1, 3, "3", 10**9, -1])
def test_a_lying_total_hides_no_device(wire: Any, basic: WorkspaceOne, end: Reply, total: Any) -> None:
    serve(
        wire,
        "/API/mdm/devices/search",
        paged({n: devices(10 * n + 1, 1, total) for n in range(12)} | {12: end}),
    )
    assert len(all_pages(basic)) == 12


def test_pages_are_asked_in_a_fixed_order_and_with_the_group(wire: Any, basic: WorkspaceOne) -> None:
    serve(wire, "/API/mdm/devices/search", paged({0: devices(1, 2, 2)}))
    all_pages(basic)
    params = dict(sent(wire, "devices/search")[0].params)  # type: ignore[attr-defined]
    assert params == {
        "lgid": "570",
        "orderby": "deviceid",
        "sortorder": "ASC",
        "page": "0",
        "pagesize": "500",
    }


def test_a_group_of_one_page_costs_two_calls(wire: Any, basic: WorkspaceOne) -> None:
    serve(wire, "/API/mdm/devices/search", paged({0: devices(1, 200, 200)}))
    all_pages(basic)
    assert len(wire.calls) == 2


def test_an_empty_group_has_no_pages(wire: Any, basic: WorkspaceOne) -> None:
    serve(wire, "/API/mdm/devices/search", (204, {}, ""))
    assert all_pages(basic) == []
    assert len(wire.calls) == 1


@pytest.mark.parametrize("size", [1, 2, 500])
def test_a_server_that_ignores_the_page_is_found_out(wire: Any, basic: WorkspaceOne, size: int) -> None:
    serve(wire, "/API/mdm/devices/search", devices(1, size, 10_000))
    with pytest.raises(Incomplete):
        all_pages(basic)
    assert len(wire.calls) < 12


def test_rows_that_move_between_pages_are_no_repeated_page(wire: Any, basic: WorkspaceOne) -> None:
    serve(wire, "/API/mdm/devices/search", paged({0: devices(1, 500, 501), 1: devices(500, 1, 501)}))
    assert len(all_pages(basic)) == 2


def test_a_page_that_always_fails_ends_in_an_error_after_the_good_pages(
    wire: Any, basic: WorkspaceOne
) -> None:
    pages = {n: devices(500 * n + 1, 500, 4500) for n in range(9)} | {6: reply("", 500)}
    serve(wire, "/API/mdm/devices/search", paged(pages))
    read: list[int] = []
    with pytest.raises(ServerFailed):
        read.extend(page.number for page in basic.device_pages("570"))
    assert read == [0, 1, 2, 3, 4, 5]


def test_an_expired_token_in_the_middle_goes_on_from_the_same_page(wire: Any, oauth: WorkspaceOne) -> None:
    serve_token(wire, a_token("t1"), a_token("t2"))
    refused: set[str] = set()

    def answer(request: Any) -> Reply:
        number = int(request.params["page"])
        if number >= 3 and request.headers["Authorization"] == "Bearer t1":
            refused.add(request.params["page"])
            return reply("", 401)
        return devices(500 * number + 1, 500, 4000) if number < 8 else (204, {}, "")

    serve(wire, "/API/mdm/devices/search", answer)
    assert [page.number for page in all_pages(oauth)] == list(range(8))
    assert refused
    assert len(sent(wire, "/connect/token")) == 2


@pytest.mark.parametrize("fetchers", [1, 4, 16])
def test_pages_come_in_order_from_a_bounded_window(fetchers: int) -> None:
    lock = threading.Lock()
    state = {"busy": 0, "most": 0, "asked": 0, "given": 0, "ahead": 0}

    def fetch(number: int) -> DevicePage | None:
        with lock:
            state["busy"] += 1
            state["asked"] += 1
            state["most"] = max(state["most"], state["busy"])
            state["ahead"] = max(state["ahead"], state["asked"] - state["given"])
        time.sleep(0.001 * (number % 3))
        with lock:
            state["busy"] -= 1
        return DevicePage(number, (), (), 40 * 500) if number < 40 else None

    seen = []
    # Pages without ids would all look alike to the check for repeated pages.
    pages = pages_in_order(lambda n: _with_an_id(fetch(n)), fetchers, True)
    for page in pages:
        with lock:
            state["given"] += 1
        seen.append(page.number)
    assert seen == list(range(40))
    assert state["most"] <= fetchers
    assert state["ahead"] <= 2 * fetchers + 1


class ElsewhereExchange:
    """A way that is not direct: pages are answered once as many are under way as the barrier counts."""

    def __init__(self, barrier: threading.Barrier) -> None:
        self.barrier = barrier
        self.most = self.busy = 0
        self.lock = threading.Lock()

    def send(self, request: Request, _deadline: object) -> Answer:
        params = dict(request.params or {})
        if "page" not in params:
            return Answer(200, {}, json.dumps({"access_token": "t", "token_type": "Bearer"}).encode())
        number = int(params["page"])
        with self.lock:
            self.busy += 1
            self.most = max(self.most, self.busy)
        if 0 < number <= self.barrier.parties:
            self.barrier.wait(20)
        with self.lock:
            self.busy -= 1
        _, _, body = devices(500 * number + 1, 500, 500 * 9) if number < 9 else reply({"Devices": []})
        return Answer(200, {"Content-Type": "application/json"}, body.encode())

    def close(self) -> None:
        """Do nothing: no connection was made."""


@pytest.mark.parametrize(("sign_in", "at_once"), [(OAUTH, 5), (BASIC, 2)], ids=["token", "password"])
def test_what_a_connector_takes_of_a_pages_time_is_used_for_another_page(
    sign_in: Connection, at_once: int
) -> None:
    exchange = ElsewhereExchange(threading.Barrier(at_once))
    client = WorkspaceOne(replace(sign_in, route=lambda _target, _options: exchange), fetchers=4)
    assert [page.number for page in all_pages(client)] == list(range(9))
    assert exchange.most == at_once
    finish(client)


def _with_an_id(page: DevicePage | None) -> DevicePage | None:
    if page is None:
        return None
    return DevicePage(page.number, (), (SkippedRow(str(page.number + 1), "x"),), page.total)


def test_a_consumer_that_leaves_early_stops_the_fetching(wire: Any, basic: WorkspaceOne) -> None:
    serve(wire, "/API/mdm/devices/search", lambda r: devices(int(r.params["page"]) * 500 + 1, 500, 10**6))
    pages = basic.device_pages("570")
    next(pages)
    pages.close()  # type: ignore[attr-defined]
    assert len(wire.calls) <= 10


@pytest.mark.parametrize("group", ["", "0", "x", "1/../2", "570?x=1", "-1", "5 7"])
def test_a_group_id_that_is_no_number_is_never_sent(wire: Any, basic: WorkspaceOne, group: str) -> None:
    for ask in (basic.device_pages, basic.smart_group_members, basic.tags):
        with pytest.raises(ValueError, match="number"):
            ask(group)
    assert len(wire.calls) == 0


def test_the_groups_have_parents_counts_and_kinds(wire: Any, basic: WorkspaceOne) -> None:
    serve(
        wire,
        "/API/system/groups/search",
        paged(
            {
                0: reply({"OrganizationGroups": [{"Id": 570, "Name": "Acme", "LgLevel": 0, "Devices": "2"}]}),
                1: reply(
                    {"OrganizationGroups": [{"Id": 571, "Name": "Sales", "LgLevel": 1, "Devices": "1"}]}
                ),
                2: reply({"OrganizationGroups": []}),
            }
        ),
    )
    invisible = {"Id": {"Value": 7}, "Uuid": "5ec0bd1e-0000-4000-a000-000000000007"}
    tree = [
        {"Id": {"Value": 570}, "Name": "Acme", "Devices": "2", "ParentLocationGroup": invisible},
        {
            "Id": {"Value": 571},
            "Name": "Sales",
            "Devices": "1",
            "ParentLocationGroup": {"Id": {"Value": 570}},
        },
    ]
    serve(wire, "/API/system/groups/570/children", reply(tree))
    smart = {"SmartGroups": [{"Name": "Pilot", "SmartGroupID": 4211, "Devices": 11}]}
    serve(wire, "/API/mdm/smartgroups/search", paged({0: reply(smart)}))
    found = [(g.kind.value, g.external_id, g.parent_id, g.devices) for g in basic.groups()]
    assert found == [
        ("organization", "570", None, 2),
        ("organization", "571", "570", 1),
        ("smart", "4211", None, 11),
    ]


def test_a_tree_that_may_not_be_read_leaves_the_groups_without_parents(
    wire: Any, basic: WorkspaceOne
) -> None:
    found = {
        "LocationGroups": [{"Id": {"Value": 570}, "Name": "Acme"}, {"Id": {"Value": 571}, "Name": "Sales"}]
    }
    serve(wire, "/API/system/groups/search", paged({0: reply(found)}))
    serve(wire, "/API/system/groups/570/children", reply({}, 403))
    serve(wire, "/API/system/groups/571/children", reply({}, 404))
    serve(wire, "/API/mdm/smartgroups/search", (204, {}, ""))
    assert [group.external_id for group in basic.groups()] == ["570", "571"]


def test_groups_that_never_end_are_incomplete(wire: Any, basic: WorkspaceOne) -> None:
    serve(wire, "/API/system/groups/search", reply({"OrganizationGroups": [{"Id": 570, "Name": "Acme"}]}))
    with pytest.raises(Incomplete):
        basic.groups()


@pytest.mark.parametrize(
    "pages",
    [
        {0: reply({"Devices": [{"Id": 1}, {"Id": 2}, {"Id": "3"}]})},
        {0: reply({"Devices": [{"Id": {"Value": 1}}, {"Id": 2}]}), 1: reply({"Devices": [{"Id": 3}]})},
        {n: reply({"Devices": [1, 2, 3]}) for n in range(9)},
    ],
)
def test_members_are_read_whether_or_not_the_call_knows_pages(
    wire: Any, basic: WorkspaceOne, pages: Any
) -> None:
    serve(wire, "/API/mdm/smartgroups/4211/devices", paged(pages))
    assert basic.smart_group_members("4211") == {"1", "2", "3"}


def test_a_member_without_id_makes_the_list_incomplete(wire: Any, basic: WorkspaceOne) -> None:
    serve(
        wire, "/API/mdm/smartgroups/4211/devices", paged({0: reply({"Devices": [{"Id": 1}, {"Name": "x"}]})})
    )
    with pytest.raises(Incomplete):
        basic.smart_group_members("4211")


@pytest.mark.parametrize("end", [(204, {}, ""), reply({"Tags": []}), None])
def test_tags_are_read_to_the_end(wire: Any, basic: WorkspaceOne, end: Reply | None) -> None:
    first = reply({"Tags": [{"TagName": "CHKP_Risk_High", "Id": {"Value": 10021}}, {"TagName": "x"}]})
    serve(wire, "/API/mdm/tags/search", paged({0: first, 1: end or first}))
    assert [(tag.external_id, tag.name) for tag in basic.tags("570").tags] == [("10021", "CHKP_Risk_High")]


def test_429_is_waited_for_as_asked(wire: Any, basic: WorkspaceOne, seconds: Seconds) -> None:
    serve(wire, "/API/system/info", in_turn(reply("", 429, **{"Retry-After": "7"}), INFO))
    assert basic.system_info().product
    assert seconds.slept == [7.0]


def test_429_for_ever_ends_after_four_tries_with_a_time_to_come_back(
    wire: Any, basic: WorkspaceOne, seconds: Seconds
) -> None:
    serve(wire, "/API/system/info", reply("", 429))
    with pytest.raises(RateLimited) as caught:
        basic.system_info()
    assert caught.value.retry_at > NOW
    assert len(wire.calls) == 4


def test_no_call_leaves_while_the_quota_is_used_up(wire: Any, basic: WorkspaceOne) -> None:
    reset = str(int(NOW.timestamp()) + 3600)
    headers = {"x-ratelimit-limit": "100", "x-ratelimit-remaining": "0", "x-ratelimit-reset": reset}
    serve(wire, "/API/system/info", (200, headers, INFO[2]))
    basic.system_info()
    quota = basic.quota()
    assert quota is not None
    assert quota.remaining == 0
    with pytest.raises(RateLimited):
        basic.system_info()
    assert len(wire.calls) == 1


def test_calls_per_minute_are_capped(wire: Any, seconds: Seconds) -> None:
    serve(wire, "/API/system/info", INFO)
    client = connect("workspace_one", BASIC, calls_per_minute=2, times=seconds.times())
    for _ in range(5):
        client.system_info()
    client.close()
    assert seconds.slept == [60.0, 60.0]


def test_the_list_of_calls_is_closed_and_writes_nothing_but_tags() -> None:
    assert not any("bulk" in call.value.template or "command" in call.value.template for call in Call)
    reading = [call for call in Call if call.method == "GET"]
    assert all(call.value.permission.endswith(("Read", "View Tag")) for call in reading)
    assert {call.value.template for call in Call if call not in reading} == {
        "/API/mdm/tags/addtag", "/API/mdm/tags/{id}/adddevices", "/API/mdm/tags/{id}/removedevices",
    }  # fmt: skip
    assert {call.method for call in Call} == {"GET", "POST"}
    for id_ in ("bulk", "1/../../devices/bulk", "1?", "%2e%2e", ""):
        with pytest.raises(ValueError, match="number"):
            Call.ADD_DEVICES.path(id_)
    with pytest.raises(ValueError, match="number"):
        Call.DEVICE_APPS.path("bulk")
    with pytest.raises(ValueError, match="ids"):
        Call.DEVICES_SEARCH.path("5")
    with pytest.raises(ValueError, match="not a valid"):
        Call("/API/mdm/devices/bulk")


@pytest.mark.parametrize("fetchers", [0, 17])
def test_the_number_of_fetchers_is_bounded(fetchers: int) -> None:
    with pytest.raises(ValueError, match="1 to 16"):
        connect("workspace_one", BASIC, fetchers=fetchers)


def test_an_unknown_kind_has_no_client() -> None:
    with pytest.raises(ValueError, match="kind"):
        connect("intune", BASIC)


def test_no_secret_is_in_any_repr() -> None:
    assert "canary" not in repr(BASIC) + repr(OAUTH)
