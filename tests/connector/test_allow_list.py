"""The list of an agent: what a dashboard may ask it to call. Rung: pure."""

from __future__ import annotations

import pytest

from harmony.connector.allow_list import (
    LISTED,
    call_refusal,
    mail_refusal,
    post_refusal,
    read_allow_list,
    stream_refusal,
)
from harmony.connector.wire import WireCall
from harmony.uem.connection import REGIONS
from harmony.uem.errors import BlockedByPolicy
from harmony.uem.trust.address import parse_address
from harmony.uem.workspace_one.endpoints import Call

UEM, TOKEN = "https://uem.corp.example", "https://sign-in.corp.example/connect/token"
ALLOWED = read_allow_list(f"{UEM}, {TOKEN}")


def call(server: str, method: str, path: str) -> WireCall:
    return WireCall(
        server=server,
        method=method,
        path=path,
        params={},
        headers={},
        form=None,
        json=None,
        largest=1,
        ca_pem=None,
    )


def refusal(server: str, method: str, path: str) -> str | None:
    return call_refusal(ALLOWED, parse_address(server, LISTED), call(server, method, path))


@pytest.mark.parametrize("known", Call)
def test_every_call_of_the_product_is_allowed(known: Call) -> None:
    path = known.path("570") if "{id}" in known.value.template else known.path()
    assert refusal(UEM, known.method, path) is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/API/mdm/devices/bulk"), ("DELETE", "/API/mdm/devices/7"),
        ("GET", "/API/mdm/devices/7/apps/1"),
        ("GET", "/API/system/info/"), ("GET", "/API/mdm/tags/../devices"), ("GET", "/API/mdm/tags/0/devices"),
        ("GET", "/API/mdm/tags/7/devices\n"), ("POST", "/API/system/info"), ("GET", ""),
        ("GET", "//evil.example/x"),
    ],
)  # fmt: skip
def test_no_other_path_or_method_is(method: str, path: str) -> None:
    assert refusal(UEM, method, path) is not None


@pytest.mark.parametrize(
    "server",
    [
        "https://uem.corp.example:8443", "https://other.corp.example", "https://uem.corp.example/prefix",
        "https://uem.corp.example.evil.example", "https://169.254.169.254",
    ],
)  # fmt: skip
def test_no_other_server_is(server: str) -> None:
    assert "is not on its list" in (refusal(server, "GET", "/API/system/info") or "")


def test_a_token_is_asked_for_at_a_listed_token_service_by_post_only() -> None:
    assert refusal(TOKEN, "POST", "") is None
    assert refusal(REGIONS[1][1], "POST", "") is None
    assert refusal(TOKEN, "GET", "") is not None
    assert refusal(TOKEN, "POST", "/API/system/info") is not None
    assert refusal("https://sign-in.corp.example/other/token", "POST", "") is not None


@pytest.mark.parametrize(
    "text", ["uem.corp.example", "http://uem.corp.example", "https://u:p@uem.example", "https://a b"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BlockedByPolicy):
        read_allow_list(text)


@pytest.mark.parametrize(
    ("host", "port", "allowed"),
    [
        ("mail.corp.example", 587, True), ("MAIL.corp.example", 587, True), ("mail.corp.example", 25, False),
        ("mail.corp.example.evil.example", 587, False), ("uem.corp.example", 443, False),
    ],
)  # fmt: skip
def test_mail_is_handed_to_listed_servers_and_ports_only(host: str, port: int, allowed: bool) -> None:
    listed = read_allow_list(f"{UEM}, smtp://Mail.corp.example:587")
    assert (mail_refusal(listed, host, port) is None) is allowed


def test_without_a_mail_server_on_the_list_no_mail_is_handed_over() -> None:
    assert mail_refusal(ALLOWED, "uem.corp.example", 443) is not None


@pytest.mark.parametrize(
    "text",
    ["smtp://", "smtp://mail.example", "smtp://mail.example:0", "smtp://mail.example:99999",
     "smtp://mail.example:25/path", "smtp://kim@mail.example:25", "smtp://kim:secret@mail.example:25"],
)  # fmt: skip
def test_what_is_no_address_of_a_mail_server_is_refused(text: str) -> None:
    with pytest.raises(BlockedByPolicy, match=r"smtp://mail\.example\.com:587") as refused:
        read_allow_list(f"{UEM}, {text}")
    assert "secret" not in refused.value.sentence


RECEIVERS = read_allow_list(
    f"{UEM}, webhook://SIEM.corp.example:8088/services/collector, webhook://hook.corp.example, "
    "syslog://SIEM.corp.example:6514, smtp://mail.corp.example:25"
)


@pytest.mark.parametrize(
    ("server", "method", "path", "allowed"),
    [
        ("https://siem.corp.example:8088", "POST", "/services/collector", True),
        ("https://siem.corp.example:8088", "POST", "/services/collector?channel=1", True),
        ("https://siem.corp.example:8088", "POST", "/services/collector/event", False),
        ("https://siem.corp.example:8088", "POST", "/services/collector/../../admin", False),
        ("https://siem.corp.example:8088", "GET", "/services/collector", False),
        ("https://siem.corp.example", "POST", "/services/collector", False),
        ("https://hook.corp.example", "POST", "/any/path", True),
        ("https://hook.corp.example", "POST", ".evil.example/", False),
        ("https://hook.corp.example", "POST", "@evil.example/", False),
        ("https://hook.corp.example", "POST", "/a b", False),
        ("https://hook.corp.example", "POST", "/a\r\nHost: evil", False),
        ("https://hook.corp.example:8443", "POST", "/any/path", False),
        (UEM, "POST", "/API/mdm/tags/addtag", False),
    ],
)  # fmt: skip
def test_records_are_posted_to_listed_addresses_only(
    server: str, method: str, path: str, allowed: bool
) -> None:
    refused = post_refusal(RECEIVERS, parse_address(server, LISTED), call(server, method, path))
    assert (refused is None) is allowed


@pytest.mark.parametrize("path", ["/", "/other", "/../control/restart", "/services/collector", "/?a=b"])
@pytest.mark.parametrize("server", ["siem.corp.example:8088/services/collector", "hook.corp.example/in"])
def test_a_path_within_the_name_of_the_server_opens_no_other(server: str, path: str) -> None:
    address = f"https://{server}"
    refused = post_refusal(RECEIVERS, parse_address(address, LISTED), call(address, "POST", path))
    assert "plain path" in (refused or "")


@pytest.mark.parametrize(
    "path",
    [
        "/..", "/.", "/../admin", "/a/../admin", "/a/./b", "/%2e%2E/admin", "/.%2e/admin", "/a/%2E",
        "//admin", "/a//b", "/a\\..\\admin", "/a%5c..%5Cadmin", "/a%2f..%2Fadmin", "/../admin?a=b",
    ],
)  # fmt: skip
@pytest.mark.parametrize("server", ["https://siem.corp.example:8088", "https://hook.corp.example"])
def test_a_path_that_may_be_read_in_two_ways_is_refused_everywhere(server: str, path: str) -> None:
    refused = post_refusal(RECEIVERS, parse_address(server, LISTED), call(server, "POST", path))
    assert "plain path" in (refused or "")


@pytest.mark.parametrize("path", ["/a..b/.well-known/x...", "/a?next=//b/../c", "/%41/b@c:d"])
def test_dots_in_names_and_what_a_query_carries_are_plain(path: str) -> None:
    server = "https://hook.corp.example"
    assert post_refusal(RECEIVERS, parse_address(server, LISTED), call(server, "POST", path)) is None


@pytest.mark.parametrize("path", ["", "/", "/API/system/info", "/../other", "?grant_type=x"])
@pytest.mark.parametrize("server", [f"{UEM}/API", f"{TOKEN}/x", "https://sign-in.corp.example/connect"])
def test_a_path_within_the_name_of_a_uem_or_token_service_is_on_no_list(server: str, path: str) -> None:
    for method in ("GET", "POST"):
        assert refusal(server, method, path) is not None


@pytest.mark.parametrize(
    "host", ["mail.corp.example:25/x", "kim@mail.corp.example", "mail.corp.example ", "x\r\n"]
)
def test_the_name_of_a_mail_or_syslog_server_is_compared_whole(host: str) -> None:
    for port in (25, 6514):
        assert mail_refusal(RECEIVERS, host, port) is not None
        assert stream_refusal(RECEIVERS, host, port) is not None


@pytest.mark.parametrize("server", ["https://siem.corp.example:8088", "https://hook.corp.example"])
def test_a_receiver_of_records_is_no_uem(server: str) -> None:
    listed = parse_address(server, LISTED)
    assert call_refusal(RECEIVERS, listed, call(server, "GET", "/API/system/info")) is not None


@pytest.mark.parametrize(
    ("host", "port", "allowed"),
    [
        ("siem.corp.example", 6514, True), ("SIEM.corp.example", 6514, True),
        ("siem.corp.example", 514, False), ("mail.corp.example", 25, False),
        ("siem.corp.example.evil.example", 6514, False),
    ],
)  # fmt: skip
def test_records_are_streamed_to_listed_syslog_servers_only(host: str, port: int, allowed: bool) -> None:
    assert (stream_refusal(RECEIVERS, host, port) is None) is allowed
    assert mail_refusal(RECEIVERS, "siem.corp.example", 6514) is not None


@pytest.mark.parametrize("text", ["syslog://siem.example", "webhook://", "webhook://u:p@siem.example/x"])
def test_what_is_no_address_of_a_receiver_is_refused(text: str) -> None:
    with pytest.raises(BlockedByPolicy):
        read_allow_list(text)


def test_the_list_is_shown_without_the_paths_of_receivers_which_may_be_secret() -> None:
    assert RECEIVERS.shown() == (
        UEM, "smtp://mail.corp.example:25", "syslog://siem.corp.example:6514", "webhook://hook.corp.example",
        "webhook://siem.corp.example:8088/…",
    )  # fmt: skip
    assert "collector" not in repr(RECEIVERS) + repr(
        call("https://siem.corp.example:8088", "POST", "/services/collector")
    )
