"""Faults before the first byte of an answer, each in the way of a whole sync. Rung S: sockets and TLS."""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest

from harmony.clock import now
from harmony.models import SyncRunState
from harmony.uem.http import sockets
from harmony.uem.http.client import CallLimits
from tests.faults.certs import Made
from tests.faults.faulty import serving
from tests.faults.fleet import Fleet
from tests.faults.scene import QUICK, Scene

FAILED = SyncRunState.FAILED
Resolver = Callable[..., list[Any]]


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return int(closed.getsockname()[1])


def naming(*ips: str) -> Resolver:
    """A resolver by which every name has these addresses."""

    def resolve(host: str, *_: object, **__: object) -> list[Any]:
        families = [socket.AF_INET6 if ":" in ip else socket.AF_INET for ip in ips]
        return [(family, 1, 6, "", (ip, 0)) for family, ip in zip(families, ips, strict=True)]

    return resolve


def test_row_1_nothing_listens_any_more(scene: Scene) -> None:
    scene.fetchers = 1
    scene.learn()
    scene.point(server_address=f"https://127.0.0.1:{(port := closed_port())}")
    scene.suffer(FAILED, f"Nothing listens at 127.0.0.1:{port}.")
    assert scene.slept == [1.0, 2.0, 4.0]
    scene.point(server_address=scene.server.url)
    scene.recover()


def test_row_2_the_name_is_not_found(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(-2, "Name or service not known")

    scene.learn()
    scene.point(server_address="https://uem.invalid")
    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", nowhere)
        scene.suffer(FAILED, "The name uem.invalid was not found.")


def test_row_2_one_of_two_addresses_is_dead(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.learn()
    scene.point(server_address=f"https://uem.test:{scene.server.port}")
    # Nothing listens at this port of ::1; the faulty server is on 127.0.0.1 only.
    monkeypatch.setattr(socket, "getaddrinfo", naming("::1", "127.0.0.1"))
    scene.recover()


def test_row_3_the_connection_hangs(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "CONNECT_SECONDS", 0.25)
    scene.learn()
    scene.limits = CallLimits(request_seconds=5.0, total_seconds=20.0, attempts=2)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        scene.point(server_address=f"https://127.0.0.1:{port}")
        scene.suffer(FAILED, f"127.0.0.1:{port} did not answer to a connection in time.")
        for one in waiting:
            one.close()


def old_tls(context: ssl.SSLContext) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1


def test_row_9_only_old_tls_is_spoken(scene: Scene, made: Made) -> None:
    scene.learn()
    with serving(Fleet(), made, tune=old_tls) as (server, _):
        scene.point(server_address=server.url)
        scene.suffer(FAILED, "127.0.0.1 offers only TLS versions older than 1.2.")


def test_row_9_plain_http_on_the_port(scene: Scene) -> None:
    def complain(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    speaking(scene, complain, "does not speak TLS.")


def test_row_9_something_else_listens(scene: Scene) -> None:
    speaking(scene, lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"), "does not speak TLS.")


def speaking(scene: Scene, act: Callable[[socket.socket], object], says: str) -> None:
    """A port where a plain-text service answers whoever connects."""

    def serve() -> None:
        for _ in range(2):
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                act(connection)

    scene.learn()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Thread(target=serve, daemon=True)
        server.start()
        port = listener.getsockname()[1]
        scene.point(server_address=f"https://127.0.0.1:{port}")
        scene.suffer(FAILED, f"Port {port} of 127.0.0.1 {says}")
        listener.shutdown(socket.SHUT_RDWR)
        server.join(10)


def test_row_9_what_answers_within_tls_is_not_http(scene: Scene) -> None:
    scene.learn()
    scene.fleet.break_with({"any": [b"SSH-2.0-OpenSSH_9.2\r\n\r\n"]})
    scene.suffer(FAILED, f"127.0.0.1:{scene.server.port} does not speak HTTP as it should.")


def test_row_68_a_proxy_in_the_environment_is_not_used(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    scene.learn()
    scene.recover()


def test_row_68_an_answer_of_a_proxy_is_not_the_api(scene: Scene) -> None:
    scene.learn()
    page = b"<html>remote words</html>"
    head = f"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: {len(page)}\r\n\r\n"
    scene.fleet.break_with({"any": [head.encode() + page]})
    scene.suffer(FAILED, "A web page came instead of data (status 407,")
    assert "proxy" in scene.last_run().advice


def test_row_69_only_ipv6_answers(scene: Scene, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.create_server
    monkeypatch.setattr(socket, "create_server", lambda _: real(("::1", 0), family=socket.AF_INET6))
    with serving(Fleet(), made) as (server, _):
        scene.point(server_address=f"https://[::1]:{server.port}")
        scene.learn()
        scene.point(server_address=f"https://uem.test:{server.port}")
        monkeypatch.setattr(socket, "getaddrinfo", naming("127.0.0.1", "::1"))
        scene.recover()


def test_row_69_no_address_answers(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.learn()
    port = closed_port()
    scene.point(server_address=f"https://uem.test:{port}")
    monkeypatch.setattr(socket, "getaddrinfo", naming("::1", "127.0.0.1"))
    scene.suffer(FAILED, f"Nothing listens at uem.test:{port}.")


def test_the_next_sync_after_a_failed_one_comes_within_the_interval_but_not_at_once(scene: Scene) -> None:
    scene.learn()
    scene.point(server_address=f"https://127.0.0.1:{closed_port()}")
    scene.limits = QUICK
    scene.suffer(FAILED, "Nothing listens")
    due = scene.integration().sync_job.next_at
    assert due is not None
    assert timedelta(minutes=19) < due - now() <= timedelta(minutes=60)
