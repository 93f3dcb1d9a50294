"""What tests/uem leaves open of the outbound policy: a peer that is gone, a whole sync. Rung S: sockets."""

from __future__ import annotations

import gc
import socket

import pytest
from flask import Flask

from harmony.models import SyncRunState
from harmony.uem.errors import Unreachable
from harmony.uem.http.sockets import open_socket
from harmony.uem.trust.outbound import OutboundPolicy
from tests.faults.scene import Scene

HERE = OutboundPolicy(allow_loopback=True)


def test_a_connection_whose_peer_is_gone_before_it_is_checked_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(_: socket.socket) -> None:
        raise OSError(107, "Transport endpoint is not connected")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(socket.socket, "getpeername", gone)
        with pytest.raises(Unreachable):
            open_socket("127.0.0.1", listener.getsockname()[1], HERE, None)
    gc.collect()


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("http://127.0.0.1", "begins with http://, which is not encrypted"),
        ("https://127.0.0.1", "which may not be called: it is this machine itself (loopback)"),
        ("https://127.0.0.1:6379", "names port 6379, on which no web service may be called"),
        ("https://169.254.169.254", "which may not be called: it is a cloud metadata service"),
        ("https://good.test\\@127.0.0.1", "contains a backslash"),
    ],
)
def test_a_stored_address_is_judged_again_by_every_sync(
    house: Flask, scene: Scene, monkeypatch: pytest.MonkeyPatch, address: str, says: str
) -> None:
    scene.learn()
    asked = len(scene.server.requests)
    monkeypatch.setattr("harmony.jobs.uem_client.outbound_policy", OutboundPolicy)
    scene.point(server_address=address)
    scene.suffer(SyncRunState.FAILED, says)
    assert len(scene.server.requests) == asked
