"""The running product for tests: real processes, found by what their environment says, never by name."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import requests

from tests import preloaded
from tests.canaries import found_in
from tests.sampling import soaking
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
LISTENING = re.compile(r"Listening at: http://127\.0\.0\.1:(\d+) ")

# A page after the other, so that the first ones fill a write and show, whatever becomes of the next.
ONE_BY_ONE = {"HARMONY_FETCHERS": "1"}

APP = ("app.py",)
WORKER = ("-m", "harmony.worker.process")
DEMO = ("-m", "harmony.ops.demo")

# Of dashboard and worker, as `ps` and `top` show them.
WEB_NAME, WORKER_NAME = "harmony-web", "harmony-worker"


class Product:
    """One process we started, with all that descends from it; what they write is in `output`."""

    def __init__(
        self, folder: Path, command: tuple[str, ...] = APP, *, anew: bool = False, **environment: str
    ) -> None:
        """Start it: by a new Python if the start matters (`anew`), else forked from one that is loaded."""
        self.mark = f"MARK_OF_THE_TEST={folder}"
        self.output = folder.parent / f"{folder.name}.{len(list(folder.parent.glob('*.output')))}.output"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HARMONY_")}
        ours = {"HARMONY_DATA_DIR": str(folder), "HARMONY_BIND": "127.0.0.1:0", "HARMONY_DEMO": "1"}
        ours |= {"MARK_OF_THE_TEST": str(folder), "TMPDIR": str(folder.parent)}
        ours |= {"HARMONY_BACKUP_HOURS": "0"}  # it would come at any moment of the first minute
        self.environment = clean | ours | environment
        start = _start_anew if anew or soaking() else _start_preloaded
        with self.output.open("wb") as output:
            self.process = start(command, self.environment, output)

    def text(self) -> str:
        """Everything written so far."""
        return self.output.read_text(encoding="utf-8", errors="replace")

    def lines(self) -> list[str]:
        """The same by lines."""
        return self.text().splitlines()

    def url(self) -> str:
        """Where the dashboard listens, as its newest process said."""
        found = wait_for(lambda: LISTENING.findall(self.text()), f"a port in {self.text()[-2000:]!r}")
        return f"http://127.0.0.1:{found[-1]}"

    def pids(self, name: str = "") -> list[int]:
        """Our living processes, oldest first; only those of that name, if one is given."""
        return [pid for pid in marked(self.mark) if name in {"", name_of(pid)}]

    def worker(self) -> int:
        """The pid of the one living worker."""
        (pid,) = wait_for(lambda: self.pids(WORKER_NAME), "a worker process")
        return pid

    def web(self) -> int:
        """The pid of the one living web process."""
        (pid,) = wait_for(lambda: self.pids(WEB_NAME), "a web process")
        return pid

    def readiness(self) -> requests.Response | None:
        """The answer of /readyz; None while nobody answers."""
        try:
            return requests.get(f"{self.url()}/readyz", timeout=5)
        except requests.ConnectionError:
            return None

    def is_ready(self) -> bool:
        """Whether it says so itself."""
        answer = self.readiness()
        return answer is not None and answer.status_code == 200

    def until_ready(self) -> Product:
        """Wait for /readyz to say 200."""
        wait_for(self.is_ready, "/readyz to say 200")
        return self

    def ended(self, seconds: float = 120) -> int:
        """Wait for our process, then for all its descendants; the exit code."""
        code = self.process.wait(seconds)
        wait_for(lambda: not self.pids(), f"the end of {[command_line(pid) for pid in self.pids()]}")
        return code

    def stop(self) -> int:
        """Ask it to stop, as a service manager does; the exit code."""
        self.process.terminate()
        return self.ended()

    def clean_up(self) -> None:
        """Leave nothing behind, whatever the test did; on a stopped process only SIGKILL works."""
        for pid in {self.process.pid, *self.pids()} if self.process.poll() is None else self.pids():
            kill(pid)
        self.process.wait()
        wait_for(lambda: not self.pids(), "the end of what was killed")


def _start_anew(
    command: tuple[str, ...], environment: dict[str, str], output: BinaryIO
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-u", *command],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _start_preloaded(
    command: tuple[str, ...], environment: dict[str, str], output: BinaryIO
) -> preloaded.Process:
    with open(os.devnull, "rb") as nothing:
        streams = nothing.fileno(), output.fileno(), output.fileno()
        return preloaded.Process(command, environment, streams)


@contextmanager
def running(
    folder: Path, command: tuple[str, ...] = APP, *, anew: bool = False, **environment: str
) -> Iterator[Product]:
    """The product on the data of `folder`; gone afterwards."""
    product = Product(folder, command, anew=anew, **environment)
    try:
        yield product
    finally:
        product.clean_up()
    assert not found_in(product.text()), "a secret stands in the output"


@contextmanager
def signed_in(url: str, name: str, password: str) -> Iterator[requests.Session]:
    """A browser that is signed in."""
    with requests.Session() as browser:
        form = {"name": name, "password": password}
        answer = browser.post(f"{url}/sign-in", data=form, allow_redirects=False, timeout=60)
        assert answer.status_code == 303, answer.text
        yield browser


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal; a process that is gone already is fine."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def is_fit_to_be_forked(product: Product) -> bool:
    """Tell if the supervisor has a single thread, and only pipes, its output and its folder open."""
    process = Path(f"/proc/{product.process.pid}")
    open_files = {str(entry.readlink()) for entry in (process / "fd").iterdir()}
    others = {name for name in open_files if not name.startswith("pipe:")}
    allowed = {os.devnull, str(product.output), product.environment["HARMONY_DATA_DIR"]}
    return len(list((process / "task").iterdir())) == 1 and others <= allowed


def marked(mark: str) -> list[int]:
    """Living processes that were started with `mark` in their environment, oldest first."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and mark in _read(entry / "environ").split("\0"):
            found.append((_start(entry), int(entry.name)))
    return [pid for start, pid in sorted(found) if start]


def name_of(pid: int) -> str:
    """Return the name that a process has given itself; empty when it is gone."""
    return _read(Path(f"/proc/{pid}/comm")).strip()


def command_line(pid: int) -> str:
    """How it was started; empty when it is gone."""
    return _read(Path(f"/proc/{pid}/cmdline")).replace("\0", " ").strip()


def _start(entry: Path) -> int:
    """Clock ticks from boot to its start; 0 when it is dead and only waits to be buried."""
    fields = _read(entry / "stat").rpartition(")")[2].split()
    return int(fields[19]) if fields and fields[0] not in {"Z", "X"} else 0


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
