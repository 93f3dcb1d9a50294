"""A wait that a server asks for binds every call to it, of any client. Rungs: pure, R, H."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st

from harmony.uem.connection import Basic, Connection
from harmony.uem.errors import RateLimited, UemError
from harmony.uem.http import rate_limit
from harmony.uem.http.client import CallLimits, TimeSource
from harmony.uem.http.server_wait import LONGEST, LOOK_AGAIN, ServerWait, asked_for
from harmony.uem.http.shared_state import NotShared
from harmony.uem.workspace_one.client import WorkspaceOne
from tests.uem.test_workspace_one import HOST, INFO, NOW, Reply, in_turn, reply, serve


class Rows(NotShared):
    """The rows that processes share, in memory."""

    def __init__(self) -> None:
        self.waits: dict[str, ServerWait] = {}

    def wait(self, origin: str) -> ServerWait | None:
        return self.waits.get(origin)

    def keep_wait(self, wait: ServerWait) -> None:
        self.waits[wait.origin] = wait

    def end_wait(self, origin: str) -> None:
        self.waits.pop(origin, None)


class Process:
    """A process of its own: its clock goes on while it sleeps, and it knows only what the rows say."""

    def __init__(self, rows: Rows, at: datetime = NOW, longest: float = 300.0, host: str = HOST) -> None:
        self.now, self.slept = at, list[float]()
        self.start = at
        rate_limit.reset()
        times = TimeSource(
            monotonic=self.seconds, now=lambda: self.now, sleep=self.sleep, random=lambda: 0.0
        )  # fmt: skip
        connection = Connection(host, Basic("api", "canary-password", "canary-key"), shared=rows)
        self.client = WorkspaceOne(connection, limits=CallLimits(longest_wait=longest), times=times)

    def seconds(self) -> float:
        return (self.now - self.start).total_seconds()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def wire() -> Any:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def asking(seconds: str, status: int = 429) -> Reply:
    return reply("", status, **{"Retry-After": seconds})


@pytest.mark.parametrize("status", [429, 503, 500, 502, 504, 408])
@pytest.mark.parametrize("form", ["120", f"{NOW + timedelta(seconds=120):%a, %d %b %Y %H:%M:%S} GMT"])
def test_another_process_sits_the_wait_out_before_its_first_call(wire: Any, status: int, form: str) -> None:
    serve(wire, "/API/system/info", in_turn(asking(form, status), INFO))
    rows = Rows()
    first = Process(rows)
    assert first.client.system_info()
    assert first.slept == [120.0]
    second = Process(rows, NOW + timedelta(seconds=20))
    assert second.client.system_info()
    assert second.slept == [100.0]


def test_who_has_no_time_for_the_wait_is_told_until_when_and_sends_nothing(wire: Any) -> None:
    serve(wire, "/API/system/info", INFO)
    rows = Rows()
    rows.keep_wait(asked_for(HOST, 240, NOW))
    page = Process(rows, longest=5.0)
    with pytest.raises(RateLimited, match=r"^The UEM asked to wait until 12:04 UTC\.$") as caught:
        page.client.system_info()
    assert caught.value.retry_at == NOW + timedelta(minutes=4)
    assert len(wire.calls) == 0


def test_every_thread_of_a_client_keeps_to_what_one_of_them_was_told(wire: Any) -> None:
    serve(wire, "/API/system/info", in_turn(asking("900"), INFO))
    process = Process(Rows())
    for _call in range(8):
        with pytest.raises(UemError):
            process.client.system_info()
    assert len(wire.calls) == 1


@pytest.mark.parametrize("host", ["https://as2.example.com", f"{HOST}:8443"])
def test_another_server_is_called_meanwhile(wire: Any, host: str) -> None:
    wire.add(responses.GET, f"{host}/API/system/info", body=INFO[2], content_type="application/json")
    rows = Rows()
    rows.keep_wait(asked_for(HOST, 240, NOW))
    other = Process(rows, host=host)
    assert other.client.system_info()
    assert other.slept == []


@pytest.mark.parametrize("value", ["0", "-5", "soon", "", "nan", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_no_wait_that_was_asked_for_binds_nobody(wire: Any, value: str) -> None:
    serve(wire, "/API/system/info", in_turn(asking(value), INFO))
    rows = Rows()
    assert Process(rows).client.system_info()
    assert rows.waits == {}


@pytest.mark.parametrize("value", ["1000000000", "1e300", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_an_absurd_wait_is_cut_to_a_day(wire: Any, value: str) -> None:
    serve(wire, "/API/system/info", asking(value))
    rows = Rows()
    with pytest.raises(UemError):
        Process(rows).client.system_info()
    assert rows.waits[HOST].until == NOW + LONGEST


def quota(left: int, reset: timedelta = timedelta(hours=5)) -> Reply:
    headers = {"x-ratelimit-limit": "100", "x-ratelimit-remaining": str(left)}
    return 200, headers | {"x-ratelimit-reset": str(int((NOW + reset).timestamp()))}, INFO[2]


def test_the_last_call_of_the_day_binds_other_processes_and_a_raised_quota_frees_them(wire: Any) -> None:
    serve(wire, "/API/system/info", in_turn(quota(0), quota(50)))
    rows = Rows()
    assert Process(rows).client.system_info()
    assert rows.waits[HOST].until == NOW + timedelta(hours=5)
    with pytest.raises(RateLimited, match="calls of the day are used up until 17:00 UTC"):
        Process(rows, NOW + LOOK_AGAIN).client.system_info()
    assert len(wire.calls) == 1
    looking = Process(rows, NOW + LOOK_AGAIN + timedelta(seconds=1))
    assert looking.client.system_info()
    assert rows.waits == {}


def test_after_a_look_that_finds_nothing_left_everybody_waits_again(wire: Any) -> None:
    serve(wire, "/API/system/info", quota(0))
    rows = Rows()
    Process(rows).client.system_info()
    later = NOW + LOOK_AGAIN + timedelta(seconds=1)
    Process(rows, later).client.system_info()
    with pytest.raises(RateLimited):
        Process(rows, later + timedelta(minutes=1)).client.system_info()
    assert len(wire.calls) == 2


@given(seconds=st.floats(0.001, 1e9), later=st.floats(-1e6, 1e6))
def test_a_wait_lasts_no_longer_than_asked_and_no_longer_than_a_day_whatever_the_clock_does(
    seconds: float, later: float
) -> None:
    wait, now = asked_for(HOST, seconds, NOW), NOW + timedelta(seconds=later)
    if wait.lasts(now):
        assert -60 - 1e-5 <= later < min(seconds, 86_400) + 1e-5
        assert 0 < wait.seconds_left(now) <= min(seconds, 86_400) + 60 + 1e-5
    else:
        assert wait.seconds_left(now) == 0
    assert not wait.binds(now) or wait.lasts(now)
