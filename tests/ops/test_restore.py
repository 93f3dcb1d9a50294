"""Backup, check-file and restore on real files and processes (rungs F without faults, M)."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import select

from harmony import create_app
from harmony.backup.at_once import back_up
from harmony.clock import now
from harmony.config import Settings
from harmony.db import db, sqlite_module, write
from harmony.jobs import caution
from harmony.jobs.presence import identity
from harmony.models import Absence, AuditEntry, ChannelKind, Integration, Message, MessageState, Worker
from harmony.ops import migrate, restore, start
from harmony.sync import rollback_detection
from harmony.sync.rollback_detection import HighWaterMark
from tests.builders import NOON, an_integration
from tests.ops.test_migrate import a_database_at
from tests.preloaded import Piped

HOLDS_IT_OPEN = """
import sys
from pathlib import Path
from harmony import create_app
from harmony.config import Settings
from harmony.db import db
app = create_app(Settings(data_dir=Path(sys.argv[1])))
with app.app_context():
    db.session.execute(db.text("SELECT * FROM worker"))
    db.session.rollback()
    print("open", flush=True)
    sys.stdin.read()
"""


def run(app: Flask, *arguments: str) -> Result:
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    return app.test_cli_runner().invoke(args=["db", *arguments])


def names(app: Flask) -> dict[str, str | None]:
    """The integrations and what they are suspected of."""
    with app.app_context():
        return {name: why for name, why in db.session.execute(select(Integration.name, Integration.suspect))}


@pytest.fixture
def saved(app: Flask, tmp_path: Path) -> Path:
    """A backup with the integration `before`; the database itself has one more, `after`."""
    file = tmp_path / "saved.db"
    with app.app_context():
        an_integration(name="before")
    assert run(app, "backup", str(file)).exit_code == 0
    with app.app_context():
        an_integration(name="after")
    return file


@contextmanager
def somebody_has_it_open(settings: Settings) -> Iterator[None]:
    process = Piped("-c", HOLDS_IT_OPEN, str(settings.data_dir))
    try:
        assert process.line() == "open"
        yield
    finally:
        process.end()


def test_a_backup_is_whole_one_file_and_for_its_owner_only(context: Flask, settings: Settings) -> None:
    with write() as session:
        session.add(Worker(identity="a", started_at=NOON, seen_at=NOON))
    backup = back_up(NOON)
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    copy = sqlite_module().connect(backup)
    assert copy.execute("SELECT identity FROM worker").fetchall() == [("a",)]
    copy.close()
    assert [path.name for path in settings.data_dir.glob("*backup*")] == [backup.name]


def test_backups_and_restores_of_one_second_replace_none_of_each_other(
    context: Flask, settings: Settings
) -> None:
    first, second = back_up(NOON), back_up(NOON)
    names_of_both = [f"harmony-20260115T120000Z{number}.backup.db" for number in ("", "_02")]
    assert [first.name, second.name] == names_of_both
    db.session.remove()
    db.engine.dispose()
    kept = [restore.restore(backup, NOON) for backup in (second, first)]
    assert all(path is not None and path.exists() for path in kept)
    assert len(set(kept)) == 2


def test_a_backup_never_replaces_a_file(app: Flask, saved: Path) -> None:
    before = saved.read_bytes()
    said = run(app, "backup", str(saved))
    assert (said.exit_code, saved.read_bytes()) == (1, before)
    assert "is there already" in said.output


def test_a_backup_that_fails_leaves_no_file(app: Flask, settings: Settings, tmp_path: Path) -> None:
    with app.app_context():
        db.engine.dispose()
    assert settings.database_file is not None
    settings.database_file.write_bytes(b"not a database" * 100)
    said = run(app, "backup", str(tmp_path / "new.db"))
    assert said.exit_code == 1
    assert "The backup was not made" in said.output
    assert not (tmp_path / "new.db").exists()


def test_a_sound_file_is_called_sound_and_is_not_touched(app: Flask, saved: Path) -> None:
    before = saved.read_bytes()
    said = run(app, "check-file", str(saved))
    assert said.exit_code == 0, said.output
    assert f"is sound. Its migration step is {migrate.head()}, this version's." in said.output
    assert run(app, "check-file").exit_code == 0
    assert saved.read_bytes() == before
    assert list(saved.parent.glob("saved.db?*")) == []


@pytest.mark.parametrize("damage", ["cut", "overwritten", "another", "text"])
def test_a_damaged_or_strange_file_is_refused_and_the_database_stays(
    app: Flask, settings: Settings, saved: Path, damage: str
) -> None:
    whole = saved.read_bytes()
    if damage == "cut":
        saved.write_bytes(whole[: len(whole) // 2])
    elif damage == "overwritten":
        saved.write_bytes(whole[:8192] + b"\xff" * 8192 + whole[16384:])
    elif damage == "another":
        saved.unlink()
        other = sqlite_module().connect(saved)
        other.execute("CREATE TABLE t (a)")
        other.close()
    else:
        saved.write_text("hello, world\n" * 1000)
    assert run(app, "check-file", str(saved)).exit_code == 1
    said = run(app, "restore", str(saved))
    assert said.exit_code == 1
    assert "Nothing was changed." in said.output
    assert names(app) == {"before": None, "after": None}
    assert list(settings.data_dir.glob(".harmony*")) == []


def test_a_restore_brings_the_backup_keeps_the_replaced_and_marks_every_integration(
    app: Flask, settings: Settings, saved: Path
) -> None:
    said = run(app, "restore", str(saved))
    assert said.exit_code == 0, said.output
    assert names(app) == {"before": Absence.RESTORED}
    (kept,) = settings.data_dir.glob("*.replaced.db")
    assert str(kept) in said.output
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    old = sqlite_module().connect(kept)
    assert old.execute("SELECT name FROM integration ORDER BY id").fetchall() == [("before",), ("after",)]
    old.close()
    assert settings.database_file is not None
    assert stat.S_IMODE(settings.database_file.stat().st_mode) == 0o600
    with app.app_context():
        assert db.session.scalars(select(AuditEntry.what)).all() == ["Database restored"]


def test_a_restore_is_marked_before_it_is_in_place(
    app: Flask, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_now: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(restore, "migrate", killed)
    run(app, "restore", str(saved))
    assert names(app) == {"before": Absence.RESTORED}


@pytest.mark.parametrize("step", ["migrate", "mark_restored", None])
def test_a_message_of_the_backup_is_sent_by_nobody_without_being_asked(
    app: Flask, saved: Path, monkeypatch: pytest.MonkeyPatch, step: str | None
) -> None:
    """Also when the restore is killed on its way."""

    def killed(_now: object) -> None:
        raise KeyboardInterrupt

    with closing(sqlite_module().connect(saved)) as connection:
        for state in MessageState:
            connection.execute(
                "INSERT INTO message (kind, channel, key, language, details, state, attempts, next_at,"
                " created_at, created_by, answer)"
                " VALUES ('notice', 'email', ?, 'en', '{}', ?, 0, ?, ?, 'kim', '')",
                (state.value, state.value, *["2026-11-01 00:00:00"] * 2),
            )
        connection.commit()
    if step:
        monkeypatch.setattr(restore, step, killed)
    run(app, "restore", str(saved))
    with app.app_context():
        states = dict(db.session.execute(select(Message.key, Message.state)).all())
        answer = db.session.scalar(select(Message.answer).where(Message.key == "queued"))
    changed = {"queued": "cancelled", "sending": "cancelled"}
    assert states == {state.value: changed.get(state, state.value) for state in MessageState}
    assert answer
    assert "may have been sent" in answer


def test_a_restore_into_an_empty_folder_needs_nothing_to_replace(
    app: Flask, settings: Settings, saved: Path
) -> None:
    with app.app_context():
        db.engine.dispose()
    assert settings.database_file is not None
    settings.database_file.unlink()
    assert run(app, "restore", str(saved)).exit_code == 0
    assert names(app) == {"before": Absence.RESTORED}


def test_a_damaged_database_can_be_replaced_with_its_wal_kept_beside_it(
    app: Flask, settings: Settings, saved: Path
) -> None:
    with app.app_context():
        db.engine.dispose()
    assert settings.database_file is not None
    settings.database_file.write_bytes(b"rubbish" * 1000)
    Path(f"{settings.database_file}-wal").write_bytes(b"more rubbish" * 1000)
    assert run(app, "restore", str(saved)).exit_code == 0
    assert names(app) == {"before": Absence.RESTORED}
    (kept,) = settings.data_dir.glob("*.replaced.db")
    assert kept.read_bytes() == b"rubbish" * 1000


def test_a_backup_of_a_former_step_is_upgraded_and_marked(app: Flask, tmp_path: Path) -> None:
    former = create_app(Settings(data_dir=tmp_path / "former"))
    with former.app_context():
        a_database_at("0001")
    assert run(former, "backup", str(tmp_path / "former.db")).exit_code == 0
    said = run(app, "restore", str(tmp_path / "former.db"))
    assert said.exit_code == 0, said.output
    assert names(app) == {"Head office": Absence.RESTORED}
    with app.app_context():
        assert migrate.revision() == migrate.head()


def test_a_backup_of_a_newer_version_is_refused(app: Flask, saved: Path) -> None:
    copy = sqlite_module().connect(saved)
    copy.execute("UPDATE alembic_version SET version_num = '9999'")
    copy.commit()
    copy.close()
    said = run(app, "restore", str(saved))
    assert said.exit_code == 1
    assert "A newer version of Harmony wrote it" in said.output
    assert names(app) == {"before": None, "after": None}


@pytest.mark.parametrize(
    ("who", "seconds", "code"),
    [("elsewhere/boot/1:1:1", 5, 1), ("elsewhere/boot/1:1:1", 70, 0), ("", 5, 1), ("gone", 5, 0)],
)
def test_a_restore_is_refused_while_a_worker_lives(
    app: Flask, saved: Path, who: str, seconds: int, code: int
) -> None:
    place = identity().rsplit(":", 2)[0]
    known = {"": identity(), "gone": f"{place}:999999999:1"}.get(who, who)
    moment = now() - timedelta(seconds=seconds)
    with app.app_context(), write() as session:
        session.add(Worker(identity=known, started_at=moment, seen_at=moment))
    said = run(app, "restore", str(saved))
    assert said.exit_code == code
    assert ("A worker is running" in said.output) is bool(code)
    assert ("after" in names(app)) is bool(code)


def test_a_restore_is_refused_while_any_process_has_the_database_open(
    app: Flask, settings: Settings, saved: Path
) -> None:
    with somebody_has_it_open(settings):
        said = run(app, "restore", str(saved))
    assert said.exit_code == 1
    assert "Another process has the database open" in said.output
    assert names(app) == {"before": None, "after": None}
    assert list(settings.data_dir.glob("*.replaced.db")) == []


def test_a_restore_that_dies_before_its_caution_begins_is_cautious_after_the_next_start(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_now: object) -> None:
        raise KeyboardInterrupt

    former = create_app(Settings(data_dir=tmp_path / "former"))
    with former.app_context():
        upgrade(directory=str(migrate.SCRIPTS), revision="0034")
    assert run(former, "backup", str(tmp_path / "former.db")).exit_code == 0
    with monkeypatch.context() as patch:
        patch.setattr(restore, "migrate", killed)
        run(app, "restore", str(tmp_path / "former.db"))
    start.prepare(app)
    with app.app_context():
        assert caution.since() is not None
        caution.end("kim", now())
    start.prepare(app)
    with app.app_context():
        assert caution.since() is None


def queued(at: datetime) -> None:
    with write() as session:
        session.add(
            Message(
                kind="notice", channel=ChannelKind.EMAIL, state=MessageState.QUEUED, created_at=at,
                next_at=at, attempts=0, key="k", created_by="kim",
            )
        )  # fmt: skip


def synced_further() -> int:
    """An integration that had come further than its database says."""
    id_ = an_integration()
    with write() as session:
        session.get_one(Integration, id_).snapshots = 1
    rollback_detection.note(id_, HighWaterMark(3, 2))
    return id_


def test_a_copy_put_in_place_by_hand_is_noticed_before_anything_is_sent(app: Flask) -> None:
    with app.app_context():
        id_ = synced_further()
        queued(now())
    start.prepare(app)
    with app.app_context():
        assert caution.since() is not None
        assert db.session.scalars(select(Message.state)).all() == [MessageState.CANCELLED]
        assert db.session.get_one(Integration, id_).suspect == Absence.RESTORED


def test_a_database_that_is_the_newest_starts_without_caution(app: Flask) -> None:
    with app.app_context():
        id_ = synced_further()
        rollback_detection.note(id_, HighWaterMark(0, 1))
        queued(now())
    start.prepare(app)
    with app.app_context():
        assert caution.since() is None
        assert db.session.scalars(select(Message.state)).all() == [MessageState.QUEUED]


def test_a_confirmed_copy_is_not_noticed_again_at_the_next_start(app: Flask) -> None:
    with app.app_context():
        id_ = synced_further()
    start.prepare(app)
    with app.app_context():
        caution.end("kim", now())
    start.prepare(app)
    with app.app_context():
        assert caution.since() is None
        assert db.session.get_one(Integration, id_).suspect == Absence.RESTORED, "until a snapshot completes"
