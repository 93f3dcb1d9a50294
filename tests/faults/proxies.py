"""An HTTP proxy on loopback that connects to one server, whatever name it is asked for, or answers badly."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

PATIENCE = 20.0
CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass
class RunningProxy:
    """`heads` are the requests it got; `answer` is what it says to each, and only a 2xx connects."""

    port: int
    target: tuple[str, int]
    answer: bytes = CONNECTED
    heads: list[str] = field(default_factory=list)


@contextmanager
def proxy(target: tuple[str, int]) -> Iterator[RunningProxy]:
    """A proxy that is there until the end of the block, with every connection it made."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        found = RunningProxy(listener.getsockname()[1], target)
        threads = [threading.Thread(target=_accept, args=(listener, found))]
        threads[0].start()
        try:
            yield found
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            threads[0].join(PATIENCE)


def _accept(listener: socket.socket, found: RunningProxy) -> None:
    served = []
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            served.append(threading.Thread(target=_serve, args=(client, found)))
            served[-1].start()
    for thread in served:
        thread.join(PATIENCE)


def _serve(client: socket.socket, found: RunningProxy) -> None:
    client.settimeout(PATIENCE)
    with client, contextlib.suppress(OSError):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        found.heads.append(head.decode())
        client.sendall(found.answer)
        if not found.answer.startswith(b"HTTP/1.1 2"):
            return
        with socket.create_connection(found.target, PATIENCE) as server:
            back = threading.Thread(target=_pump, args=(server, client))
            back.start()
            _pump(client, server)
            back.join(PATIENCE)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
