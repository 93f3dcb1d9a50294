"""A start on a database that is damaged or may not be written (rungs M and F) is refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from harmony import create_app
from harmony.config import Settings
from harmony.db import db, sqlite_module
from harmony.ops import integrity_check
from harmony.ops.integrity_check import DatabaseUnfit, refuse_unfit
from tests.builders import an_integration
from tests.processes.product import APP, running
from tests.stored import store

pytestmark = pytest.mark.processes

PAGE = 4096
# root may write anything; without this right it is bound to the modes of files as everybody is.
AS_ANYBODY = (
    "-c",
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(24, 1, 0, 0, 0); "
    "os.execv(sys.executable, [sys.executable, '-u', 'app.py'])",
)


@pytest.fixture
def folder(context: Flask, settings: Settings) -> Path:
    """A data folder with a few hundred devices, put down as if Harmony had been stopped."""
    store(an_integration(), 300)
    db.session.remove()
    db.engine.dispose()
    return settings.data_dir


def contents(folder: Path) -> dict[str, bytes]:
    """The files of the database with what is in them."""
    return {file.name: file.read_bytes() for file in folder.glob("harmony*")}


def refused(folder: Path, command: tuple[str, ...] = APP, **environment: str) -> str:
    """The one line that a start says before it ends."""
    with running(folder, command, **environment) as product:
        assert product.ended() != 0, product.text()
        (line,) = product.lines()
        return line


def test_row_54_a_damaged_page_is_found_before_anything_is_served(folder: Path) -> None:
    file = folder / "harmony.db"
    whole = bytearray(file.read_bytes())
    for page in range(20, len(whole) // PAGE, 7):
        whole[page * PAGE : page * PAGE + 64] = bytes(
            byte ^ 0xFF for byte in whole[page * PAGE : page * PAGE + 64]
        )
    file.write_bytes(whole)
    before = contents(folder)
    line = refused(folder)
    assert line.startswith(f"Harmony does not start: {file} is damaged (")
    assert line.endswith(
        "Restore a backup with `flask --app app db restore FILE`; the damaged file is kept then."
    )
    assert contents(folder)["harmony.db"] == before["harmony.db"]


def test_row_54_a_file_that_is_no_database_is_refused(folder: Path) -> None:
    (folder / "harmony.db").write_bytes(b"not a database at all" * 500)
    assert "is damaged (file is not a database)" in refused(folder)


def test_row_54_a_file_cut_short_is_refused(folder: Path) -> None:
    file = folder / "harmony.db"
    file.write_bytes(file.read_bytes()[: 10 * PAGE])
    assert "is damaged (" in refused(folder)


def test_row_53_a_database_that_may_not_be_written_is_refused(folder: Path) -> None:
    (folder / "harmony.db").chmod(0o400)
    before = contents(folder)
    line = refused(folder, AS_ANYBODY)
    assert line.startswith(
        f"Harmony does not start: {folder / 'harmony.db'} may not be written. Give it back"
    )
    assert contents(folder) == before


@pytest.mark.parametrize("with_queue", [True, False])
def test_row_53_a_folder_that_may_not_be_written_is_refused(folder: Path, with_queue: bool) -> None:
    if not with_queue:
        for file in folder.glob("queue.db*"):
            file.unlink()
    before = contents(folder)
    folder.chmod(0o500)
    try:
        line = refused(folder, AS_ANYBODY)
    finally:
        folder.chmod(0o700)
    assert line.startswith("Harmony does not start: ")
    assert str(folder) in line
    assert contents(folder) == before


def test_row_53_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    line = refused(tmp_path / "data", HARMONY_DATA_DIR=str(tmp_path / "file" / "data"))
    assert line.endswith("file/data cannot be created (Not a directory).")


def test_a_file_too_large_to_be_read_at_each_start_is_not(
    folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "harmony.db").write_bytes(b"not a database at all" * 500)
    app = create_app(settings)
    with app.app_context():
        with pytest.raises(DatabaseUnfit):
            refuse_unfit()
        monkeypatch.setattr(integrity_check, "EXAMINED_UP_TO", 5000)
        refuse_unfit()


def test_after_an_unclean_stop_a_large_file_is_examined_too(
    folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(integrity_check, "EXAMINED_UP_TO", 5000)
    left = sqlite_module().connect(folder / "harmony.db")
    left.execute("CREATE TABLE noted (id INTEGER)")
    left.commit()
    kept = (folder / "harmony.db-wal").read_bytes()
    left.close()
    assert not (folder / "harmony.db-wal").exists(), "a clean end takes it away"
    with create_app(settings).app_context():
        refuse_unfit()
        assert not caplog.text
        (folder / "harmony.db-wal").write_bytes(kept)
        refuse_unfit()
        assert "not stopped cleanly" in caplog.text
        (folder / "harmony.db").write_bytes(b"not a database at all" * 500)
        with pytest.raises(DatabaseUnfit):
            refuse_unfit()
