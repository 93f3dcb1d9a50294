"""Refused credentials and permissions in the way of a whole sync. Rung S: sockets, TLS, the simulated UEM."""

from __future__ import annotations

import pytest

from harmony.clock import now
from harmony.jobs import lease
from harmony.jobs import schedule as jobs_schedule
from harmony.jobs.kinds import JobKind
from harmony.models import StopReason, SyncRunState
from harmony.models.configuration import SERVER
from harmony.setup import apply
from harmony.simulator.context import Tenant
from tests.faults.faulty import http
from tests.faults.fleet import GROUP, NOTHING, groups, refusal, token
from tests.faults.scene import Case, Scene, cases

FAILED, INCOMPLETE, OK = SyncRunState.FAILED, SyncRunState.INCOMPLETE, SyncRunState.OK
AUTH_FAILED = SyncRunState.AUTH_FAILED
REFUSED = refusal("401 Unauthorized", 1005)
PAGE = b"<!DOCTYPE html><html><title>canary words</title>Blocked</html>"
BLOCKED = http(PAGE, "403 Forbidden", "Content-Type: text/html; charset=utf-8")
HTML = http(b"<html>remote words</html>", "200 OK", "Content-Type: text/html")
NO_CLIENT = http(b'{"error":"invalid_client"}', "400 Bad Request")

CASES = [
    Case(17, "basic", {"groups 0": [REFUSED]},
         AUTH_FAILED, "refuses the credentials (status 401, errorCode 1005)"),
    Case(17, "locked", {"groups 0": [refusal("401 Unauthorized", 1022)]}, AUTH_FAILED, "account is locked"),
    Case(17, "api-key", {"groups 0": [refusal("403 Forbidden", 1013)]}, AUTH_FAILED, "API key belongs to no"),
    Case(17, "oauth", {"groups 0": [REFUSED]}, AUTH_FAILED, "refuses the credentials", oauth=True),
    Case(18, "expired", {"page 1": [REFUSED, None]}, OK, "", oauth=True),
    Case(19, "loop", {"page 1": [REFUSED]}, AUTH_FAILED, "refuses the credentials (status 401", oauth=True),
    Case(20, "client", {"token": [NO_CLIENT]},
         AUTH_FAILED, "token service refuses the client (status 400)", oauth=True),
    Case(20, "broken", {"token": [refusal("503 Down", 0)]},
         FAILED, "an error of its own (status 503)", oauth=True),
    Case(20, "broken-once", {"token": [refusal("503 Down", 0), None]}, OK, "", oauth=True),
    Case(20, "html", {"token": [HTML]}, FAILED, "A web page came instead of data (status 200", oauth=True),
    Case(20, "html-404", {"token": [http(b"<p>", "404 Not Found")]},
         FAILED, "There is no token service", oauth=True),
    Case(20, "empty", {"token": [http(b"")]}, FAILED, "and nothing in it.", oauth=True),
    Case(20, "no-token", {"token": [http(b"{}")]}, FAILED, "without a usable token", oauth=True),
    Case(20, "no-life", {"token": [token()]}, OK, "", oauth=True),
    Case(20, "endless-life", {"token": [token(expires_in=10**12)]}, OK, "", oauth=True),
    Case(21, "basic", {"page 0": [refusal("403 Forbidden", 403)]},
         FAILED, "lacks API > REST > Devices > Read"),
    Case(21, "later", {"page 1": [refusal("403 Forbidden", 403)]}, INCOMPLETE, "The account may not do this"),
    Case(21, "a-firewall-s-page", {"page 0": [BLOCKED]}, FAILED,
         "lacks API > REST > Devices > Read, or a firewall refuses the call. Nothing"),
    Case(21, "a-firewall-s-page-later", {"page 1": [BLOCKED]}, INCOMPLETE,
         "A web page came with status 403, not an answer of the API"),
    Case(17, "a-proxy-s-page", {"groups 0": [http(PAGE, "401 Unauthorized", "Content-Type: text/html")]},
         AUTH_FAILED, "the UEM refuses the credentials, or a proxy on the way asks for a sign-in."),
    Case(20, "a-firewall-s-page", {"token": [BLOCKED]}, FAILED,
         "A web page came with status 403 from the token address: a proxy or firewall", oauth=True),
    Case(20, "a-proxy-s-page", {"token": [http(PAGE, "401 Unauthorized", "Content-Type: text/html")]},
         FAILED, "A web page came with status 401 from the token address", oauth=True),
    Case(20, "a-proxy-that-fails", {"token": [http(PAGE, "502 Bad Gateway")]},
         FAILED, "the server fails, or a proxy or firewall in front of it", oauth=True),
    Case(27, "a-proxy-that-fails", {"page 0": [http(PAGE, "503 Service Unavailable")]},
         FAILED, "the server fails, or a proxy or firewall in front of it"),
    Case(15, "a-proxy-s-404", {"page 0": [http(PAGE, "404 Not Found")]},
         FAILED, "A web page came instead of data (status 404"),
    Case(15, "a-captive-portal", {"page 0": [http(PAGE, "511 Network Authentication Required")]},
         FAILED, "A web page came with status 511"),
    Case(23, "status-404", {"page 0": [refusal("404 Not Found", 404)]},
         FAILED, "does not find what was asked for"),
    Case(23, "status-400", {"page 0": [refusal("400 Bad Request", 6)]},
         FAILED, "does not find what was asked for"),
    Case(23, "code-7000", {"page 0": [refusal("401 Unauthorized", 7000)]},
         FAILED, "status 401, errorCode 7000"),
]  # fmt: skip


@cases(*CASES)
def test_a_refusal(scene: Scene, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.prove(case, monkeypatch)


def test_row_17_a_refused_password_is_sent_once_and_stops_the_integration_until_it_is_edited(
    scene: Scene,
) -> None:
    scene.learn()
    scene.fleet.break_with({"any": [REFUSED]})
    done = scene.suffer(AUTH_FAILED, "It is not tried again, so that the account is not locked.")
    assert scene.fleet.calls == ["groups 0"]
    stopped = scene.integration()
    assert stopped.stopped_why == StopReason.SIGN_IN
    assert stopped.stopped_reason == f"{done.reason} {done.advice}"
    assert not lease.request(scene.integration_id, JobKind.DEVICES, "test", now())
    tomorrow = now() + jobs_schedule.LONGEST_WAIT
    assert scene.integration_id not in lease.due_of(JobKind.DEVICES, tomorrow)
    assert lease.claim(scene.integration_id, JobKind.DEVICES, "somebody", tomorrow) is None
    assert scene.fleet.calls == ["groups 0"]

    scene.fleet.break_with({})
    apply.save(scene.integration_id, SERVER, "test", now())
    scene.recover()


def test_row_17_a_token_that_is_refused_is_renewed_once_and_the_integration_stays_due(scene: Scene) -> None:
    scene.by_oauth()
    scene.learn()
    scene.fleet.break_with({"groups 0": [REFUSED]})
    scene.suffer(AUTH_FAILED, "OAuth Client Management")
    assert scene.fleet.calls == ["groups 0", "token", "groups 0"], "the first token was kept"
    assert scene.integration().stopped_why is None


def test_row_17_a_password_changed_in_the_middle_is_sent_by_the_calls_under_way_only(scene: Scene) -> None:
    scene.fetchers = 4
    scene.learn()
    pages = {f"page {number}": [REFUSED] for number in range(1, 9)}
    scene.fleet.break_with(pages)
    scene.suffer(AUTH_FAILED, "refuses the credentials")
    assert len(pages.keys() & set(scene.fleet.calls)) <= scene.fetchers
    assert scene.integration().stopped_why == StopReason.SIGN_IN


def test_row_18_tokens_that_expire_in_the_middle_are_renewed_once(scene: Scene, tenant: Tenant) -> None:
    scene.learn()
    issued = tenant.gate.issued
    tenant.faults.add("unauthorized", path="devices/search", page=1, times=1)
    done = scene.suffer(OK, "")
    assert done.count("pages_read") == 3
    assert tenant.gate.issued == issued + 1
    scene.recover()


def test_row_19_a_401_that_stays_is_met_with_one_renewal(scene: Scene, tenant: Tenant) -> None:
    scene.fetchers = 1
    scene.learn()
    issued = tenant.gate.issued
    tenant.faults.add("unauthorized")
    scene.suffer(AUTH_FAILED, "The UEM refuses the credentials (status 401, errorCode 401).")
    assert tenant.gate.issued == issued + 1
    tenant.faults.clear()
    scene.recover()


def test_row_20_a_life_of_nothing_serves_one_call_and_a_huge_one_an_hour(scene: Scene) -> None:
    scene.by_oauth()
    scene.learn()
    scene.forget_tokens()
    scene.fleet.break_with({"token": [token(expires_in=0)]})
    scene.suffer(OK, "")
    assert scene.fleet.calls.count("token") == len(scene.fleet.calls) / 2
    scene.fleet.break_with({"token": [token(expires_in=10**9)]})
    scene.suffer(OK, "")
    assert scene.fleet.calls.count("token") == 1


def test_row_21_a_group_that_may_not_be_read_freezes_its_devices(scene: Scene, tenant: Tenant) -> None:
    scene.learn()
    tenant.gate.denied = frozenset({"devices"})
    scene.suffer(FAILED, "it lacks API > REST > Devices > Read")
    tenant.gate.denied = frozenset()
    scene.recover()


def test_row_23_a_group_that_is_gone_is_never_read_as_empty(scene: Scene) -> None:
    scene.learn()
    other = GROUP | {"Id": {"Value": 571}}
    scene.fleet.break_with({"groups 0": [groups(other)], "children": [NOTHING], "page 0": [NOTHING]})
    scene.suffer(INCOMPLETE, "The account no longer sees Group 570. Nothing was marked missing.")
    assert "page 0" not in scene.fleet.calls
    scene.fleet.break_with({})
    scene.recover()


def test_row_23_an_account_that_sees_no_group_at_all_marks_nothing(scene: Scene) -> None:
    scene.learn()
    scene.fleet.break_with({"groups 0": [NOTHING]})
    scene.suffer(INCOMPLETE, "The account no longer sees Group 570.")
