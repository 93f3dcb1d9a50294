"""Every run of the bench as a line of a file, so that values of two machines are never compared."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harmony.clock import now
from tests.bench.machine import Machine
from tests.bench.process import ROOT
from tests.bench.results import Result

FILE = ROOT / "bench-history.jsonl"


def append(file: Path, machine: Machine, devices: int, results: Sequence[Result]) -> None:
    """Add this run. One on a busy machine is kept, and never compared with."""
    line = {
        "at": now().isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": machine.name,
        "devices": devices,
        "R": machine.r,
        "R_seconds": machine.r_seconds,
        "doubt": machine.doubt,
        "values": {result.name: result.value for result in results},
    }
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(line) + "\n")


def before(file: Path, machine: Machine, devices: int) -> dict[str, float]:
    """Return the newest value of each name that this machine measured undisturbed, for as many devices."""
    values: dict[str, float] = {}
    for run in _runs(file):
        if run["machine"] == machine.name and run["devices"] == devices and not run["doubt"]:
            values |= run["values"]
    return values


def _runs(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
