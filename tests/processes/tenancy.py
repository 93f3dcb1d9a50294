"""A data folder for the running product: an integration with the simulated UEM, and looks into the file."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from flask import Flask

from harmony import create_app
from harmony.clock import now
from harmony.config import Settings
from harmony.db import db, sqlite_module, write
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.jobs.queue import enqueue
from harmony.jobs.tally import Tally
from harmony.models import SetupPage
from harmony.models.access import Role
from harmony.models.configuration import SERVER, ServerDetails, to_row
from harmony.security.credentials import seal_secrets
from harmony.security.users import create_user
from harmony.simulator.context import Tenant
from harmony.simulator.server import RunningSimulator
from harmony.sync import job as sync_job
from tests.builders import NOON, a_choice, an_integration
from tests.conftest import ADMINISTRATOR, PASSWORD
from tests.waiting import wait_for

# Whoever marks a device missing leaves a trace here, even when somebody undoes it later.
WATCH = """
CREATE TABLE was_missing (external_id TEXT);
CREATE TRIGGER watch_missing AFTER UPDATE OF missing_since ON device WHEN NEW.missing_since IS NOT NULL
BEGIN INSERT INTO was_missing VALUES (NEW.external_id); END;
"""
# Two tenancies that took other numbers of snapshots delete at other times, and one after the other.
WHEN_IT_WENT = {"missing_since", "absent_from", "deleted_at", "deleted_by"}
NOT_COMPARED = {"id", "integration_id", "created_at", "updated_at", *WHEN_IT_WENT}
SEARCH = "/mdm/devices/search"
LONGER_THAN_ANY_TEST = 600_000
# A page as slow as this is written before the next one has come (`snapshot.LONGEST_KEPT_BACK`).
A_GLANCE_MS = 1000


class Tenancy:
    """One data folder with one integration (id 1); asks the database file directly."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings(data_dir=folder, demo=True)

    @contextmanager
    def opened(self) -> Iterator[Flask]:
        """The application on this folder, in this process, for writing what a browser would."""
        app = create_app(self.settings)
        with app.app_context():
            try:
                yield app
            finally:
                db.session.remove()
                db.engine.dispose()
        gc.collect()

    @contextmanager
    def writing(self) -> Iterator[Any]:
        """A connection of its own that keeps everybody else from writing."""
        database = self.settings.database_file
        with closing(sqlite_module().connect(database, timeout=30, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    def ask(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of a statement, over a connection of its own."""
        connection = sqlite_module().connect(self.settings.database_file, timeout=30, isolation_level=None)
        try:
            return list(connection.execute(sql, values).fetchall())
        finally:
            connection.close()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else is in the middle of a write."""
        connection = sqlite_module().connect(self.settings.database_file, timeout=30, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield
        finally:
            connection.close()

    @contextmanager
    def read(self) -> Iterator[None]:
        """Somebody reads all the while: the WAL cannot begin anew, and only grows."""
        connection = sqlite_module().connect(self.settings.database_file, timeout=30, isolation_level=None)
        try:
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM device").fetchall()
            yield
        finally:
            connection.close()

    def runs(self) -> list[dict[str, Any]]:
        """Every device sync, oldest first; its counts beside its columns."""
        names = [row[1] for row in self.ask("PRAGMA table_info(job_run)")]
        rows = self.ask("SELECT * FROM job_run WHERE kind = 'devices' ORDER BY id")
        runs = [dict(zip(names, row, strict=True)) for row in rows]
        return [dict.fromkeys(asdict(Tally()), 0) | run | json.loads(run["counts"]) for run in runs]

    def states(self) -> list[str]:
        """How every device sync ended, oldest first."""
        return [row[0] for row in self.ask("SELECT state FROM job_run WHERE kind = 'devices' ORDER BY id")]

    def until(self, *states: str, seconds: float = 60) -> dict[str, Any]:
        """Wait until the runs have exactly these states; the last of them."""
        try:
            wait_for(lambda: self.states() == list(states), f"the runs {states}", seconds)
        except AssertionError as late:
            raise AssertionError(f"{late}; there are {self.runs()}") from None
        return self.runs()[-1]

    def until_pages(self, pages: int = 1) -> dict[str, Any]:
        """Wait until the newest run is under way and has read so many pages."""

        def under_way() -> dict[str, Any] | None:
            newest = (self.runs() or [{"state": ""}])[-1]
            return newest if newest["state"] == "running" and newest["pages_read"] >= pages else None

        found = wait_for(under_way, f"{pages} pages of a run")
        assert found is not None
        return found

    def request_sync(self) -> None:
        """Sync Now, as the dashboard does it."""
        with self.opened():
            assert lease.request(1, JobKind.DEVICES, ADMINISTRATOR, now())
            enqueue(JobKind.DEVICES, 1)

    def sync_unbroken(self) -> None:
        """One whole sync in this process."""
        with self.opened():
            lease.request(1, JobKind.DEVICES, ADMINISTRATOR, now())
            sync_job.sync(1)
        assert self.states()[-1] == "ok", self.runs()[-1]

    def was_missing(self) -> list[tuple[Any, ...]]:
        """Whom anybody ever marked missing."""
        return self.ask("SELECT external_id FROM was_missing")

    def dump(self) -> list[tuple[Any, ...]]:
        """Devices with their groups as the UEM knows them: without our ids and times."""
        names = [row[1] for row in self.ask("PRAGMA table_info(device)") if row[1] not in NOT_COMPARED]
        columns = ", ".join(f"d.{name}" for name in names)
        return self.ask(
            f"SELECT {columns}, d.missing_since IS NOT NULL, m.group_kind, m.group_id"  # noqa: S608 - our names
            " FROM device d LEFT JOIN membership m ON m.device_id = d.id"
            " ORDER BY d.external_id, m.group_kind, m.group_id"
        )

    def is_sound(self) -> None:
        """The file is whole, and no row points to nothing."""
        assert self.ask("PRAGMA integrity_check") == [("ok",)]
        assert self.ask("PRAGMA foreign_key_check") == []


def a_tenancy(
    folder: Path,
    migrated_file: Path,
    uem: RunningSimulator,
    groups: Sequence[str] = ("570",),
    due: datetime | None = NOON,
) -> Tenancy:
    """A migrated data folder with an administrator and an active integration; due at once by default."""
    folder.mkdir(mode=0o700)
    (folder / "harmony.db").write_bytes(migrated_file.read_bytes())
    tenancy = Tenancy(folder)
    with tenancy.opened():
        create_user(ADMINISTRATOR, PASSWORD, Role.ADMINISTRATOR, now())
        assert an_integration(a_choice(*groups), due) == 1
        server = to_row(seal_secrets(1, server_details(uem)))
        with write() as session:
            page = session.get_one(SetupPage, (1, SERVER))
            page.draft = page.applied = server
    connection = sqlite_module().connect(tenancy.settings.database_file)
    connection.executescript(WATCH)
    connection.close()
    return tenancy


def server_details(uem: RunningSimulator) -> ServerDetails:
    """Page 1 of the wizard for this simulated UEM."""
    return ServerDetails(
        display_name="Simulated UEM",
        server_address=uem.url,
        token_address=uem.token_url,
        client_id=uem.credentials.client_id,
        client_secret=uem.credentials.client_secret,
        self_signed=True,
        certificate=uem.ca_pem,
    )


def hold(uem: RunningSimulator, after: int) -> None:
    """Let the UEM list so many pages of devices and then fall silent: who reads on is in mid-run for sure."""
    uem.tenant.faults.add("slow", path=SEARCH, after=after, value=LONGER_THAN_ANY_TEST)


@contextmanager
def held_back(uem: RunningSimulator, after: int) -> Iterator[Callable[[], None]]:
    """Let the UEM list so many pages of devices, and answer the next when the yielded function is called."""
    released, usual = threading.Event(), Tenant.wait

    def wait(tenant: Tenant, milliseconds: int) -> None:
        if milliseconds == LONGER_THAN_ANY_TEST:
            released.wait()
        else:
            usual(tenant, milliseconds)

    with patch.object(Tenant, "wait", wait):
        hold(uem, after)
        try:
            yield released.set
        finally:
            released.set()
            uem.tenant.faults.clear()


def let_go(uem: RunningSimulator) -> None:
    """Answer the next calls at once; those that are held stay so, like a connection that died."""
    uem.tenant.faults.clear()
