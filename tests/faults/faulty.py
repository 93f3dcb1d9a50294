"""A server of sockets and TLS whose every byte the test decides; loopback, port 0, stopped by the test."""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults.certs import Made, a_certificate

Handler = Callable[[socket.socket, bytes, int], None]


class FaultyServer:
    """Accepts connections and gives each request to the handler: (socket, request head, its number)."""

    def __init__(self, handler: Handler, made: Made | None, tune: Callable[[ssl.SSLContext], None]) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._handler = handler
        self._tune = tune
        self.context = make_context(made, tune) if made else None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self.port}"

    def swap(self, made: Made) -> None:
        """Present another certificate from now on, as after a renewal."""
        self.context = make_context(made, self._tune)

    def stop(self) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(one, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(plain,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket) -> None:
        connection = plain
        with self._lock:
            self._open.add(connection)
        try:
            if self.context is not None:
                with self._lock:
                    self._open.discard(plain)
                    connection = self.context.wrap_socket(
                        plain, server_side=True, do_handshake_on_connect=False
                    )
                    self._open.add(connection)
                connection.do_handshake()  # type: ignore[attr-defined]
            while head := read_head(connection):
                self.requests.append(head)
                self._handler(connection, head, len(self.requests))
        except OSError:
            return
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()


def make_context(made: Made, tune: Callable[[ssl.SSLContext], None]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tune(context)
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder, "c.pem"), Path(folder, "k.pem")
        certificate.write_text(made.pem)
        key.write_text(made.key_pem)
        context.load_cert_chain(certificate, key)
    return context


def read_head(connection: socket.socket) -> bytes:
    """The request up to its blank line, and its body when it has a length."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(4096)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    wanted = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            wanted = int(line.split(b":")[1])
    while len(body) < wanted:
        body += connection.recv(4096)
    return head + b"\r\n\r\n" + body


def http(body: bytes = b"{}", status: str = "200 OK", *headers: str, length: bool = True) -> bytes:
    """A whole answer as bytes."""
    lines = [f"HTTP/1.1 {status}", *(headers or ("Content-Type: application/json",))]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answering(*answers: bytes) -> Handler:
    """Gives these answers in turn, and the last one for ever."""

    def handle(connection: socket.socket, head: bytes, number: int) -> None:
        connection.sendall(answers[min(number, len(answers)) - 1])

    return handle


@contextlib.contextmanager
def serving(
    handler: Handler,
    made: Made | None = None,
    *,
    tls: bool = True,
    tune: Callable[[ssl.SSLContext], None] = lambda context: None,
) -> Iterator[tuple[FaultyServer, str]]:
    """The server and the PEM to trust, for the length of a block."""
    made = (made or a_certificate()) if tls else None
    server = FaultyServer(handler, made, tune)
    try:
        yield server, made.pem if made else ""
    finally:
        server.stop()
