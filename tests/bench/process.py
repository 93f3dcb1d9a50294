"""Child processes that measure: started fresh, read by the JSON they end with. Needs nothing installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Measured:
    """One child process: how long the measured part took, its peak memory, what it said of itself."""

    seconds: float
    rss_mib: float
    said: dict[str, Any]


def child(module: str, *arguments: str, python: str = sys.executable, **environment: str) -> Measured:
    """Run a measuring module and read the JSON it ends with. Raises RuntimeError when it fails."""
    done = subprocess.run(
        [python, "-m", module, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{module} failed: {done.stderr[-2000:]}")
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return Measured(said.pop("seconds"), said.pop("rss_mib"), said)


def say(seconds: float, **more: Any) -> None:
    """The line a measuring module ends with."""
    found = {"seconds": round(seconds, 3), "rss_mib": peak_rss_mib()} | more
    sys.stdout.write(json.dumps(found) + "\n")


def peak_rss_mib(pid: int | str = "self") -> float:
    """Peak resident memory of a process; `ru_maxrss` would count the parent it was forked from."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise RuntimeError("the peak of the memory is read from /proc, which is not there")


def rss_mib(pid: int) -> float:
    """Resident memory of a process now."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise RuntimeError("the memory is read from /proc, which is not there")


def cpu_seconds(pid: int | str) -> float:
    """User and system time of a process until now, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
