"""Migrations on both databases (rung F without faults): fresh, again, newer, backed up, three at once."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import func, select, text

from harmony import create_app
from harmony.config import Settings
from harmony.db import Base, db, is_sqlite, write
from harmony.models import Device, Integration, JobRun, SyncRunState
from harmony.models.event_partitions import is_partition
from harmony.models.queue_tables import is_of_queue
from harmony.models.search_index import TRIGGERS, is_made_here, is_there
from harmony.ops import migrate
from harmony.sync import indexing
from harmony.web.devices.queries import every, filters_of
from tests import preloaded
from tests.builders import NOON
from tests.database import Server, on_both

database = on_both


PROGRAM = """
import sys
from pathlib import Path
from harmony import create_app
from harmony.clock import now
from harmony.config import Settings
from harmony.ops.migrate import migrate
app = create_app(Settings(data_dir=Path(sys.argv[1]), database_url=sys.argv[2]))
with app.app_context():
    migrate(now())
"""


def a_database_at(step: str) -> None:
    """Bring the empty database to a former step, with an integration in it."""
    upgrade(directory=str(migrate.SCRIPTS), revision=step)
    columns = "id, kind, name, state, version, created_at, fence"
    with write() as session:
        values = "1, 'workspace_one', 'Head office', 'active', 1, '2026-01-15 12:00:00.000000', 3"
        session.execute(text(f"INSERT INTO integration ({columns}) VALUES ({values})"))  # noqa: S608 - ours


def insert_rows(table: str, rows: Iterable[Mapping[str, object]]) -> None:
    with write() as session:
        for row in rows:
            names, places = ", ".join(row), ", ".join(f":{name}" for name in row)
            session.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), row)  # noqa: S608 - ours


@pytest.fixture
def at_step(context: Flask) -> Iterator[Callable[[str], None]]:
    """Claim that the database is at another step; a shared one is put right afterwards."""

    def claim(step: str | None) -> None:
        with write() as session:
            session.execute(text("UPDATE alembic_version SET version_num = :step"), {"step": step})

    yield claim
    db.session.rollback()
    claim(migrate.head())


@pytest.fixture
def empty_url(database: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """HARMONY_DATABASE_URL of a database without tables."""
    if database == "sqlite":
        yield ""
        return
    server: Server = request.getfixturevalue("server")
    with server.database() as url:
        yield url


def test_the_steps_lead_to_exactly_the_tables_of_the_models(context: Flask) -> None:
    with db.engine.connect() as connection:

        def is_of_a_model(name: str | None, _kind: str, _parents: object) -> bool:
            return not (is_made_here(name) or is_partition(name) or is_of_queue(name))

        opts = {"compare_type": True, "include_name": is_of_a_model}
        made = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(made, Base.metadata) == []


def test_migrating_again_changes_nothing_and_makes_no_backup(context: Flask, settings: Settings) -> None:
    migrate.migrate(NOON)
    assert list(settings.data_dir.glob("*.backup.db")) == []


def test_a_database_of_a_newer_version_is_refused_untouched(
    context: Flask, settings: Settings, at_step: Callable[[str], None]
) -> None:
    at_step("9999")
    with write() as session:
        migrate.installation(session).serves_from = "9999"
    with pytest.raises(migrate.DatabaseTooNew, match="newer version"):
        migrate.migrate(NOON)
    assert list(settings.data_dir.glob("*.backup.db")) == []


def test_a_version_that_a_newer_schema_still_serves_goes_on_and_an_older_one_is_refused(
    context: Flask, at_step: Callable[[str], None]
) -> None:
    at_step("9999")
    for oldest, served in ((str(migrate.head()), True), ("9998", False)):
        with write() as session:
            migrate.installation(session).serves_from = oldest
        assert migrate.is_served() is served
    with pytest.raises(migrate.DatabaseTooNew):
        migrate.migrate(NOON)
    with write() as session:
        migrate.installation(session).serves_from = str(migrate.head())
    migrate.migrate(NOON)
    at_step("0039")
    assert not migrate.is_served(), "an older schema is migrated first"


def test_who_is_served_is_written_with_the_steps_or_not_at_all(
    tmp_path: Path, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed upgrade would leave a schema that an older program takes for one that serves it."""
    app = create_app(Settings(data_dir=tmp_path, database_url=empty_url))

    def killed(**_: object) -> None:
        upgrade(directory=str(migrate.SCRIPTS))
        raise KeyboardInterrupt

    with app.app_context():
        upgrade(directory=str(migrate.SCRIPTS), revision="0041")
        with write() as session:
            session.execute(text("INSERT INTO installation (id, serves_from) VALUES (1, '0040')"))
        monkeypatch.setattr(migrate, "upgrade", killed)
        with pytest.raises(KeyboardInterrupt):
            migrate.migrate(NOON)
        assert db.session.scalar(text(migrate.SELECT_SERVES_FROM)) == migrate.SERVES_FROM
        db.session.remove()
        db.engine.dispose()


def test_the_command_that_upgrades_keeps_a_backup_and_refuses_a_newer_database_as_a_start_does(
    tmp_path: Path, empty_url: str, database: str
) -> None:
    app = create_app(Settings(data_dir=tmp_path, database_url=empty_url))
    with app.app_context():
        a_database_at("0001")
        db.session.remove()
    said = app.test_cli_runner().invoke(args=["db", "upgrade"])
    assert said.exit_code == 0, said.output
    assert len(list(tmp_path.glob("*.backup.d*"))) == (database == "sqlite" or bool(shutil.which("pg_dump")))
    with app.app_context():
        with write() as session:
            session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
            session.execute(text("UPDATE installation SET serves_from = '9999'"))
        db.session.remove()
    said = app.test_cli_runner().invoke(args=["db", "upgrade"])
    assert (said.exit_code, "A newer version of Harmony" in said.output) == (1, True)
    with app.app_context():
        db.engine.dispose()


def test_the_command_that_upgrades_to_a_step_waits_for_the_node_that_migrates(
    tmp_path: Path, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(Settings(data_dir=tmp_path, database_url=empty_url))
    waited: list[float] = []
    with app.app_context():
        if is_sqlite():  # has one machine, whose start holds the lock of the data folder
            return
        a_database_at("0001")
        db.session.remove()
        other = db.engine.connect()
        lock = int.from_bytes(b"Migrate")
        other.execute(select(func.pg_advisory_lock(lock)))

        def end_other(seconds: float) -> None:
            waited.append(seconds)
            other.execute(select(func.pg_advisory_unlock(lock)))

        monkeypatch.setattr(migrate.time, "sleep", end_other)
        said = app.test_cli_runner().invoke(args=["db", "upgrade", "0002"])
        assert (said.exit_code, len(waited), migrate.revision()) == (0, 1, "0002"), said.output
        other.close()
        db.session.remove()
        db.engine.dispose()


def test_an_upgrade_keeps_the_rows_and_a_backup_or_says_that_there_is_none(
    tmp_path: Path, empty_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING")
    app = create_app(Settings(data_dir=tmp_path, database_url=empty_url))
    with app.app_context():
        a_database_at("0001")
        migrate.migrate(NOON)
        db.session.rollback()
        assert migrate.revision() == migrate.head()
        assert db.session.scalars(select(Integration.name)).all() == ["Head office"]
        expected = (1, 0) if is_sqlite() or shutil.which("pg_dump") else (0, 1)
        db.session.remove()
        db.engine.dispose()
    assert (len(list(tmp_path.glob("*.backup.d*"))), caplog.text.count("pg_dump")) == expected


def a_device_row(number: int, **more: object) -> dict[str, object]:
    texts = dict.fromkeys(
        ("uuid", "udid_key", "serial", "imei", "name_key", "phone", "platform", "model", "os_version",
         "ownership", "group_id", "group_name", "enrollment_status", "compliance", "search_text",
         "fingerprint", "absent_why"), "",
    )  # fmt: skip
    return {**texts, "id": number, "integration_id": 1, "udid": f"AB-{number}", **more}


def test_an_upgrade_indexes_the_devices_that_are_there_and_keeps_them_found(
    tmp_path: Path, empty_url: str
) -> None:
    app = create_app(Settings(data_dir=tmp_path, database_url=empty_url))
    days = dict.fromkeys(("last_seen_at", "created_at", "updated_at"), "2026-01-15 12:00:00.000000")
    with app.app_context():
        a_database_at("0001")
        upgrade(directory=str(migrate.SCRIPTS), revision="0024")
        names = {"name": "Zo\u00eb", "user_name": "zoe", "email": ""}
        insert_rows(
            "device", [a_device_row(id_, search_text=f"zoe {id_}", **names, **days) for id_ in (3, 700)]
        )
        migrate.migrate(NOON)
        db.session.rollback()
        assert is_there(db.session.connection())
        if is_sqlite():
            found = db.session.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all()
            assert set(found) > set(TRIGGERS)
        for _ in range(2):
            assert {row.id for row in every(filters_of({"q": "zoe"}))} == {3, 700}
            indexing.catch_up(lambda: False)
        db.session.remove()
        db.engine.dispose()


def test_a_role_that_may_not_add_the_extension_has_no_index_until_somebody_else_adds_it(
    tmp_path: Path, server: Server
) -> None:
    with server.database() as url:
        name = url.partition("@/")[2].partition("?")[0]
        server.execute("DROP ROLE IF EXISTS plain")
        server.execute("CREATE ROLE plain LOGIN")
        server.execute("GRANT CREATE ON SCHEMA public TO plain", name)
        app = create_app(Settings(data_dir=tmp_path, database_url=url.replace("//harmony@", "//plain@")))
        with app.app_context():
            migrate.migrate(NOON)
            assert not is_there(db.session.connection())
            db.session.rollback()
            server.execute("CREATE EXTENSION pg_trgm", name)
            migrate.migrate(NOON)
            assert is_there(db.session.connection())
            db.session.remove()
            db.engine.dispose()
    server.execute("DROP ROLE plain")


def test_an_upgrade_folds_the_search_keys_anew_and_forgets_times_that_mean_never(
    tmp_path: Path, empty_url: str
) -> None:
    devices = [
        a_device_row(
            number, name=f"Zo\u00eb\u2019s {number}", user_name="zoe", email="Zoe@Example.com",
            **dict.fromkeys(("last_seen_at", "created_at", "updated_at"), f"{day} 12:00:00.000000"),
        ) for number, day in ((1, "1753-01-01"), (2, "2026-01-15"), (7, "9999-12-31"))
    ]  # fmt: skip
    app = create_app(Settings(data_dir=tmp_path, database_url=empty_url))
    with app.app_context():
        a_database_at("0006")
        with write() as session:
            for row in devices:
                names = ", ".join(row)
                places = ", ".join(f":{name}" for name in row)
                session.execute(text(f"INSERT INTO device ({names}) VALUES ({places})"), row)  # noqa: S608 - ours
        migrate.migrate(NOON)
        db.session.rollback()
        found = db.session.scalars(select(Device).order_by(Device.id)).all()
        assert [row.name_key for row in found] == ["zoe's 1", "zoe's 2", "zoe's 7"]
        assert found[0].search_text == "zoe's 1\n\nab-1\nab1\nzoe\nzoe@example.com"
        assert [row.last_seen_at for row in found] == [None, NOON, None]
        db.session.remove()
        db.engine.dispose()


EARLIER, LATER = "2026-01-15 11:00:00.000000", "2026-01-15 13:00:00.000000"
JOB = {
    "next_at": LATER, "requested_at": EARLIER, "requested_by": "kim", "whole": False, "done_up_to": EARLIER,
    "failures": 2, "parked_why": "The account may not.", "lease_owner": "host/boot/1:2:3",
    "lease_until": LATER, "fence": 7, "batch_limit": 50,
}  # fmt: skip
RUN = {
    "started_by": "kim", "started_at": EARLIER, "heartbeat_at": LATER, "owner": "host/boot/1:2:3", "fence": 7,
    "step": "Reading", "counts": '{"read": 5}', "calls": 9, "quota_left": 80, "quota_limit": 100,
    "reason": "The UEM answered.", "advice": "Wait.",
}  # fmt: skip

NO_DEVICES = {"kind": "snapshot", "version": 1} | dict.fromkeys(
    ("pages_read", "devices_read", "added", "updated", "unchanged", "missing", "reappeared", "deleted",
     "restored", "skipped"), 0,
)  # fmt: skip
# The columns of an integration that moved to its job, and what they are called there.
MOVED = {
    "next_sync_at": "next_at", "next_delta_at": "refresh_at", "sync_requested_at": "requested_at",
    "sync_requested_by": "requested_by", "lease_owner": "lease_owner", "lease_until": "lease_until",
    "fence": "fence", "failures": "failures",
}  # fmt: skip
DEVICE_SYNC = {
    "next_sync_at": LATER, "next_delta_at": EARLIER, "sync_requested_at": EARLIER, "sync_requested_by": "lee",
    "lease_owner": "host/boot/4:5:6", "lease_until": LATER, "fence": 9, "failures": 6,
}  # fmt: skip


def stored(table: str, order: str) -> list[dict[str, object]]:
    found = db.session.execute(text(f"SELECT * FROM {table} ORDER BY {order}")).mappings()  # noqa: S608 - ours
    rows = [{name: value for name, value in row.items() if value is not None} for row in found]
    db.session.rollback()
    return rows


def test_an_upgrade_carries_every_job_lease_run_and_reason_over(tmp_path: Path, empty_url: str) -> None:
    app = create_app(Settings(data_dir=tmp_path, database_url=empty_url))
    states = [state.value for state in SyncRunState]
    with app.app_context():
        a_database_at("0014")
        idle = {"whole": True, "failures": 0, "fence": 1}
        insert_rows(
            "duty",
            [{"integration_id": 1, "name": "apps"} | JOB, {"integration_id": 1, "name": "tagging"} | idle],
        )
        runs = [
            {"id": 10 * place, "integration_id": 1, "duty": ("apps", "tagging")[place % 2], "state": state}
            | RUN | ({} if state == "running" else {"finished_at": LATER})
            for place, state in enumerate(states, 1)
        ]  # fmt: skip
        insert_rows("duty_run", runs)
        syncs = [{key: value for key, value in row.items() if key not in {"duty", "counts"}} for row in runs]
        insert_rows("sync_run", [row | NO_DEVICES for row in syncs])
        with write() as session:
            values = ", ".join(f"{column} = :{column}" for column in DEVICE_SYNC)
            session.execute(text(f"UPDATE integration SET {values}"), DEVICE_SYNC)  # noqa: S608 - ours
        before = {table: stored(table, "1, 2") for table in ("duty", "duty_run", "sync_run")}
        (integration,) = stored("integration", "1")
        migrate.migrate(NOON)
        jobs = [
            {("kind" if key == "name" else key): value for key, value in row.items()}
            for row in before["duty"]
        ]
        former = [
            {("kind" if key == "duty" else key): value for key, value in row.items()}
            for row in before["duty_run"]
        ]
        assert (len(jobs), len(former)) == (2, len(states))
        device_sync = {name: integration[column] for column, name in MOVED.items()}
        first, second, third = stored("job", "1, 2")
        assert [first, third] == jobs
        assert second == {"integration_id": 1, "kind": "devices", "whole": True} | device_sync
        runs = stored("job_run", "1, 2")
        assert {(row["kind"], row["id"]) for row in runs if row["kind"] == "devices"} == {
            ("devices", row["id"]) for row in before["sync_run"]
        }
        others = [row for row in runs if row["kind"] != "devices"]
        carried = [row | {"id": row["former_id"]} for row in others]
        added = {"former_id", "sync_kind"}
        assert [{key: row[key] for key in row.keys() - added} for row in carried] == former
        with write() as session:
            run = JobRun(
                integration_id=1,
                kind="apps",
                started_by="kim",
                started_at=NOON,
                heartbeat_at=NOON,
                owner="w",
                fence=8,
                counts={},
            )
            session.add(run)
            session.flush()
            assert run.id > max(row["id"] for row in runs), "the numbers go on"  # type: ignore[type-var]
        db.session.remove()
        db.engine.dispose()


def test_a_database_that_cannot_be_reached_is_one_sentence_without_the_password(tmp_path: Path) -> None:
    url = "postgresql://harmony:canary-password@127.0.0.1:1/harmony"
    app = create_app(Settings(data_dir=tmp_path, database_url=url))
    with app.app_context(), pytest.raises(migrate.DatabaseSilent, match="does not answer") as said:
        migrate.migrate(NOON)
    assert "canary" not in str(said.value)
    assert "\n" not in str(said.value)


def test_three_processes_may_migrate_at_once(tmp_path: Path, empty_url: str) -> None:
    command = ["-c", PROGRAM, str(tmp_path), empty_url]
    processes = [preloaded.Process(command, os.environ, (0, 1, 2)) for _ in range(3)]
    assert [process.wait(120) for process in processes] == [0, 0, 0]


def test_the_files_of_a_first_start_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert preloaded.run("-c", PROGRAM, str(folder), "") == 0
    modes = {file.name: oct(stat.S_IMODE(os.stat(file).st_mode)) for file in folder.iterdir()}
    assert set(modes.values()) == {"0o600"}, modes
    assert {"harmony.db", "queue.db", "secret.key", "vault.keys"} <= set(modes)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
