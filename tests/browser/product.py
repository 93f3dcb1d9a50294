"""The real product as processes on throw-away data, beside a simulated UEM whose faults a test may set."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harmony import create_app
from harmony.clock import now
from harmony.config import Settings
from harmony.db import db
from harmony.jobs.queue import queue_of
from harmony.models.access import Role
from harmony.security.users import create_user
from harmony.simulator.__main__ import announce
from harmony.simulator.actions import ACTIONS
from harmony.simulator.arguments import Arguments
from harmony.simulator.server import RunningSimulator, start
from harmony.simulator.world import World
from tests import preloaded
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
STOP_WITHIN = 45


@dataclass(frozen=True, slots=True)
class Product:
    """A dashboard with its worker, from outside: an address, what it printed, and the UEM it talks to."""

    url: str
    output: Path
    uem: RunningSimulator

    @property
    def setup_code(self) -> str:
        """The code that was printed at the first start."""
        return _found(self.output, r"set-up code: (HRMN-\S+)")

    def add_user(self, name: str, password: str) -> None:
        """Create another administrator."""
        app = create_app(Settings(data_dir=self.output.parent / "data"))
        with app.app_context():
            create_user(name, password, Role.ADMINISTRATOR, now())
            db.session.remove()
            db.engine.dispose()
        queue_of(app).storage.close()

    def control(self, action: str, **values: Any) -> None:
        """Press one button of the simulated UEM's control page."""
        ACTIONS[action](self.uem.tenant, Arguments(values))

    def calm(self) -> None:
        """Take back every fault and delay."""
        self.control("faults/clear")
        self.control("latency", ms=0)


@contextmanager
def running_product(
    folder: Path,
    devices: int,
    seed: int = 5,
    settings: Mapping[str, str] | None = None,
    migrated_file: Path | None = None,
) -> Iterator[Product]:
    """`python app.py` and a simulated UEM in `folder`; both are gone afterwards.

    A copy of an empty `migrated_file` halves what the start costs.
    """
    data = folder / "data"
    with simulated_uem(data, devices, seed) as uem:
        if migrated_file:
            (data / "harmony.db").write_bytes(migrated_file.read_bytes())
        with dashboard(data, uem, settings) as product:
            yield product
            product.calm()


@contextmanager
def simulated_uem(data: Path, devices: int, seed: int = 5) -> Iterator[RunningSimulator]:
    """A simulated UEM that a dashboard with this new data folder offers to try."""
    data.mkdir(mode=0o700)
    uem = start(World(devices, seed))
    announce(uem, data / "simulator.json")
    try:
        yield uem
    finally:
        uem.stop()


@contextmanager
def dashboard(
    data: Path, uem: RunningSimulator, settings: Mapping[str, str] | None = None
) -> Iterator[Product]:
    """`python app.py` on a data folder, until the end of the block."""
    output = data.parent / "output.txt"
    with output.open("wb") as file, open(os.devnull, "rb") as nothing:
        streams = nothing.fileno(), file.fileno(), file.fileno()
        process = preloaded.Process(["app.py"], environment(data) | (settings or {}), streams)
    try:
        wait_for(lambda: _found(output, r"Listening at: (\S+)") or process.poll(), "the dashboard", 60)
        product = Product(_found(output, r"Listening at: (\S+)"), output, uem)
        assert product.url, output.read_text()
        yield product
    finally:
        _stop(process)


def environment(data: Path) -> dict[str, str]:
    """What a person would set, and nothing that this machine happens to have set."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HARMONY_")}
    mine = {"HARMONY_DATA_DIR": str(data), "HARMONY_BIND": "127.0.0.1:0", "HARMONY_DEMO": "1"}
    mine |= {"HARMONY_BACKUP_HOURS": "0"}
    return inherited | mine | {preloaded.MARK: str(data)}


def _found(output: Path, pattern: str) -> str:
    match = re.search(pattern, output.read_text(errors="replace"))
    return match[1] if match else ""


def _stop(process: preloaded.Process) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
