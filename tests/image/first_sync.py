"""Sets up a dashboard that has just been started, over HTTP, and has it sync a simulated UEM beside it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from werkzeug.datastructures import Headers, MultiDict
from werkzeug.wrappers import Response

from tests.image.build import ROOT
from tests.waiting import wait_for
from tests.web.walking import Walk

DEVICES = 1200
KEPT = ("Content-Type", "Location")
NAME, PASSWORD = "ada", "nine slow ferries to Bergen"
GROUP = re.compile(r'<input(?=[^>]* name="groups")[^>]* value="(organization:[^"]+)"')
ENDED = re.compile(r'class="badge[^"]*" data-state="(ok|warning|failed|interrupted|cancelled)"')


class Browser:
    """A browser without JavaScript that keeps cookies and follows no redirection by itself."""

    def __init__(self, url: str) -> None:
        self.url, self._session = url, requests.Session()

    def get(self, path: str) -> Response:
        return self._ask("GET", path)

    def post(self, path: str, *, data: Any) -> Response:
        return self._ask("POST", path, list(MultiDict(data).items(multi=True)))

    def read(self, path: str) -> str:
        """Return the page of an address."""
        return self.get(path).get_data(as_text=True)

    def _ask(self, method: str, path: str, data: Any = None) -> Response:
        options = {"data": data, "timeout": 60, "allow_redirects": False}
        with self._session.request(method, f"{self.url}{path}", **options) as answer:
            headers = Headers((name, answer.headers[name]) for name in KEPT if name in answer.headers)
            return Response(answer.content, answer.status_code, headers)


def devices_synced(url: str, setup_code: str) -> tuple[str, str]:
    """Create the administrator, connect the UEM and wait for its first sync.

    Return how that ended, and how many devices the list then has.
    """
    browser = Browser(url)
    typed = {"code": setup_code, "name": NAME, "password": PASSWORD}
    assert browser.post("/setup", data=typed).location == "/"
    with simulated_uem() as uem:
        walk = Walk.begin(browser, "workspace_one")
        walk.verify(
            "server",
            display_name="Head office", server_address=uem["url"],
            token_region="other", token_other=uem["token_url"],
            client_id=uem["client_id"], client_secret=uem["client_secret"],
            self_signed="y", certificate=uem["ca_pem"],
        )  # fmt: skip
        assert walk.send("server").location == walk.href("synchronization")
        walk.verify("synchronization", groups=GROUP.findall(walk.look("synchronization")))
        assert walk.send("synchronization").location == walk.href("tagging")
        assert walk.next("tagging").location == walk.href("deployment")
        walk.finish()
        runs = f"/integrations/{walk.id}/runs"
        ended = wait_for(lambda: ENDED.search(browser.read(runs)), "the end of a sync", 180)
    found = re.search(r"([\d,]+) devices", browser.read("/devices"))
    return ended[1] if ended else "", found[1] if found else ""


@contextmanager
def simulated_uem() -> Iterator[dict[str, str]]:
    """Run a simulated UEM on loopback; what it says of itself."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "simulator.json"
        command = [sys.executable, "-m", "harmony.simulator", "--lifeline", "--no-quirks"]
        command += ["--devices", str(DEVICES), "--announce", str(file)]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        try:
            wait_for(file.exists, "the simulated UEM", 120)
            found: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
            yield found
        finally:
            process.terminate()
            process.communicate()
