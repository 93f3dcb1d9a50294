"""The transport against real sockets and real TLS. Rung S."""

from __future__ import annotations

import gzip
import socket
import ssl
import struct
import threading
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import certifi
import pytest

from harmony.uem.errors import (
    BlockedByPolicy,
    CertificateChanged,
    CertificateExpired,
    CertificateNameMismatch,
    CertificateNotYetValid,
    CertificateUntrusted,
    Closed,
    ConnectionLost,
    EmptyAnswer,
    MalformedAnswer,
    NameNotFound,
    NotTheApi,
    NotTls,
    RedirectAnswer,
    TimedOut,
    TlsTooOld,
    TooLarge,
    UemError,
    Unreachable,
)
from harmony.uem.http import response as http_response
from harmony.uem.http.client import CallLimits, TimeSource, Transport
from harmony.uem.http.request import Request
from harmony.uem.http.response import Answer, refuse_non_data
from harmony.uem.trust.address import parse_address
from harmony.uem.trust.outbound import OutboundPolicy
from tests.faults.certs import Made, a_certificate
from tests.faults.faulty import answering, http, serving

LOOPBACK = OutboundPolicy(allow_http=True, allow_loopback=True)
GET = Request("GET", "/API/system/info", headers={"Authorization": "Bearer canary-token"})
ONCE = CallLimits(attempts=1)


def body(answer: Answer) -> bytes:
    refuse_non_data(answer)
    return answer.body


def a_transport(url: str, pem: str | None, limits: CallLimits = ONCE, **times: Any) -> Transport:
    return Transport(parse_address(url, LOOPBACK), LOOPBACK, pem, limits, TimeSource(**times))


def failure(url: str, pem: str | None, limits: CallLimits = ONCE) -> UemError:
    """The error of one call, which must carry no secret."""
    transport = a_transport(url, pem, limits)
    try:
        with pytest.raises(UemError) as caught:
            transport.fetch(GET, body)
    finally:
        transport.close()
    assert "canary" not in repr(caught.value) + str(caught.value) + caught.value.advice
    return caught.value


def test_it_reads_an_answer_over_tls_and_keeps_the_connection() -> None:
    with serving(answering(http(b'{"a":1}'))) as (server, pem):
        transport = a_transport(server.url, pem)
        assert [transport.fetch(GET, body) for _ in range(3)] == [b'{"a":1}'] * 3
        transport.close()
    assert server.connections == 1


def test_it_asks_for_gzip_and_nothing_else_and_names_no_library() -> None:
    with serving(answering(http(gzip.compress(b"{}"), "200 OK", "Content-Encoding: gzip"))) as (server, pem):
        transport = a_transport(server.url, pem)
        assert transport.fetch(GET, body) == b"{}"
        transport.close()
    assert b"Accept-Encoding: gzip\r\n" in server.requests[0]
    assert b"python-requests" not in server.requests[0]


def test_the_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login eve password stolen\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with serving(answering(http())) as (server, pem):
        transport = a_transport(server.url, pem)
        transport.fetch(GET, body)
        transport.close()
    assert b"Authorization: Bearer canary-token\r\n" in server.requests[0]


def test_the_pinned_certificate_is_never_written_to_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with serving(answering(http())) as (server, pem):
        transport = a_transport(server.url, pem)
        assert transport.fetch(GET, body) == b"{}"
        assert list(tmp_path.iterdir()) == []
        transport.close()


def test_no_two_pinned_certificates_are_taken_for_each_other() -> None:
    with serving(answering(http())) as (server, pem):
        for _ in range(2):
            transport = a_transport(server.url, pem)
            assert transport.fetch(GET, body) == b"{}"
            transport.close()
            assert isinstance(failure(server.url, a_certificate().pem), CertificateChanged)


def test_a_pinned_certificate_replaces_the_public_store(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    public = tmp_path / "public.pem"
    with serving(answering(http())) as (server, pem):
        public.write_text(pem)
        monkeypatch.setattr(certifi, "where", lambda: str(public))
        trusting = a_transport(server.url, None)
        assert trusting.fetch(GET, body) == b"{}"
        trusting.close()
        assert isinstance(failure(server.url, a_certificate().pem), CertificateChanged)


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    error = failure(f"https://127.0.0.1:{port}", None)
    assert type(error) is Unreachable
    assert str(port) in error.sentence


def test_the_name_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*args: object, **kwargs: object) -> list[object]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    assert isinstance(failure("https://uem.invalid", None), NameNotFound)


def test_a_resolver_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(*args: object, **kwargs: object) -> list[object]:
        release.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    error = failure("https://uem.invalid", None, CallLimits(request_seconds=0.3, attempts=1))
    release.set()
    assert isinstance(error, TimedOut)


def test_it_tries_the_other_address_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = closed.getsockname()[1]
    with serving(answering(http())) as (server, pem):
        real = socket.socket.connect

        def two(*args: object, **kwargs: object) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 0)) for ip in ("127.0.0.2", "127.0.0.1")]

        def connect(self: socket.socket, where: tuple[str, int]) -> None:
            real(self, ("127.0.0.1", dead) if where[0] == "127.0.0.2" else where)

        monkeypatch.setattr(socket, "getaddrinfo", two)
        monkeypatch.setattr(socket.socket, "connect", connect)
        transport = a_transport(server.url, pem)
        assert transport.fetch(GET, body) == b"{}"
        transport.close()


@pytest.mark.parametrize("policy", [OutboundPolicy(), OutboundPolicy(allow_http=True)])
def test_loopback_is_refused_before_anything_is_sent(policy: OutboundPolicy) -> None:
    with serving(answering(http())) as (server, pem):
        transport = Transport(parse_address(server.url, policy), policy, pem, ONCE)
        with pytest.raises(BlockedByPolicy):
            transport.fetch(GET, body)
        transport.close()
        assert server.connections == 0


def test_a_name_that_changes_its_address_is_caught_at_the_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rebinding: the check sees 10.1.2.3, the connection ends up at this machine."""
    policy = OutboundPolicy()
    with serving(answering(http())) as (server, pem):
        real = socket.socket.connect

        def private(*args: object, **kwargs: object) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.1.2.3", 0))]

        def rebound(self: socket.socket, where: object) -> None:
            real(self, ("127.0.0.1", server.port))

        monkeypatch.setattr(socket, "getaddrinfo", private)
        monkeypatch.setattr(socket.socket, "connect", rebound)
        address = parse_address(f"https://uem.example.com:{server.port}", policy)
        transport = Transport(address, policy, pem, ONCE)
        with pytest.raises(BlockedByPolicy, match=r"led to 127\.0\.0\.1"):
            transport.fetch(GET, body)
        transport.close()
    assert server.requests == []


def test_one_forbidden_address_among_several_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def mixed(*args: object, **kwargs: object) -> list[Any]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 0)) for ip in ("10.1.2.3", "169.254.169.254")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", mixed)
    policy = OutboundPolicy()
    transport = Transport(parse_address("https://uem.example.com", policy), policy, None, ONCE)
    with pytest.raises(BlockedByPolicy, match="metadata"):
        transport.fetch(GET, body)
    transport.close()


def never(connection: socket.socket, head: bytes, number: int) -> None:
    connection.recv(1)


def slow_body(connection: socket.socket, head: bytes, number: int) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
    trickle(connection, b" ")


def slow_headers(connection: socket.socket, head: bytes, number: int) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    trickle(connection, b"X-A: b\r\n")


def closing_slow_body(connection: socket.socket, head: bytes, number: int) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
    trickle(connection, b" ")


def trickle(connection: socket.socket, piece: bytes) -> None:
    while True:
        connection.sendall(piece)
        time.sleep(0.05)


@pytest.mark.parametrize("handler", [never, slow_body, slow_headers, closing_slow_body])
@pytest.mark.parametrize("tls", [True, False])
def test_a_deadline_is_kept_however_slowly_bytes_come(handler: Any, tls: bool) -> None:
    """They come for ever: that the call ends is the proof."""
    with serving(handler, tls=tls) as (server, pem):
        error = failure(server.url, pem or None, CallLimits(request_seconds=0.5, attempts=1))
    assert type(error) is TimedOut


def test_the_deadline_holds_on_a_connection_that_was_kept() -> None:
    def once_quick(connection: socket.socket, head: bytes, number: int) -> None:
        if number == 1:
            connection.sendall(http())
        else:
            slow_headers(connection, head, number)

    with serving(once_quick) as (server, pem):
        transport = a_transport(server.url, pem, CallLimits(request_seconds=0.5, attempts=1))
        transport.fetch(GET, body)
        with pytest.raises(TimedOut):
            transport.fetch(GET, body)
        transport.close()
    assert server.connections == 1


def test_a_handshake_that_never_comes_ends_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = failure(
            f"https://127.0.0.1:{silent.getsockname()[1]}", None, CallLimits(request_seconds=0.5, attempts=1)
        )
    assert isinstance(error, TimedOut)


def reset(connection: socket.socket, head: bytes, number: int) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def hang_up(*pieces: bytes) -> Callable[[socket.socket, bytes, int], None]:
    def handle(connection: socket.socket, head: bytes, number: int) -> None:
        connection.sendall(b"".join(pieces))
        connection.close()

    return handle


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
JSON_200 = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (reset, ConnectionLost),
        (hang_up(), ConnectionLost),
        (hang_up(b"HTTP/1.1 200 OK\r\nContent-Ty"), EmptyAnswer),
        (hang_up(JSON_200), EmptyAnswer),
        (hang_up(JSON_200, b"Content-Length: 100\r\n\r\n{"), ConnectionLost),
        (hang_up(CHUNKED, b'5\r\n{"a"'), ConnectionLost),
        (hang_up(CHUNKED, b"zz\r\n{}"), ConnectionLost),
        (answering(http(b"")), EmptyAnswer),
        (answering(http(b"not gzip", "200 OK", "Content-Encoding: gzip")), MalformedAnswer),
        (answering(http(gzip.compress(b"{}")[:-4], "200 OK", "Content-Encoding: gzip")), MalformedAnswer),
        (answering(http(gzip.compress(b"") * 10_001, "200 OK", "Content-Encoding: gzip")), MalformedAnswer),
        (answering(http(gzip.compress(b"{}"), "200 OK", "Content-Encoding: gzip, gzip")), MalformedAnswer),
        (hang_up(b"SSH-2.0-OpenSSH_9.2\r\n"), NotTheApi),
        (answering(http(b"", "302 Found", "Location: https://evil.example/canary")), RedirectAnswer),
        (answering(http(b"<!DOCTYPE html><title>Sign in</title>")), NotTheApi),
        (answering(http(b"{}", "200 OK", "Content-Type: text/html")), NotTheApi),
    ],
)
def test_an_answer_that_is_not_whole_is_never_an_empty_success(
    handler: Any, expected: type[UemError]
) -> None:
    with serving(handler) as (server, pem):
        assert isinstance(failure(server.url, pem), expected)


def test_it_follows_no_redirect_and_does_not_read_its_body() -> None:
    def endless(connection: socket.socket, head: bytes, number: int) -> None:
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")

    with serving(endless) as (server, pem):
        assert isinstance(failure(server.url, pem), RedirectAnswer)
        assert len(server.requests) == 1


def test_a_body_is_capped_after_decompression(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_response, "MAX_BODY", 2**20)
    bomb = gzip.compress(b"0" * 50 * 2**20)
    with serving(answering(http(bomb, "200 OK", "Content-Encoding: gzip"))) as (server, pem):
        assert isinstance(failure(server.url, pem), TooLarge)


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP ", "deflate", "identity", "unknown"])
def test_a_body_is_read_as_its_server_packed_it(encoding: str) -> None:
    pack = {"gzip": gzip.compress, "x-gzip": gzip.compress, "GZIP ": gzip.compress, "deflate": zlib.compress}
    packed = pack.get(encoding, bytes)(b'{"a": 1}')
    with serving(answering(http(packed, "200 OK", f"Content-Encoding: {encoding}"))) as (server, pem):
        transport = a_transport(server.url, pem, CallLimits())
        assert transport.fetch(GET, body) == b'{"a": 1}'
        transport.close()


def test_it_tries_four_times_and_recovers() -> None:
    waits: list[float] = []
    broken = http(b"{}", "503 Service Unavailable")
    with serving(answering(broken, broken, broken, http(b"[1]"))) as (server, pem):
        transport = a_transport(server.url, pem, CallLimits(), sleep=waits.append, random=lambda: 1.0)
        assert transport.fetch(GET, body) == b"[1]"
        transport.close()
    assert waits == [1.0, 2.0, 4.0]


def test_reading_that_fails_is_fetched_again() -> None:
    waits: list[float] = []
    with serving(answering(http(b""), http(b"{}"))) as (server, pem):
        transport = a_transport(server.url, pem, CallLimits(), sleep=waits.append)
        assert transport.fetch(GET, body) == b"{}"
        transport.close()
    assert len(waits) == 1


def test_closing_ends_a_call_that_is_under_way() -> None:
    arrived = threading.Event()

    def wait(connection: socket.socket, head: bytes, number: int) -> None:
        arrived.set()
        connection.recv(1)

    with serving(wait) as (server, pem):
        transport = a_transport(server.url, pem, CallLimits())
        caught: list[BaseException] = []

        def call() -> None:
            try:
                transport.fetch(GET, body)
            except UemError as error:
                caught.append(error)

        caller = threading.Thread(target=call)
        caller.start()
        assert arrived.wait(10)
        transport.close()
        caller.join(5)
    assert [type(error) for error in caught] == [Closed]


def tls_failure(made: Made, pem: str | None) -> UemError:
    with serving(answering(http()), made) as (server, _):
        return failure(server.url, pem)


def test_a_self_signed_certificate_is_shown_and_not_trusted() -> None:
    made = a_certificate()
    error = tls_failure(made, None)
    assert type(error) is CertificateUntrusted
    assert "self-signed" in error.sentence
    assert "SHA-256" in error.sentence
    assert not error.retryable


def test_an_unknown_issuer_is_named() -> None:
    authority = a_certificate("Corp Root", authority=True, names=())
    error = tls_failure(a_certificate(issuer=authority), None)
    assert type(error) is CertificateUntrusted
    assert "Corp Root" in error.sentence


@pytest.mark.parametrize(
    ("days", "expected"), [((-30, -3), CertificateExpired), ((3, 30), CertificateNotYetValid)]
)
def test_a_certificate_out_of_its_time_shows_the_dates(
    days: tuple[int, int], expected: type[UemError]
) -> None:
    made = a_certificate(days=days)
    error = tls_failure(made, made.pem)
    assert type(error) is expected
    assert f"{made.certificate.not_valid_after_utc:%Y-%m-%d}" in error.sentence


@pytest.mark.parametrize("names", [("uem.example.com", "10.9.8.7"), ()])
def test_a_certificate_for_other_names_lists_them(names: tuple[str, ...]) -> None:
    made = a_certificate(names=names)
    error = tls_failure(made, made.pem)
    assert type(error) is CertificateNameMismatch
    assert all(name in error.sentence for name in names)


def test_a_pinned_server_that_changes_its_certificate_reports_both_fingerprints() -> None:
    old, new = a_certificate(), a_certificate()
    with serving(answering(http()), old) as (server, pem):
        transport = a_transport(server.url, pem)
        transport.fetch(GET, body)
        transport.close()
        server.swap(new)
        error = failure(server.url, pem)
    assert isinstance(error, CertificateChanged)
    assert error.old_fingerprint in error.sentence
    assert error.new_fingerprint in error.sentence
    assert error.old_fingerprint != error.new_fingerprint


def test_plain_http_on_the_port_is_told_apart() -> None:
    def refuse(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        answerer = threading.Thread(target=refuse, args=(listener,))
        answerer.start()
        assert type(failure(f"https://127.0.0.1:{listener.getsockname()[1]}", None)) is NotTls
        answerer.join()


def old_tls(context: ssl.SSLContext) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1


def test_a_server_with_only_old_tls_is_told_so() -> None:
    with serving(answering(http()), tune=old_tls) as (server, pem):
        assert isinstance(failure(server.url, pem), TlsTooOld)


def test_a_public_store_that_vanished_is_an_error_of_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(certifi, "where", lambda: str(tmp_path / "public.pem"))
    with serving(answering(http())) as (server, _pem):
        transport = a_transport(server.url, None)
        with pytest.raises(UemError, match="trusted certificates"):
            transport.fetch(GET, body)
        transport.close()


def test_a_credential_that_no_header_can_carry_is_an_error_without_it() -> None:
    with serving(answering(http())) as (server, pem):
        transport = a_transport(server.url, pem)
        for value in ("canary\r\nX: y", "canary-пароль"):
            with pytest.raises(UemError) as caught:
                transport.fetch(Request("GET", "", headers={"aw-tenant-code": value}), body)
            assert "canary" not in str(caught.value)
        transport.close()
        assert server.requests == []


def test_it_learns_quota_and_clock_from_the_headers() -> None:
    answer = http(
        b"{}",
        "200 OK",
        "x-ratelimit-limit: 250000",
        "x-ratelimit-remaining: 249999",
        "x-ratelimit-reset: 1893456000",
        "Date: Thu, 01 Jan 2026 00:00:00 GMT",
    )
    with serving(answering(answer)) as (server, pem):
        transport = a_transport(server.url, pem)
        transport.fetch(GET, body)
        transport.close()
    assert transport.quota is not None
    assert transport.quota.remaining == 249_999
    assert transport.clock_skew is not None
    assert transport.clock_skew < -86_400
