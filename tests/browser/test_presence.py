"""Without Chromium the browser tests are left out aloud, or it is an error (rung M)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def collect(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What pytest says on a machine whose PATH has no Chromium."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/browser",
    ]
    clean = {name: value for name, value in os.environ.items() if name != "REQUIRE_BROWSER"}
    return subprocess.run(
        command,
        cwd=ROOT,
        env=clean | {"PATH": str(folder)} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_without_chromium_one_line_says_what_is_left_out_and_how_to_get_it(tmp_path: Path) -> None:
    said = collect(tmp_path)
    (line,) = [line for line in said.stdout.splitlines() if line.startswith("Left out")]
    assert "apt-get install chromium-headless-shell" in line
    assert "tests/browser/test_walk.py" in line
    assert "test_walk.py::" not in said.stdout
    assert "test_presence.py::" in said.stdout
    assert said.returncode == 0


@pytest.mark.parametrize("required", ["1"])
def test_without_chromium_it_is_an_error_where_the_browser_is_required(tmp_path: Path, required: str) -> None:
    said = collect(tmp_path, REQUIRE_BROWSER=required)
    assert said.returncode != 0
    assert "apt-get install chromium-headless-shell" in said.stdout + said.stderr
