"""The simulated UEM as a process of its own, steered through its control port."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from harmony.simulator.generate import FIRST_DEVICE_ID, TOP_ID
from harmony.uem.connection import Connection, OAuth2
from harmony.uem.trust.outbound import OutboundPolicy
from tests.bench.process import ROOT, peak_rss_mib

__all__ = ["FIRST_DEVICE_ID", "PAGE_SIZE", "TOP_ID", "Line", "Simulated", "simulated"]

PAGE_SIZE = 500
# A million devices take about forty to make.
SECONDS_TO_START = 900.0


class Line:
    """One kept-alive TLS connection to the simulator that does nothing but send and read."""

    def __init__(self, said: dict[str, str]) -> None:
        trust = ssl.create_default_context(cadata=said["ca_pem"])
        host = urlsplit(said["url"])
        self._line = http.client.HTTPSConnection(
            host.hostname or "", host.port, context=trust, timeout=SECONDS_TO_START
        )
        self._said = said

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> tuple[int, bytes]:
        """Status and body."""
        self._line.request(method, path, body.encode(), headers)
        answer = self._line.getresponse()
        return answer.status, answer.read()

    def token(self) -> str:
        """An access token of the simulated account."""
        form = {key: self._said[key] for key in ("client_id", "client_secret")}
        _, body = self.ask("POST", "/connect/token", urlencode(form | {"grant_type": "client_credentials"}))
        return str(json.loads(body)["access_token"])

    def close(self) -> None:
        """Hang up."""
        self._line.close()


@dataclass(frozen=True, slots=True)
class Simulated:
    """A running simulator: what it announced, and the buttons of its control port."""

    said: dict[str, str]
    devices: int
    pid: int

    @property
    def pages(self) -> int:
        """How many pages hold all its devices."""
        return -(-self.devices // PAGE_SIZE)

    def do(self, action: str, **arguments: Any) -> dict[str, Any]:
        """Press one button."""
        return self._control("POST", f"/control/{action}", json.dumps(arguments))

    def gather(self) -> None:
        """Move every device into the top group, so that it alone lists all, in the fewest pages."""
        self.do("devices/move", count=self.devices, to=TOP_ID)

    def rss_mib(self) -> float:
        """The most memory its process has held so far."""
        return peak_rss_mib(self.pid)

    def calls(self) -> int:
        """How many API calls it has answered since its counters were reset."""
        return sum(self._control("GET", "/control/state", "")["calls"].values())

    def connection(self) -> Connection:
        """How our client reaches it."""
        sign_in = OAuth2(self.said["token_url"], self.said["client_id"], self.said["client_secret"])
        return Connection(self.said["url"], sign_in, self.said["ca_pem"], OutboundPolicy(allow_loopback=True))

    def _control(self, method: str, path: str, body: str) -> dict[str, Any]:
        line = Line(self.said)
        try:
            status, answer = line.ask(method, path, body)
        finally:
            line.close()
        if status != 200:
            raise RuntimeError(f"the control port answered {status} to {path}: {answer[:200]!r}")
        found: dict[str, Any] = json.loads(answer)
        return found


@contextmanager
def simulated(devices: int) -> Iterator[Simulated]:
    """A simulator with so many readable devices, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="harmony-bench-") as folder:
        file = Path(folder) / "simulator.json"
        command = [sys.executable, "-m", "harmony.simulator", "--lifeline", "--no-quirks"]
        command += ["--devices", str(devices), "--announce", str(file)]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        try:
            yield Simulated(_announced(process, file), devices, process.pid)
        finally:
            process.terminate()
            process.communicate()


def _announced(process: subprocess.Popen[bytes], file: Path) -> dict[str, str]:
    give_up = time.monotonic() + SECONDS_TO_START
    while not file.exists():
        if process.poll() is not None or time.monotonic() > give_up:
            raise RuntimeError("the simulator did not start")
        time.sleep(0.05)
    said: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return said
