"""Promises about vendored files: each is what its table says, with its licence; nothing else lies there."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = [ROOT / "static/vendor", ROOT / "tests/browser/vendor"]
COLUMNS = ("name", "version", "source tarball", "npm integrity", "file", "sha384 of the file", "licence")


def rows(folder: Path) -> list[dict[str, str]]:
    """The rows of the table in a folder's README.md, by column."""
    lines = [line for line in (folder / "README.md").read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]
    assert tuple(cells[0]) == COLUMNS
    return [dict(zip(COLUMNS, row, strict=True)) for row in cells[2:]]


def sri(data: bytes) -> str:
    return "sha384-" + base64.b64encode(hashlib.sha384(data).digest()).decode()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_each_listed_file_has_the_hash_of_its_row(folder: Path) -> None:
    table = rows(folder)
    assert table
    for row in table:
        assert sri((folder / row["file"]).read_bytes()) == row["sha384 of the file"], row["name"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_each_row_names_its_version_tarball_integrity_and_licence(folder: Path) -> None:
    for row in rows(folder):
        assert row["version"] in row["file"]
        assert row["source tarball"].endswith(f"-{row['version']}.tgz")
        assert len(base64.b64decode(row["npm integrity"].removeprefix("sha512-"), validate=True)) == 64
        assert row["licence"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_no_file_lies_there_that_no_row_lists(folder: Path) -> None:
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    listed = {row["file"] for row in rows(folder)} | {"README.md"}
    assert {name for name in found if not name.endswith("/LICENSE")} == listed


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_each_part_has_its_licence_beside_it(folder: Path) -> None:
    for part in (path for path in folder.iterdir() if path.is_dir()):
        assert (part / "LICENSE").stat().st_size > 100, part.name


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_the_tables_name_no_host(folder: Path) -> None:
    assert not re.search(r"https?://|/tmp/|/home/", (folder / "README.md").read_text())
