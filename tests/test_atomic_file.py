"""Files are there whole or not at all (rung: pure, on a real folder)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harmony import atomic_file


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_is_for_its_owner_only_and_leaves_no_draft(tmp_path: Path) -> None:
    atomic_file.create(tmp_path / "key", "first")
    assert (tmp_path / "key").read_text() == "first"
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["key"]


def test_the_file_of_a_quicker_process_stays(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("theirs")
    atomic_file.create(tmp_path / "key", "ours")
    assert (tmp_path / "key").read_text() == "theirs"
    assert names(tmp_path) == ["key"]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    atomic_file.replace(tmp_path / "progress", "1")
    atomic_file.replace(tmp_path / "progress", "2")
    assert (tmp_path / "progress").read_text() == "2"
    assert names(tmp_path) == ["progress"]


@pytest.mark.parametrize("write", [atomic_file.create, atomic_file.replace])
def test_a_full_disk_leaves_the_former_file_and_no_draft(
    tmp_path: Path, write: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("former")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "file", "new")  # type: ignore[operator]
    assert (tmp_path / "file").read_text() == "former"
    assert names(tmp_path) == ["file"]
