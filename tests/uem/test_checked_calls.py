"""Single calls for libraries. Rung: real sockets."""

from __future__ import annotations

import gc
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from harmony.uem.errors import TooLarge
from harmony.uem.http.checked_calls import CallBounds, call_once
from harmony.uem.trust.outbound import OutboundPolicy

ON_THIS_MACHINE = OutboundPolicy(allow_http=True, allow_loopback=True)


def answer_and_await_the_end(listener: socket.socket, body: bytes) -> bytes:
    """Answer one request; return what comes after it until the connection is closed."""
    client, _ = listener.accept()
    with client:
        client.settimeout(20)
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        return client.recv(1)


def test_an_answer_that_is_refused_ends_its_connection_at_once() -> None:
    gc.disable()
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as threads:
            rest = threads.submit(answer_and_await_the_end, listener, b"x" * 2000)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            with pytest.raises(TooLarge) as refused:
                call_once(ON_THIS_MACHINE, "GET", url, CallBounds(largest=1000))
            assert rest.result() == b""
            assert refused.value
    finally:
        gc.enable()
