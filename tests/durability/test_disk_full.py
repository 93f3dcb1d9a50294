"""The disk is full, or fails (rung F): nothing is torn, a sentence says so, and then all goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from harmony.clock import now
from harmony.config import Settings
from harmony.db import db, release
from harmony.jobs import recovery
from harmony.jobs.lease import LEASE
from harmony.jobs.recovery import SILENT
from harmony.models import JobRun
from tests.durability.scene import CANARY, Scene
from tests.durability.shortage import (
    files_end_at,
    full_file_system,
    may_mount,
    no_more_pages,
    small_file_system,
)
from tests.summary_lines import summary_lines

pytestmark = pytest.mark.usefixtures("context")

MOUNTS = may_mount()
WAYS = {"no more pages": no_more_pages} | ({"full file system": full_file_system} if MOUNTS else {})
LEFT_OUT = "" if MOUNTS else " This user may not mount one, so no file system was really full."


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """On a file system of its own, where that can be had."""
    if not MOUNTS:
        yield tmp_path
        return
    with small_file_system(tmp_path):
        yield tmp_path


@pytest.fixture(scope="module", autouse=True)
def what_was_tried(pytestconfig: pytest.Config) -> None:
    """Say whether a file system was really full."""
    summary_lines(pytestconfig).append(f"Disk full: tested with {' and '.join(WAYS)}.{LEFT_OUT}")


@pytest.fixture
def folder(settings: Settings) -> Path:
    """Where the database is."""
    return settings.data_dir


@pytest.mark.parametrize("way", WAYS)
def test_row_50_a_full_disk_ends_the_run_in_words_and_the_next_one_goes_on(
    scene: Scene, folder: Path, signed_in: FlaskClient, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    take: Callable[[Path], AbstractContextManager[None]] = WAYS[way]
    scene.lasting.enter_context(take(folder))
    done = scene.sync()
    if done.state == "running":  # not even its end could be written
        assert way == "full file system"
        assert "could not be written" in caplog.text
    else:
        assert done.state == "failed"
        assert done.reason.startswith("The disk is full: the database cannot grow.")
        assert done.advice == "Free space on the disk of the database."
        assert scene.integration().sync_job.lease_owner is None
    assert CANARY not in caplog.text, "personal data in the log"
    for page in ("/integrations", f"/integrations/{scene.id}", "/devices"):
        assert signed_in.get(page).status_code == 200
    scene.recover()


def test_row_50_a_form_that_a_full_disk_cannot_keep_answers_503(
    scene: Scene, folder: Path, signed_in: FlaskClient
) -> None:
    with files_end_at(4096):
        answer = signed_in.post(f"/integrations/{scene.id}/pause")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "Nothing was half saved" in answer.get_data(as_text=True)
    assert scene.integration().state == "active"
    scene.recover()


def test_row_51_a_failing_disk_leaves_a_run_that_is_closed_once_its_lease_ended(
    scene: Scene, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wal = folder / "harmony.db-wal"

    def fails(page: int) -> None:
        if page == 20:
            # In the middle of the WAL's first frame: wherever it is written next, the write is torn.
            assert wal.exists()
            scene.lasting.enter_context(files_end_at(2000))

    left = scene.sync(on_page=fails)
    left_id = left.id
    assert left.state == "running"
    assert f"The end of run {left_id} could not be written" in caplog.text
    with pytest.raises(Exception, match="disk I/O error"):
        recovery.reap(now() + LEASE)
    scene.lasting.close()
    assert recovery.reap(now()) == 0, "its worker lives, and may only be slow"
    scene.recover()
    release()
    closed = db.session.get_one(JobRun, left_id)
    assert (closed.state, closed.reason) == ("aborted", SILENT)


def test_row_51_a_single_failed_write_ends_the_run_in_words(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(page: int) -> None:
        if page == 20:  # no write fits: where in the WAL the next one goes depends on how far it was moved
            scene.lasting.enter_context(files_end_at(1000))

    class MendedBeforeTheEnd(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().endswith(" failed."):
                scene.lasting.close()

    handler = MendedBeforeTheEnd()
    logging.getLogger("harmony.jobs.runner").addHandler(handler)
    done = scene.sync(on_page=fails)
    logging.getLogger("harmony.jobs.runner").removeHandler(handler)
    assert done.state == "failed"
    assert done.reason.startswith("The disk failed while the database was read or written.")
    assert CANARY not in caplog.text, "personal data in the log"
    scene.recover()
