"""A data folder whose one integration is in force and syncs a simulated UEM; copies of it, syncs in it."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from flask import Flask

from harmony import create_app
from harmony.clock import now
from harmony.config import Settings
from harmony.db import db, write
from harmony.jobs.uem_client import open_client
from harmony.models import Integration, IntegrationState, SetupPage
from harmony.models.configuration import SERVER, SYNCHRONIZATION, ServerDetails, Synchronization, to_row
from harmony.ops.migrate import migrate
from harmony.setup import drafts, groups
from harmony.uem.records import GroupKind
from tests.bench.process import Measured, child
from tests.bench.simulated import TOP_ID, Simulated

INTEGRATION = 1
# The default pace would hold up a run of more than a thousand pages; the UEM's own limit is 5,000.
CALLS_PER_MINUTE = 4999
# Names the PostgreSQL database of a data folder; without it the folder has a SQLite file.
URL_FILE = "database.url"


@contextmanager
def opened(folder: Path) -> Iterator[Flask]:
    """The application on a data folder, in this process."""
    app = create_app(
        Settings(data_dir=folder, database_url=url_of(folder), demo=True, calls_per_minute=CALLS_PER_MINUTE)
    )
    with app.app_context():
        try:
            yield app
        finally:
            db.session.remove()
            db.engine.dispose()
    gc.collect()


def url_of(folder: Path) -> str:
    """HARMONY_DATABASE_URL of a folder's database; "" for SQLite."""
    file = folder / URL_FILE
    return file.read_text(encoding="utf-8") if file.exists() else ""


def make(folder: Path, uem: Simulated, *, every_group: bool = False, database_url: str = "") -> Path:
    """A migrated folder with one active integration that reads the top group, or every group."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if database_url:
        (folder / URL_FILE).write_text(database_url, encoding="utf-8")
    with opened(folder):
        migrate(now())
        id_ = drafts.create("workspace_one", now(), server_details(uem))
        choice = _choice(id_, every_group)
        with write() as session:
            integration = session.get_one(Integration, id_)
            integration.state, integration.sync_job.next_at = IntegrationState.ACTIVE, now()
            server = session.get_one(SetupPage, (id_, SERVER))
            server.applied = server.draft
            row = to_row(choice)
            session.add(SetupPage(integration_id=id_, name=SYNCHRONIZATION, draft=row, applied=row))
    return folder


def copy(template: Path, target: Path) -> Path:
    """A fresh copy, so that a first sync can be a first one again."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(template, target)
    return target


def sync(folder: Path) -> Measured:
    """One sync in a process of its own. Raises RuntimeError when it did not end well."""
    found = child("tests.bench.one_sync", str(folder))
    if found.said["state"] != "ok":
        raise RuntimeError(f"the measured sync ended {found.said}")
    return found


def server_details(uem: Simulated) -> ServerDetails:
    said = uem.said
    return ServerDetails(
        display_name="Bench",
        server_address=said["url"],
        token_address=said["token_url"],
        client_id=said["client_id"],
        client_secret=said["client_secret"],
        self_signed=True,
        certificate=said["ca_pem"],
    )


def _choice(id_: int, every_group: bool) -> Synchronization:
    server = db.session.get_one(Integration, id_).draft.server
    db.session.rollback()
    with closing(open_client(id_, "workspace_one", server)) as client:
        groups.remember(id_, client.groups())
    keys = [
        groups.key(one.kind, one.external_id)
        for one in groups.known(id_)
        if one.kind == GroupKind.ORGANIZATION and (every_group or one.external_id == str(TOP_ID))
    ]
    choice = Synchronization(groups=groups.chosen(groups.known(id_), keys, []))
    db.session.rollback()
    return choice
