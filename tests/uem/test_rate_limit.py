"""What a server allows is shared by all clients of a process. Rungs: pure, R."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import responses

from harmony.uem.connection import Basic, Connection
from harmony.uem.errors import RateLimited
from harmony.uem.http import rate_limit
from harmony.uem.http.client import TimeSource
from harmony.uem.http.rate_limit import LOOK_AGAIN, ServerLimits
from harmony.uem.records import Quota
from harmony.uem.registry import connect
from tests.uem.test_workspace_one import BASIC, INFO, NOW, Seconds, serve

OTHER = Connection("https://as2.example.com", Basic("api", "canary-password", "canary-key"))
USED_UP = {
    "x-ratelimit-limit": "100",
    "x-ratelimit-remaining": "0",
    "x-ratelimit-reset": str(int(NOW.timestamp()) + 3600),
}


@pytest.fixture
def wire() -> Any:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def two(times: TimeSource, second: Connection = BASIC) -> Any:
    return [connect("workspace_one", to, calls_per_minute=2, times=times) for to in (BASIC, second)]


def test_two_clients_of_one_server_share_its_pace(wire: Any) -> None:
    serve(wire, "/API/system/info", INFO)
    seconds = Seconds()
    for client in two(seconds.times()) * 2:
        client.system_info()
    assert seconds.slept == [60.0]


def test_clients_of_two_servers_do_not_wait_for_each_other(wire: Any) -> None:
    serve(wire, "/API/system/info", INFO)
    wire.add(responses.GET, "https://as2.example.com/API/system/info", body=INFO[2])
    seconds = Seconds()
    times = seconds.times()
    for client in two(times, OTHER) * 2:
        client.system_info()
    assert seconds.slept == []


def test_what_one_client_was_told_of_the_quota_keeps_the_other_from_calling(wire: Any) -> None:
    serve(wire, "/API/system/info", (200, USED_UP, INFO[2]))
    first, second = two(Seconds().times())
    first.system_info()
    assert second.quota() == first.quota()
    with pytest.raises(RateLimited):
        second.system_info()
    assert (len(wire.calls), second.calls()) == (1, 0)


def test_an_old_word_that_nothing_is_left_is_worth_one_call() -> None:
    limits = ServerLimits(10, lambda: 0.0)
    limits.record_quota(Quota(100, 0, NOW + timedelta(hours=5)), NOW)
    assert limits.refusal(NOW + LOOK_AGAIN) is not None
    assert limits.refusal(NOW + LOOK_AGAIN + timedelta(seconds=1)) is None


def test_a_process_that_has_just_started_knows_nothing() -> None:
    def clock() -> float:
        return 0.0

    first = rate_limit.limits_of(("uem.example.com", 443), 10, clock)
    assert rate_limit.limits_of(("uem.example.com", 443), 10, clock) is first
    rate_limit.reset()
    assert rate_limit.limits_of(("uem.example.com", 443), 10, clock) is not first
