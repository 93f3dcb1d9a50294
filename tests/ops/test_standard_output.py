"""A standard output that is not read (rung S): nothing waits for it, and what is missing is said."""

from __future__ import annotations

import os

import pytest

from harmony.ops import standard_output
from harmony.ops.standard_output import Lines

MOST = 100_000


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    monkeypatch.setattr(standard_output, "_MOST_WAITING", MOST)
    return os.pipe()


def add(lines: Lines, numbers: range) -> list[str]:
    """Have each written as soon as it is there. Return what the lines are."""
    for number in numbers:
        lines.say("one ", f"{number:090}")
        lines.write()
    return [f"one │ {number:090}" for number in numbers]


def written(lines: Lines, pipe: tuple[int, int]) -> list[str]:
    """Read to the end while the rest is written."""
    reader, writer = pipe
    os.set_blocking(reader, False)
    text = b""
    while chunk := _read(reader):
        text += chunk
        lines.write()
    os.close(reader)
    os.close(writer)
    return text.decode().splitlines()


def _read(reader: int) -> bytes:
    try:
        return os.read(reader, 65536)
    except BlockingIOError:
        return b""


def test_all_comes_in_order_when_it_is_read_in_time(pipe: tuple[int, int]) -> None:
    lines = Lines(pipe[1])
    added = add(lines, range(1200))  # more than the pipe holds
    assert written(lines, pipe) == added


def test_the_oldest_are_dropped_and_counted_where_they_are_missing(pipe: tuple[int, int]) -> None:
    lines = Lines(pipe[1])
    added = add(lines, range(4000))
    read = written(lines, pipe)
    (at,) = [number for number, line in enumerate(read) if line.startswith("main│")]
    missing = len(added) - len(read) + 1
    assert read[at] == f"main│ {missing} lines are missing here: standard output was not read"
    assert missing > 1000
    assert read[:at] + read[at + 1 :] == added[:at] + added[at + missing :]


def test_a_closed_output_swallows_all(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.close(reader)
    lines = Lines(writer)
    add(lines, range(4000))
    lines.finish()
    os.close(writer)
