"""A newer version migrates while an old worker syncs (rung M): the run goes on or ends, nothing is lost.

`python app.py` migrates before it starts its workers, but one of another machine may still be at work. The
steps are one writing transaction, so they come between two writes of the run, never into one.
"""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest
from sqlalchemy import text

from harmony.config import Settings
from harmony.db import db, release
from harmony.ops import migrate
from tests import preloaded
from tests.durability.scene import CANARY, Scene

pytestmark = [pytest.mark.usefixtures("context"), pytest.mark.processes]

PROGRAM = """
import sys
from pathlib import Path
from harmony import create_app
from harmony.clock import now
from harmony.config import Settings
from harmony.ops import migrate
migrate.SCRIPTS = Path(sys.argv[2])
with create_app(Settings(data_dir=Path(sys.argv[1]))).app_context():
    migrate.migrate(now())
"""
STEP = """
from alembic import op
import sqlalchemy as sa

revision = "{revision}"
down_revision = "{before}"
branch_labels = depends_on = None


def upgrade():
    {change}
"""
BEARABLE = 'op.add_column("device", sa.Column("colour", sa.String()))'
UNBEARABLE = 'op.alter_column("device", "model", new_column_name="hardware")'
AND_BACK = 'op.alter_column("device", "hardware", new_column_name="model")'
BEFORE = 10


class Newer:
    """A version of Harmony with more migration steps than this one."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.scripts, self.settings, self.at = folder / "newer", settings, migrate.head()
        shutil.copytree(migrate.SCRIPTS, self.scripts, ignore=shutil.ignore_patterns("__pycache__"))

    def starts(self, revision: str, change: str) -> None:
        """Its supervisor brings the database to its newest step."""
        step = STEP.format(revision=revision, before=self.at, change=change)
        (self.scripts / "versions" / f"{revision}_newer.py").write_text(step, encoding="utf-8")
        self.at = revision
        assert preloaded.run("-c", PROGRAM, str(self.settings.data_dir), str(self.scripts)) == 0
        release()
        assert migrate.revision() == revision
        release()


@pytest.fixture
def newer(tmp_path: Path, settings: Settings) -> Newer:
    return Newer(tmp_path, settings)


def test_an_upgrade_that_the_old_worker_can_bear_does_not_disturb_its_run(
    scene: Scene, newer: Newer, settings: Settings
) -> None:
    done = scene.sync(on_page=lambda page: newer.starts("9998", BEARABLE) if page == BEFORE else None)
    assert (done.state, done.count("missing")) == ("ok", 0)
    (backup,) = settings.data_dir.glob("*.backup.db")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    scene.recover()


def test_an_upgrade_that_the_old_worker_cannot_bear_ends_its_run_and_loses_nothing(
    scene: Scene, newer: Newer, caplog: pytest.LogCaptureFixture
) -> None:
    done = scene.sync(on_page=lambda page: newer.starts("9998", UNBEARABLE) if page == BEFORE else None)
    assert done.state == "failed"
    assert done.reason == "The sync met an error of its own; the worker's log has the details."
    assert CANARY not in caplog.text, "personal data in the log"
    assert scene.integration().sync_job.lease_owner is None
    joined = "SELECT count(DISTINCT d.id) FROM device d JOIN membership m ON m.device_id = d.id"
    written = db.session.scalar(text(joined))
    assert written == BEFORE * 50, "every page before it is there, whole"
    release()
    newer.starts("9999", AND_BACK)  # in place of a worker of the newer version
    scene.recover()
