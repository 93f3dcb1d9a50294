"""`make bench`: measures, prints a table, writes JSON. It reports; a missed bound is no error here."""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.bench import (
    api,
    connector,
    contention,
    destinations,
    growth,
    history,
    machine,
    messages,
    nodes,
    pages,
    peers,
    polling,
    protect,
    scale,
    start,
    sync,
    tagging,
    transport,
    uem_events,
)
from tests.bench.results import Result, save, table
from tests.bench.simulated import Simulated, simulated

# In this order: from the sync on, the devices of the simulated world have moved.
SHARING: dict[str, Callable[[Simulated, Path, int], list[Result]]] = {
    "transport": transport.measure,
    "sync": sync.measure,
    "pages": lambda uem, folder, repeats: [
        *pages.measure(uem, folder, repeats),
        *polling.measure(uem, folder),
    ],
    "api": api.measure,
    "peers": peers.measure,
    "contention": contention.measure,
    "connector": connector.measure,
    "messages": messages.measure,
    "protect": protect.measure,
    "events": uem_events.measure,
    "destinations": destinations.measure,
}


def _scale(folder: Path, asked: argparse.Namespace) -> list[Result]:
    """Several nodes, and the large fleet unless `--scale 0` leaves it out."""
    return [*nodes.measure(folder), *(scale.measure(folder, asked) if asked.scale else [])]


# Simulated worlds of their own sizes; nobody else's takes memory or time meanwhile.
ALONE: dict[str, Callable[[Path, argparse.Namespace], list[Result]]] = {
    "growth": lambda folder, asked: growth.measure(folder, asked.growth, asked.repeats),
    "tagging": tagging.measure,
    "scale": _scale,
    "start": lambda folder, _: start.measure(folder),
}
SECTIONS = (*SHARING, *ALONE)


def main(arguments: list[str] | None = None) -> int:
    """Every section that was asked for. 1 when one could not be measured; the others' numbers are kept."""
    asked = _parser().parse_args(arguments)
    results: list[Result] = []
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="harmony-bench-") as folder:
        sys.stderr.write("Measuring R …\n")
        here = machine.measure(Path(folder), asked.devices)
        for name, measure in _sections(asked, Path(folder)):
            sys.stderr.write(f"Measuring {name} …\n")
            try:
                results += measure()
            except Exception:  # half an hour of the other sections' numbers must not go with it
                traceback.print_exc()
                failed.append(name)
    save(results, asked.out)
    before = history.before(asked.history, here, asked.devices)
    history.append(asked.history, here, asked.devices, results)
    shown = table(results, here.doubt, before)
    sys.stdout.write(f"{asked.devices:,} devices. {here.described()}{shown}Details: {asked.out}\n")
    if failed:
        sys.stdout.write(f"Could not be measured: {', '.join(failed)}\n")
    return int(bool(failed))


def _sections(asked: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Callable[[], list[Result]]]]:
    """Names with what measures them, while the simulator they need is there."""
    chosen = [name for name in SECTIONS if asked.only in (None, name)]
    sharing = [name for name in chosen if name in SHARING]
    if sharing:
        with simulated(asked.devices) as uem:
            for name in sharing:
                yield name, partial(SHARING[name], uem, folder, asked.repeats)
    for name in chosen:
        if name in ALONE:
            yield name, partial(ALONE[name], folder, asked)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", choices=SECTIONS, help="one section instead of all")
    parser.add_argument(
        "--out", type=Path, default=Path(".artifacts/bench.json"), help="the file for the JSON"
    )
    parser.add_argument("--history", type=Path, default=history.FILE, help="the file with a line a run")
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5, help="the median of so many rounds")
    parser.add_argument(
        "--growth", type=int, default=100_000, help="the larger fleet; 1000000 takes 4 GiB and ten minutes"
    )
    parser.add_argument(
        "--scale",
        type=int,
        default=1_000_000,
        help="the fleet of that part; a million takes 4 GiB, 0 measures several nodes only",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
