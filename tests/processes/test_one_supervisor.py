"""One supervisor a data folder (rung M), and what a demo that was killed leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from harmony.ops.demo import remove_leftovers
from harmony.ops.folder_lock import FolderTaken, is_locked, locked
from tests.processes.product import DEMO, ROOT, WORKER_NAME, Product, kill, running
from tests.waiting import wait_for

pytestmark = pytest.mark.processes


def flask(product: Product, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of ours on the data of `product`."""
    command = [sys.executable, "-m", "flask", "--app", "app", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=product.environment, capture_output=True, check=False, encoding="utf-8"
    )


def test_the_second_is_refused_and_commands_are_not(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as first:
        first.until_ready()
        (code,) = [line for line in first.lines() if "set-up code" in line]
        with running(tmp_path / "second", HARMONY_DATA_DIR=str(data)) as second:
            assert second.ended() == 2
            (line,) = second.lines()
        assert line == (
            f"Harmony does not start: another Harmony runs on {data}; "
            "stop that one, or set another HARMONY_DATA_DIR."
        )
        backup = tmp_path / "backup.db"
        assert flask(first, "db", "backup", str(backup)).returncode == 0
        assert flask(first, "integrations", "list").returncode == 0
        restored = flask(first, "db", "restore", str(backup))
        assert restored.returncode == 1
        assert "nothing was changed" in restored.stderr.lower()
        assert first.is_ready()
        assert first.stop() == 0
    assert code.endswith(tuple("0123456789ABCDEFGHJKMNPQRSTVWXYZ"))


def test_kill_9_gives_the_folder_back(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as first:
        wait_for(lambda: len(first.pids(WORKER_NAME)) == 1, "the worker")
        assert is_locked(data)
        kill(first.process.pid)
        first.process.wait()
        assert not is_locked(data)  # though its children still end
        first.ended()
    with running(data) as second:
        second.until_ready()
        assert second.stop() == 0


def test_a_folder_is_held_until_the_end_and_no_longer(tmp_path: Path) -> None:
    with locked(tmp_path):
        assert is_locked(tmp_path)
        with pytest.raises(FolderTaken), locked(tmp_path):
            pass
        assert list(tmp_path.iterdir()) == []
    with locked(tmp_path):
        pass


def test_the_folder_of_a_demo_that_was_killed_is_removed_by_the_next(tmp_path: Path) -> None:
    with running(tmp_path / "unused", (*DEMO, "--devices", "50", "--protected", "0")) as product:
        (folder,) = wait_for(lambda: list(tmp_path.glob("harmony-demo-*")), "its folder")
        wait_for(lambda: is_locked(folder), "its lock")
        aged(folder)
        remove_leftovers(tmp_path)
        assert folder.exists()
        kill(product.process.pid)
        product.ended()
    aged(folder)
    with ExitStack() as held:
        living, new, foreign = (
            tmp_path / "harmony-demo-a",
            tmp_path / "harmony-demo-b",
            tmp_path / "harmony-x",
        )
        for path in (living, new, foreign):
            path.mkdir()
        held.enter_context(locked(living))
        aged(living, foreign)
        remove_leftovers(tmp_path)
        assert not folder.exists()
        assert all(path.exists() for path in (living, new, foreign))


def aged(*folders: Path) -> None:
    """Let them be as old as a demo that is long up."""
    for folder in folders:
        os.utime(folder, (0, 0))
