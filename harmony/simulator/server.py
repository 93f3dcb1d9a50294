"""Serves the simulator over HTTPS on loopback, one thread per kept-alive connection."""

from __future__ import annotations

import socket
import socketserver
import ssl
import sys
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl, urlsplit

from harmony.simulator import application, certificate
from harmony.simulator.answers import Answer, Call, error
from harmony.simulator.auth import Credentials
from harmony.simulator.context import Tenant
from harmony.simulator.world import World

_IDLE_SECONDS = 60
_LARGEST_BODY = 4 << 20


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """The listener. TLS starts in the connection's own thread, so that a stalled client holds up nobody."""

    allow_reuse_address = True
    request_queue_size = 128
    # Each of them is woken by `hang_up` and then joined: no thread outlives the server.
    daemon_threads = False

    def __init__(self, tenant: Tenant, context: ssl.SSLContext, port: int) -> None:
        self.tenant = tenant
        self._context = context
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), Handler)

    def finish_request(self, request: object, client_address: object) -> None:
        """Shake hands, then serve the connection until one side has enough."""
        if not isinstance(request, socket.socket):
            return
        request.settimeout(_IDLE_SECONDS)
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._context.wrap_socket(request, server_side=True, do_handshake_on_connect=False) as secure:
            with self._lock:
                self._open.add(secure)
            try:
                if not self.tenant.stopping.is_set():
                    secure.do_handshake()
                    Handler(secure, client_address, self)
            finally:
                with self._lock:
                    self._open.discard(secure)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away, at whatever moment, is no error."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def hang_up(self) -> None:
        """Wake every thread that waits for a client."""
        with self._lock:
            for connection in self._open:
                # The plain shutdown: SSLSocket's own would take the TLS state from under the reading thread.
                try:
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
                except OSError:
                    continue


class Handler(BaseHTTPRequestHandler):
    """Reads calls and writes answers on one connection."""

    protocol_version = "HTTP/1.1"
    server: Server

    def _serve(self) -> None:
        self._send(self._answer())

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _serve

    def _answer(self) -> Answer:
        length = self.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > _LARGEST_BODY or "transfer-encoding" in self.headers:
            self.close_connection = True
            answer = error(413, 413, "The body must have a length, and a small one.")
            answer.headers["strict-transport-security"] = application.STRICT
            return answer
        url = urlsplit(self.path)
        call = Call(
            method=self.command,
            path=url.path,
            query={key.lower(): value for key, value in parse_qsl(url.query)},
            headers={key.lower(): value for key, value in self.headers.items()},
            body=self.rfile.read(int(length)),
        )
        return application.answer(self.server.tenant, call)

    def _send(self, answer: Answer) -> None:
        if answer.drop or answer.cut is not None:
            self.close_connection = True
        if not answer.drop:
            self.connection.sendall(self._head(answer))
            if self.command != "HEAD":
                self.connection.sendall(answer.body if answer.cut is None else answer.body[: answer.cut])

    def _head(self, answer: Answer) -> bytes:
        """Status and headers; a 204 has neither type nor length (facts 1.3)."""
        phrase = self.responses.get(answer.status, ("",))[0]
        headers = {"date": self.date_time_string(), **answer.headers}
        if answer.status != 204:
            headers |= {"content-type": answer.content_type, "content-length": str(len(answer.body))}
            headers["x-content-type-options"] = "nosniff"
        headers["connection"] = "close" if self.close_connection else "keep-alive"
        lines = [
            f"HTTP/1.1 {answer.status} {phrase}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def log_message(self, format: str, *args: object) -> None:
        """Silence: the meter remembers the calls."""


@dataclass(slots=True)
class RunningSimulator:
    """A simulator that serves, until `stop`."""

    tenant: Tenant
    ca_pem: str
    _server: Server
    _thread: threading.Thread

    @property
    def world(self) -> World:
        """The world it serves."""
        return self.tenant.world

    @property
    def credentials(self) -> Credentials:
        """How to get in."""
        return self.tenant.credentials

    @property
    def url(self) -> str:
        """The address of the API, without /API."""
        return f"https://127.0.0.1:{self._server.server_address[1]}"

    @property
    def token_url(self) -> str:
        """Where tokens are given."""
        return f"{self.url}/connect/token"

    def stop(self) -> None:
        """Stop listening, end every connection and wait for the threads."""
        self.tenant.stopping.set()
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()


def start(
    world: World,
    port: int = 0,
    *,
    tenant: Tenant | None = None,
    key: str = certificate.EC,
    older_tls: bool = False,
) -> RunningSimulator:
    """Serve a world from a background thread; it accepts connections when this returns."""
    signed = certificate.make(key)
    served = tenant or Tenant(world)
    server = Server(served, certificate.server_context(signed, older=older_tls), port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="simulator", daemon=True)
    thread.start()
    return RunningSimulator(served, signed.pem, server, thread)
