"""`make bench`: measures, prints a table, writes JSON. It reports; a missed bound is no error here."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path

from harmony.db import sqlite_module
from tests.bench import pages, sync, transport
from tests.bench.results import MORE_WHEN_QUICK, Result, save, table
from tests.bench.simulated import Simulated, simulated

# In this order: from the sync on, the devices of the simulated world have moved.
SECTIONS = ("transport", "sync", "pages")


def main(arguments: list[str] | None = None) -> int:
    """Every section that was asked for, against one simulator."""
    asked = _parser().parse_args(arguments)
    results: list[Result] = []
    machine = _machine()
    with tempfile.TemporaryDirectory(prefix="harmony-bench-") as folder, simulated(asked.devices) as uem:
        for name in SECTIONS:
            if asked.only in (None, name):
                sys.stderr.write(f"Measuring {name} …\n")
                results += _section(name, uem, Path(folder), asked.repeats)
    save(results, asked.out)
    sys.stdout.write(f"{asked.devices:,} devices, {machine}{table(results)}Details: {asked.out}\n")
    return 0


def _section(name: str, uem: Simulated, folder: Path, repeats: int) -> list[Result]:
    if name == "transport":
        return transport.measure(uem, repeats)
    if name == "sync":
        return sync.measure(uem, folder, repeats)
    return pages.measure(uem, folder, repeats + MORE_WHEN_QUICK)


def _machine() -> str:
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    sqlite = sqlite_module().sqlite_version
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, SQLite {sqlite}, load {load}\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", choices=SECTIONS, help="one section instead of all")
    parser.add_argument(
        "--out", type=Path, default=Path(".artifacts/bench.json"), help="the file for the JSON"
    )
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3, help="the median of so many rounds")
    return parser


if __name__ == "__main__":
    sys.exit(main())
