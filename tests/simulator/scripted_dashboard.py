"""A dashboard that answers simulated Protect apps by a script, over real sockets; it keeps what it hears."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WELCOME = {"device_key": "hmkey_test", "device_id": 1, "status": "active", "risk": "none"}
STANDING = {"status": "active", "risk": "none", "check_in_seconds": 900}
Reply = tuple[int, Any]


@dataclass
class Heard:
    """One call: the last part of its path, its body, the key it came with, and its whole path."""

    what: str
    body: dict[str, Any]
    key: str
    path: str = ""


@dataclass
class Desk:
    """`replies` are used up one by one; then every call is welcome. "cut" hangs up instead of answering."""

    url: str = ""
    replies: list[Reply] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reply(self, heard: Heard) -> Reply:
        with self.lock:
            self.heard.append(heard)
            if self.replies:
                return self.replies.pop(0)
        usual = {"register": (201, WELCOME | STANDING), "check-in": (200, STANDING)}
        return usual.get(heard.what, (204, None))

    def asked(self, what: str) -> list[Heard]:
        return [one for one in self.heard if one.what == what]


def handler(desk: Desk) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            with desk.lock:
                desk.connections += 1

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            key = self.headers.get("authorization", "").removeprefix("Bearer ")
            status, told = desk.reply(Heard(self.path.rpartition("/")[2], body, key, self.path))
            if told == "cut":
                self.close_connection = True
                return
            self.send_response(status)
            if isinstance(told, dict) and (wait := told.get("wait")):
                self.send_header("Retry-After", str(wait))
            raw = b"" if told is None else told if isinstance(told, bytes) else json.dumps(told).encode()
            if status != 204:
                self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: Any) -> None:
            """Silence."""

    return Handler


@contextmanager
def serving(*replies: Reply) -> Iterator[Desk]:
    """A desk that listens until the block ends."""
    desk = Desk(replies=list(replies))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(desk))
    desk.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield desk
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
