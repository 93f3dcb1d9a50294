"""Verify against real sockets, real TLS and the simulated UEM (rung S)."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from harmony.clock import now
from harmony.simulator.server import RunningSimulator, start
from harmony.simulator.world import World
from harmony.uem.connection import Basic, Connection, OAuth2
from harmony.uem.registry import connect
from harmony.uem.trust.outbound import OutboundPolicy
from harmony.uem.verify import network
from harmony.uem.verify import run_checks as runner
from harmony.uem.verify.checks import CheckResult, CheckState
from harmony.uem.verify.run_checks import CHECK_NAMES, run_checks
from tests.faults.certs import TODAY, a_certificate
from tests.faults.faulty import answering, http, serving

LOOPBACK = OutboundPolicy(allow_http=True, allow_loopback=True)
BASIC = Basic("api", "canary-password", "canary-key")
GOOD = {CheckState.OK, CheckState.WARNING}
# Verify changes nothing, so whether tags can be put on devices is never tried.
UNASKED = {"Assign tags"}


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    running = start(World(1200))
    yield running
    running.stop()


def by_oauth(simulator: RunningSimulator) -> Connection:
    known = simulator.credentials
    sign_in = OAuth2(simulator.token_url, known.client_id, known.client_secret)
    return Connection(simulator.url, sign_in, simulator.ca_pem, LOOPBACK)


def by_password(simulator: RunningSimulator, **changes: str) -> Connection:
    known = simulator.credentials
    parts = {"username": known.username, "password": known.password, "api_key": known.api_key} | changes
    return Connection(simulator.url, Basic(**parts), simulator.ca_pem, LOOPBACK)


def report(connection: Connection, **more: Any) -> dict[str, CheckResult]:
    """All results by name; whatever happened, they are all there and carry no secret."""
    results = list(run_checks("workspace_one", connection, now(), **more))
    assert tuple(result.name for result in results) == CHECK_NAMES
    assert "canary" not in repr(results)
    return {result.name: result for result in results}


def stopped_at(results: dict[str, CheckResult]) -> str:
    """The result that failed; everything before is good, everything after not tried."""
    names = list(results)
    failed = [name for name in names if results[name].state is CheckState.FAILED]
    assert len(failed) == 1
    at = names.index(failed[0])
    assert all(results[name].state in GOOD for name in names[:at] if name not in UNASKED)
    assert all(results[name].state is CheckState.NOT_TRIED for name in names[at + 1 :])
    return failed[0]


@pytest.mark.parametrize("way", [by_oauth, by_password])
def test_every_check_of_a_healthy_server_is_good(simulator: RunningSimulator, way: Any) -> None:
    results = report(way(simulator))
    assert all(result.state in GOOD for name, result in results.items() if name not in UNASKED)
    assert "127.0.0.1" in results["Name"].sentence
    assert "SHA-256" in results["TLS"].sentence
    assert "26." in results["API version"].sentence
    assert "1,200" in results["Read devices"].sentence
    assert "calls are left" in results["Quota"].sentence


def test_assigning_tags_is_never_probed(simulator: RunningSimulator) -> None:
    results = report(by_oauth(simulator))
    assert results["Assign tags"].state is CheckState.NOT_TRIED
    assert "Verify changes nothing in the UEM" in results["Assign tags"].sentence
    assert results["Assign tags"].milliseconds is None


def test_it_gives_each_check_as_soon_as_it_is_known() -> None:
    with serving(by_path(PAGES)) as (server, pem):
        results = run_checks("workspace_one", Connection(server.url, BASIC, pem, LOOPBACK), now())
        assert [next(results).name for _ in range(4)] == ["Address", "Name", "Connection", "TLS"]
        assert server.requests == []
        assert next(results).name == "Sign-in"
        assert len(server.requests) == 1
        results.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "url", ["", "http://uem.example.com", "https://a@b", "https://127.1", "https://uem.example.com:22"]
)
def test_an_address_that_may_not_be_called_stops_at_the_first_check(url: str) -> None:
    assert stopped_at(report(Connection(url, BASIC))) == "Address"


def test_loopback_stops_at_the_name() -> None:
    results = report(Connection("https://localhost", BASIC))
    assert stopped_at(results) == "Name"
    assert "loopback" in results["Name"].sentence


def test_a_port_where_nothing_listens_stops_at_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert stopped_at(report(Connection(f"https://127.0.0.1:{port}", BASIC, None, LOOPBACK))) == "Connection"


def test_an_untrusted_certificate_is_shown_with_its_fingerprint() -> None:
    made = a_certificate(names=("uem.corp", "127.0.0.1"))
    with serving(answering(http()), made) as (server, _):
        results = report(Connection(server.url, BASIC, None, LOOPBACK))
        assert server.requests == []
    assert stopped_at(results) == "TLS"
    assert all(
        part in results["TLS"].sentence for part in ("self-signed", "uem.corp", "SHA-256", "days left")
    )
    assert "upload" in (results["TLS"].advice or "")


def test_a_certificate_that_expires_soon_is_a_warning() -> None:
    made = a_certificate(days=(-1, 10))
    with serving(answering(http(b"{}", "403 Forbidden")), made) as (server, pem):
        results = report(Connection(server.url, BASIC, pem, LOOPBACK))
    assert results["TLS"].state is CheckState.WARNING


def test_an_unencrypted_server_is_a_warning_where_it_is_allowed_at_all() -> None:
    with serving(answering(http(b"{}", "401 Unauthorized")), tls=False) as (server, _):
        results = report(Connection(server.url, BASIC, None, LOOPBACK))
    assert results["TLS"].state is CheckState.WARNING
    assert stopped_at(results) == "Sign-in"


@pytest.mark.parametrize("changes", [{"password": "canary"}, {"api_key": "canary"}, {"username": "nobody"}])
def test_wrong_credentials_stop_at_the_sign_in_after_one_try(
    simulator: RunningSimulator, changes: dict[str, str]
) -> None:
    results = report(by_password(simulator, **changes))
    assert stopped_at(results) == "Sign-in"
    assert results["Sign-in"].advice


def test_a_wrong_client_stops_at_the_sign_in(simulator: RunningSimulator) -> None:
    sign_in = OAuth2(simulator.token_url, "client", "canary-secret")
    results = report(Connection(simulator.url, sign_in, simulator.ca_pem, LOOPBACK))
    assert stopped_at(results) == "Sign-in"
    assert "OAuth Client Management" in (results["Sign-in"].advice or "")


def test_a_token_address_that_may_not_be_called_stops_at_the_sign_in(simulator: RunningSimulator) -> None:
    sign_in = OAuth2("https://169.254.169.254/connect/token", "client", "canary-secret")
    assert stopped_at(report(Connection(simulator.url, sign_in, simulator.ca_pem, LOOPBACK))) == "Sign-in"
    typed = OAuth2("not an address", "client", "canary-secret")
    assert stopped_at(report(Connection(simulator.url, typed, simulator.ca_pem, LOOPBACK))) == "Sign-in"


INFO = http(json.dumps({"ProductName": "AirWatch", "ProductVersion": "26.2"}).encode())
PAGES = {
    b"groups/search": http(b'{"OrganizationGroups":[{"Id":570,"Name":"Acme"}]}'),
    b"smartgroups/search": http(b"", "204 No Content"),
    b"devices/search": http(b'{"Devices":[{"Id":{"Value":5},"Udid":"u"}],"Total":1}'),
    b"devices/5/apps": http(b"", "204 No Content"),
    b"tags/search": http(b'{"Tags":[]}'),
}


def by_path(pages: dict[bytes, bytes], delay: float = 0.0) -> Any:
    def handle(connection: socket.socket, head: bytes, number: int) -> None:
        time.sleep(delay)
        line = head.split(b"\r\n")[0]
        # The longest name first: "smartgroups/search" ends like "groups/search".
        for part in sorted(pages, key=len, reverse=True):
            if part in line:
                connection.sendall(pages[part])
                return
        connection.sendall(INFO)

    return handle


@pytest.mark.parametrize(
    ("path", "result"),
    [
        (b"groups/search", "Read organization groups"),
        (b"smartgroups/search", "Read smart groups"),
        (b"devices/search", "Read devices"),
        (b"devices/5/apps", "Read apps"),
        (b"tags/search", "Read tags"),
    ],
)
def test_each_missing_permission_stops_at_its_own_check(path: bytes, result: str) -> None:
    pages = {part: made for part, made in PAGES.items()} | {path: http(b'{"errorCode":403}', "403 Forbidden")}
    with serving(by_path(pages)) as (server, pem):
        results = report(Connection(server.url, BASIC, pem, LOOPBACK))
    assert stopped_at(results) == result
    assert "Roles" in (results[result].advice or "")


def test_who_verifies_is_told_to_try_again_since_nothing_does_so_by_itself() -> None:
    pages = PAGES | {b"devices/search": http(b"", "503 Service Unavailable")}
    with serving(by_path(pages)) as (server, pem):
        results = report(Connection(server.url, BASIC, pem, LOOPBACK))
    assert (results["Read devices"].advice or "").startswith("Try again. If it stays, look at")


THREE = http(
    b'{"Devices":[{"Id":{"Value":5}},{"Id":{"Value":6}},{"Id":{"Value":7}},{"Id":{"Value":8}}],"Total":4}'
)
NO_APPS = {
    404: http(b'{"errorCode":404}', "404 Not Found"),
    403: http(b'{"errorCode":403}', "403 Forbidden"),
    500: http(b"", "500 Internal Server Error"),
}


def apps_asked(pages: dict[bytes, bytes]) -> tuple[dict[str, CheckResult], list[str]]:
    """The results where these pages answer for the apps, and the ids that were asked about."""
    with serving(by_path(PAGES | {b"devices/search": THREE} | pages)) as (server, pem):
        results = report(Connection(server.url, BASIC, pem, LOOPBACK))
    lines = [head.split(b"\r\n")[0].decode() for head in server.requests]
    return results, [line.partition("/devices/")[2][0] for line in lines if "/apps" in line]


@pytest.mark.parametrize("status", NO_APPS)
def test_one_device_whose_apps_cannot_be_read_does_not_fail_verify(status: int) -> None:
    answers = {b"devices/5/apps": NO_APPS[status], b"devices/6/apps": http(b"", "204 No Content")}
    results, asked = apps_asked(answers)
    assert (results["Read apps"].state, asked) == (CheckState.OK, ["5", "6"])
    assert results["Read apps"].sentence == (
        "The apps of a device can be read; those of the UEM ID 5 could not be read."
    )
    assert results["Read tags"].state is CheckState.OK


@pytest.mark.parametrize("status", NO_APPS)
def test_after_three_devices_whose_apps_cannot_be_read_verify_says_no(status: int) -> None:
    results, asked = apps_asked({f"devices/{id_}/apps".encode(): NO_APPS[status] for id_ in (5, 6, 7)})
    assert (stopped_at(results), asked) == ("Read apps", ["5", "6", "7"])
    assert f"status {status}" in results["Read apps"].sentence


def test_what_no_device_can_cause_is_not_asked_again() -> None:
    refused = http(b'{"errorCode":1005}', "401 Unauthorized")
    results, asked = apps_asked({b"devices/5/apps": refused})
    assert (stopped_at(results), asked) == ("Read apps", ["5"])


def test_a_server_without_quota_or_date_is_told_so() -> None:
    with serving(by_path(PAGES)) as (server, pem):
        results = report(Connection(server.url, BASIC, pem, LOOPBACK))
    assert results["Clock"].state is CheckState.WARNING
    assert results["Quota"].state is CheckState.NOT_TRIED
    assert results["Quota"].sentence == "The server does not say how many calls are left."


@pytest.mark.parametrize(
    ("path", "empty", "result"),
    [
        (b"devices/search", http(b"", "204 No Content"), "Read apps"),
        (b"devices/search", http(b'{"Devices":[],"Total":0}'), "Read apps"),
        (b"groups/search", http(b'{"OrganizationGroups":[]}'), "Read tags"),
    ],
)
def test_what_there_was_nothing_to_try_with_is_not_called_ok(path: bytes, empty: bytes, result: str) -> None:
    with serving(by_path(PAGES | {path: empty})) as (server, pem):
        results = report(Connection(server.url, BASIC, pem, LOOPBACK))
    assert results[result].state is CheckState.NOT_TRIED
    assert results[result].sentence.startswith("There is no ")
    assert not any(one.state is CheckState.FAILED for one in results.values())


def test_a_clock_that_is_off_and_a_quota_that_runs_out_are_warnings() -> None:
    headers = ("Date: Thu, 01 Jan 2026 00:00:00 GMT", "x-ratelimit-limit: 100", "x-ratelimit-remaining: 9")
    pages = PAGES | {b"tags/search": http(b'{"Tags":[]}', "200 OK", *headers)}
    with serving(by_path(pages)) as (server, pem):
        results = report(Connection(server.url, BASIC, pem, LOOPBACK))
    assert results["Clock"].state is results["Quota"].state is CheckState.WARNING
    assert "behind" in results["Clock"].sentence


def test_something_that_is_not_the_api_is_told_apart() -> None:
    with serving(answering(http(b"<html>canary</html>", "200 OK", "Content-Type: text/html"))) as (
        server,
        pem,
    ):
        results = report(Connection(server.url, BASIC, pem, LOOPBACK))
    assert stopped_at(results) == "Sign-in"
    assert "text/html" in results["Sign-in"].sentence


def test_nothing_but_reading_happens() -> None:
    with serving(by_path(PAGES)) as (server, pem):
        report(Connection(server.url, BASIC, pem, LOOPBACK))
    assert all(head.startswith(b"GET ") for head in server.requests)
    assert len(server.requests) == 6


def test_a_server_that_says_nothing_ends_at_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """It never answers: that this test ends is the proof."""
    monkeypatch.setattr(runner, "CALL_SECONDS", 0.5)
    with serving(lambda connection, head, number: connection.recv(1)) as (server, pem):  # type: ignore[arg-type, return-value]
        assert stopped_at(report(Connection(server.url, BASIC, pem, LOOPBACK))) == "Sign-in"


def test_a_handshake_that_never_comes_ends_at_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "STEP_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        assert stopped_at(report(Connection(url, BASIC, None, LOOPBACK))) == "TLS"


def test_no_check_begins_after_the_time_is_over(simulator: RunningSimulator) -> None:
    results = report(by_oauth(simulator), seconds=0.0)
    assert stopped_at(results) == "Address"


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="kind"):
        list(run_checks("intune", Connection("https://a.example", BASIC), TODAY))


@pytest.mark.parametrize("way", [by_oauth, by_password])
def test_a_whole_tenant_is_read_over_real_tls(simulator: RunningSimulator, way: Any) -> None:
    client = connect("workspace_one", way(simulator))
    groups = client.groups()
    top = next(group for group in groups if group.parent_id is None)
    rows = [row for page in client.device_pages(top.external_id) for row in (*page.devices, *page.skipped)]
    smart = next(group for group in groups if group.kind.value == "smart" and group.devices)
    members = client.smart_group_members(smart.external_id)
    tags = client.tags(top.external_id).tags
    client.close()
    ids = [row.external_id for row in rows if row.external_id is not None]
    assert len(rows) == 1200
    assert len(set(ids)) == len(ids) > 1190
    assert len(members) == smart.devices
    assert members <= {row.external_id for row in rows}
    assert tags
    assert {group.parent_id for group in groups if group.parent_id} <= {group.external_id for group in groups}
