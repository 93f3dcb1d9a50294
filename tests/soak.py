"""`python -m tests.soak --minutes 30 [--seed N] [PATH …]`: every sampled loop runs whole, with new seeds.

The files are taken in random order, two at a time, again and again until the time is up. A failure ends it
and prints the command that replays it; with a seed each file runs once.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import count

from tests.sampling import SEED

SELECTED = "soak or hypothesis"
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", SELECTED]
GRACE = 60
NOTHING_SELECTED = 5


class Soak:
    """What is to run, until when, and what failed."""

    def __init__(self, minutes: float, seed: int | None, paths: list[str]) -> None:
        self.seed, self.paths = seed, paths
        self.deadline = time.monotonic() + 60 * minutes
        self.failed = threading.Event()
        self._lock = threading.Lock()
        self._left = self._files()

    def run(self, parallel: int) -> int:
        """Run until the time is up or something failed; the exit code."""
        threads = [threading.Thread(target=self._work) for _ in range(parallel)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return int(self.failed.is_set())

    def _work(self) -> None:
        while time.monotonic() < self.deadline and not self.failed.is_set():
            with self._lock:
                file, seed = next(self._left, ("", 0))
            if not file:
                return
            self._run_file(file, seed)

    def _files(self) -> Iterator[tuple[str, int]]:
        """Each file with its seed: once with a given seed, else in random order without end."""
        files = collected(self.paths)
        for _ in [0] if self.seed is not None else count():
            for file in random.sample(files, len(files)):
                yield file, secrets.randbelow(2**32) if self.seed is None else self.seed

    def _run_file(self, file: str, seed: int) -> None:
        began = time.monotonic()
        say(f"seed {seed:<10} {file}")
        code, output = self._finished(file, seed)
        took = f"{time.monotonic() - began:.0f} s"
        if code == 0:
            say(f"passed          {file} ({took})")
        elif time.monotonic() >= self.deadline and code in {2, -signal.SIGINT, -signal.SIGKILL}:
            say(f"time is up in   {file} ({took})")
        else:
            self.failed.set()
            say(f"{output}\nFAILED          {file} ({took})\nReplay it: SEED={seed} make soak ARGS={file}")

    def _finished(self, file: str, seed: int) -> tuple[int, str]:
        """The exit code and the output of one file's tests; interrupted when the time is up."""
        process = subprocess.Popen(
            [*PYTEST, "-x", "--timeout=0", "--hypothesis-profile=soak", f"--hypothesis-seed={seed}", file],
            env=os.environ | {SEED: str(seed)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        try:
            output, _ = process.communicate(timeout=max(1.0, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            output = self._interrupted(process)
        return process.returncode, output

    def _interrupted(self, process: subprocess.Popen[str]) -> str:
        """Let it clean up after itself, as after Ctrl+C."""
        process.send_signal(signal.SIGINT)
        try:
            return process.communicate(timeout=GRACE)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            return process.communicate()[0]


def collected(paths: list[str]) -> list[str]:
    """The files that have loops."""
    command = [*PYTEST, "--collect-only", *paths]
    listing = subprocess.run(
        command, env=os.environ | {SEED: "0"}, capture_output=True, text=True, encoding="utf-8", check=False
    )
    if listing.returncode not in {0, NOTHING_SELECTED}:
        sys.exit(listing.stdout + listing.stderr)
    files = sorted({line.split("::")[0] for line in listing.stdout.splitlines() if "::" in line})
    return files or sys.exit("No test of these runs a sample.")  # type: ignore[return-value]


def say(text: str) -> None:
    """A line for whoever watches."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("paths", nargs="*")
    given = parser.parse_args()
    return Soak(given.minutes, given.seed, given.paths).run(given.parallel)


if __name__ == "__main__":
    sys.exit(main())
