"""`python -m tests.bench.checkins URL KEYS RATE SECONDS`: check-ins of registered devices over plain sockets.

Open loop: when each check-in is due was fixed before the first one, so a stall counts for every check-in that
it delays. RATE 0 is a closed loop instead: a few devices that wait for nothing but their answers. SECONDS 0
goes on until standard input ends. It is a process of its own, and does as little as it can: what it takes of
the processor is taken from what it measures.
"""

from __future__ import annotations

import gc
import json
import socket
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from harmony.clock import monotonic
from tests.bench.process import cpu_seconds

# So many connections that one slow answer does not hold up the next check-in that is due.
LANES, CLOSED_LANES = 64, 8
WAIT_SECONDS = 30.0
# One device of ten says something new at every check-in, one of twenty lists its apps.
CHANGING, LISTING = 10, 20
APPS = [{"identifier": f"com.example.app{n}", "version": "1.0", "name": f"App {n}"} for n in range(40)]

# When it was due, milliseconds from then to the end of its answer, "" or what went wrong.
CheckIn = tuple[float, float, str]


class Lane:
    """One kept-alive connection and the check-ins that go through it."""

    def __init__(self, url: str, keys: list[str]) -> None:
        parts = urlsplit(url)
        self._to = (parts.hostname or "", parts.port or 80)
        self._keys = keys
        self._socket: socket.socket | None = None
        self.found: list[CheckIn] = []

    def check_in(self, number: int, due: float) -> None:
        """The check-in of that number; its time counts from `due`."""
        try:
            status = self._answer(request(self._keys[number % len(self._keys)], number, len(self._keys)))
            error = "" if status == "200" else status
        except OSError as broken:
            self._socket, error = None, type(broken).__name__
        self.found.append((due, (monotonic() - due) * 1000, error))

    def _answer(self, asked: bytes) -> str:
        for _ in range(2):
            if self._socket is None:
                self._socket = socket.create_connection(self._to, WAIT_SECONDS)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(asked)
            if told := self._read(self._socket):
                return told
            self._socket = None  # the server closed it while it was idle
        return "closed"

    @staticmethod
    def _read(line: socket.socket) -> str:
        """The status, once the whole body is there; "" when the line was closed before a byte came."""
        got = b""
        while b"\r\n\r\n" not in got:
            if not (more := line.recv(65536)):
                return ""
            got += more
        head, _, body = got.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        while len(body) < length:
            body += line.recv(65536)
        return head[9:12].decode()


def request(key: str, number: int, devices: int) -> bytes:
    """The check-in of that number: device `number % devices`, its `number // devices`th."""
    device, turn = number % devices, number // devices
    troubled = device % CHANGING == 0 and turn % 2 == 0
    told: dict[str, object] = {
        "findings": [{"code": "PHISHING", "subject": "login.example.test"}] if troubled else [],
        "os_version": "14",
        "client_version": "4.2.1",
    }
    if device % LISTING == 1:
        told["apps"] = APPS
    body = json.dumps(told).encode()
    head = (
        f"POST /protect/v1/check-in HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def main(arguments: list[str]) -> int:
    """Say "ready", check in, and end with {"check_ins": [[due, ms, error], …], "cpu_seconds": …}."""
    url, keys, rate, seconds = arguments[0], Path(arguments[1]), float(arguments[2]), float(arguments[3])
    stop = threading.Event()
    if not seconds:
        threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    known = keys.read_text(encoding="ascii").split()
    lanes = [Lane(url, known) for _ in range(LANES if rate else CLOSED_LANES)]
    gc.collect()
    gc.disable()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    _run(lanes, rate, monotonic(), seconds or float("inf"), stop)
    found = sorted(one for lane in lanes for one in lane.found)
    used = cpu_seconds("self")
    sys.stdout.write(json.dumps({"check_ins": found, "cpu_seconds": used}) + "\n")
    return 0


def _run(lanes: list[Lane], rate: float, began: float, seconds: float, stop: threading.Event) -> None:
    def work(place: int) -> None:
        number = place
        while not stop.is_set():
            due = began + number / rate if rate else monotonic()
            if due - began >= seconds:
                return
            time.sleep(max(0.0, due - monotonic()))
            lanes[place].check_in(number, due)
            number += len(lanes)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(lanes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
