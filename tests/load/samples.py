"""Samples of a running product: memory, handles and threads of its processes, the WAL; and their judge."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from harmony.db import LARGEST_WAL_BYTES

MIB = 1024 * 1024
# What a series may grow by in the second half of a load: the most of both counts.
_TOLERANCE = {"RSS MiB": (0.05, 4.0), "handles": (0.05, 8.0), "threads": (0.05, 2.0)}
# A WAL grows up to the size at which it is emptied, and by what is written while that fails.
WAL = "WAL MiB"
_LARGEST_WAL_MIB = LARGEST_WAL_BYTES / MIB + 32

Sample = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """What was sampled of one quantity: seconds since the begin, and the value."""

    name: str
    unit: str
    samples: Sequence[Sample]

    @property
    def second_half(self) -> Sequence[Sample]:
        middle = self.samples[-1][0] / 2
        return [sample for sample in self.samples if sample[0] >= middle]

    @property
    def growth(self) -> float:
        """What the slope of the second half, the median of all pairs', makes of that time."""
        half = self.second_half
        slopes = [
            (later[1] - sooner[1]) / (later[0] - sooner[0])
            for number, sooner in enumerate(half)
            for later in half[number + 1 :]
        ]
        return median(slopes) * (half[-1][0] - half[0][0]) if slopes else 0.0

    @property
    def may_grow(self) -> float:
        share, least = _TOLERANCE[self.unit]
        return max(least, share * median(value for _, value in self.second_half))

    @property
    def is_flat(self) -> bool:
        if self.unit == WAL:
            return max(value for _, value in self.samples) <= _LARGEST_WAL_MIB
        return self.growth <= self.may_grow

    def row(self) -> str:
        """A line of the table."""
        values = [value for _, value in self.samples]
        found = (values[0], median(values), max(values), values[-1], self.growth)
        return f"| {self.name} | {self.unit} | {' | '.join(f'{value:.1f}' for value in found)} |"


def table(every: Sequence[Series]) -> str:
    """Return a table in Markdown, a line for each series."""
    head = "| what | unit | first | median | most | last | growth in the second half |\n"
    return head + "| --- | --- |" + " ---: |" * 5 + "\n" + "\n".join(series.row() for series in every) + "\n"


def of_process(pid: int) -> Mapping[str, float]:
    """Return memory, file handles and threads of a process; nothing when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
        handles = len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return {}
    lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    if "VmRSS" not in lines:  # dead, and not buried
        return {}
    return {
        "RSS MiB": int(lines["VmRSS"].split()[0]) / 1024,
        "handles": float(handles),
        "threads": float(lines["Threads"]),
    }


def size_mib(file: Path) -> float:
    try:
        return file.stat().st_size / MIB
    except FileNotFoundError:
        return 0.0
