"""What one would otherwise write or take: an ORM script, sqlite-utils, dlt; on the same data, in turns."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.bench import dashboard
from tests.bench.process import ROOT, Measured, child
from tests.bench.results import Result, middle
from tests.bench.simulated import Simulated

PYTHON = ROOT / ".venv-bench" / "bin" / "python"
# At least so many times as long as ours, first and unchanged.
BOUNDS = {"orm": (10.0, 14.0), "sqlite_utils": (3.0, 5.0), "dlt": (5.0, 9.0)}
NEEDED = "import requests, sqlalchemy, sqlite_utils, dlt"

Pair = tuple[Measured, Measured]


def measure(uem: Simulated, folder: Path, _repeats: int) -> list[Result]:
    """Each peer once, because it takes up to a minute; ours before each of them, and the median of those."""
    if not _is_there():
        sys.stderr.write("The peers are left out: .venv-bench could not be made (requirements-bench.txt).\n")
        return []
    uem.gather()
    said = folder / "peers.json"
    said.write_text(json.dumps(uem.said), encoding="utf-8")
    template = dashboard.make(folder / "peers-template", uem)
    ours, theirs = [], {}
    for name in BOUNDS:
        ours.append(_ours(template, folder / "peers-ours"))
        theirs[name] = _peer(name, folder / f"peer-{name}", said, uem.devices)
    return [line for name, pair in theirs.items() for line in _lines(name, pair, ours)]


def _is_there() -> bool:
    if not PYTHON.exists():
        return False
    return subprocess.run([PYTHON, "-c", NEEDED], capture_output=True, check=False).returncode == 0


def _ours(template: Path, place: Path) -> Pair:
    dashboard.copy(template, place)
    return dashboard.sync(place), dashboard.sync(place)


def _peer(name: str, place: Path, said: Path, devices: int) -> Pair:
    """A first and an unchanged one, each in a fresh process. Raises RuntimeError when rows are lacking."""
    first, again = (
        child(
            f"tests.bench.peer_{name}",
            str(place),
            str(said),
            python=str(PYTHON),
            # dlt would report to its makers, and keep files in the home folder.
            RUNTIME__DLTHUB_TELEMETRY="false",
            DLT_DATA_DIR=str(place),
        )
        for _ in range(2)
    )
    if (first.said["rows"], again.said["rows"]) != (devices, devices):
        raise RuntimeError(f"{name} kept {first.said} and {again.said} of {devices} devices")
    return first, again


def _lines(name: str, pair: Pair, ours: list[Pair]) -> list[Result]:
    lines = []
    for place, kind in enumerate(("first", "unchanged")):
        own = middle([one[place].seconds for one in ours])
        detail = {
            "unit": "x our time",
            "seconds": pair[place].seconds,
            "MiB": pair[place].rss_mib,
            "our_seconds": [one[place].seconds for one in ours],
        }
        value = round(pair[place].seconds / own, 2)
        lines.append(Result(f"peers.{name}.{kind}", value, BOUNDS[name][place], at_least=True, detail=detail))
    return lines
