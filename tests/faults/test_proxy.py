"""Calls that leave through a proxy, and a proxy that does not connect. Rung S: sockets and TLS."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from sqlalchemy import delete

from harmony.db import write
from harmony.models import OutboundProxy, SyncRunState
from harmony.models.configuration import IN_FORCE
from harmony.security import outbound_proxy
from harmony.security.outbound_proxy import ProxyValues
from harmony.setup.verify import verify
from tests.canaries import watch
from tests.faults.proxies import RunningProxy, proxy
from tests.faults.scene import Scene

USER, PASSWORD = "kim", "canary+proxy/4"
PAIR = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
watch(PASSWORD)


@pytest.fixture
def way(scene: Scene) -> Iterator[RunningProxy]:
    """The scene's server has a name that only the proxy knows, and is called through it, with credentials."""
    where = urlsplit(scene.server.url)
    assert where.port
    with proxy(("127.0.0.1", where.port)) as found:
        scene.point(server_address=f"https://uem.test:{where.port}")
        with write() as session:
            outbound_proxy.put(session, ProxyValues("127.0.0.1", found.port, USER, PASSWORD), 0)
        yield found
        with write() as session:
            session.execute(delete(OutboundProxy))


def test_every_call_leaves_through_the_proxy_encrypted_end_to_end(scene: Scene, way: RunningProxy) -> None:
    scene.learn()
    port = urlsplit(scene.server.url).port
    assert way.heads
    for head in way.heads:
        first, *lines = head.splitlines()
        assert first == f"CONNECT uem.test:{port} HTTP/1.1"
        assert lines[:2] == [f"Host: uem.test:{port}", f"Proxy-Authorization: Basic {PAIR}"]


@pytest.mark.parametrize(
    ("answer", "says", "advice"),
    [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "refused the credentials",
            "Correct user name",
        ),
        (b"HTTP/1.1 503 remote words\r\n\r\n", "(status 503)", "ask whoever runs the proxy"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "is no HTTP proxy", "ask whoever runs the proxy"),
        (b"", "closed the connection", "ask whoever runs the proxy"),
    ],
)
def test_a_proxy_that_does_not_connect_is_told_as_such(
    scene: Scene, way: RunningProxy, answer: bytes, says: str, advice: str
) -> None:
    scene.learn()
    way.answer = answer
    done = scene.suffer(SyncRunState.FAILED, says)
    assert f"The proxy 127.0.0.1:{way.port}" in done.reason or "What listens at 127.0.0.1" in done.reason
    assert advice in done.advice
    way.answer = b"HTTP/1.1 200 OK\r\n\r\n"
    scene.recover()


def test_verify_has_a_check_of_the_proxy(scene: Scene, way: RunningProxy) -> None:
    verify(scene.integration_id, IN_FORCE)
    said = scene.integration().verification(IN_FORCE)
    assert said is not None
    results = {result["name"]: (result["state"], result["sentence"]) for result in said.results}
    assert list(results)[:3] == ["Address", "Proxy", "Name"]
    assert results["Proxy"] == ("ok", f"127.0.0.1:{way.port} connects to uem.test.")
    assert results["Name"] == ("not_tried", "The proxy looks the name up.")
    assert results["TLS"][0] == "ok"


def test_an_address_that_may_not_be_called_is_not_asked_of_the_proxy_either(
    scene: Scene, way: RunningProxy
) -> None:
    scene.point(server_address="https://169.254.169.254")
    done = scene.sync()
    assert done.state == SyncRunState.FAILED
    assert "may not be called" in done.reason
    assert way.heads == []
