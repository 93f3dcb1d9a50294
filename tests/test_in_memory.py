"""Files of tests are in memory only where memory is free, and on the disk while soaking or measuring."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests import in_memory
from tests.sampling import SEED

GIBIBYTE_KB = 1 << 20


@pytest.fixture
def meminfo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give the file in which a test says how much memory there is; the limit for files in it is wide."""
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.delenv(SEED, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(in_memory, "MEMORY", tmp_path)
    monkeypatch.setattr(in_memory, "_free_bytes", lambda: 64 << 30)
    monkeypatch.setattr(in_memory, "MEMINFO", tmp_path / "meminfo")
    return tmp_path / "meminfo"


def is_in_memory(meminfo: Path, available_gibibytes: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    kb = available_gibibytes * GIBIBYTE_KB
    meminfo.write_text(f"MemFree: 1 kB\nMemAvailable:   {kb} kB\nBuffers: 2 kB\n")
    with monkeypatch.context() as patch:
        patch.setattr(os, "environ", dict(os.environ))
        in_memory.keep_files_in_memory()
        return "TMPDIR" in os.environ


def test_files_are_in_memory_where_six_gibibytes_of_it_are_free(
    meminfo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_in_memory(meminfo, 6, monkeypatch)
    assert not is_in_memory(meminfo, 5, monkeypatch)


def test_a_soak_keeps_its_files_on_the_disk(meminfo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SEED, "1")
    assert not is_in_memory(meminfo, 60, monkeypatch)


@pytest.mark.parametrize("program", ["bench", "load"])
def test_what_measures_keeps_its_files_on_the_disk(program: str) -> None:
    code = f"import os, tests.{program}.__main__; print(os.environ.get('TMPDIR'))"
    outside = {name: value for name, value in os.environ.items() if name != "TMPDIR"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=outside, check=True, capture_output=True, text=True
    )
    assert done.stdout == "None\n"


def test_a_machine_that_says_nothing_of_its_memory_keeps_files_on_the_disk(meminfo: Path) -> None:
    assert not in_memory.has_room()
