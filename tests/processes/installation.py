"""An installation of several nodes on one PostgreSQL: each with a data folder of its own, the same keys."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from flask import Flask

from harmony import create_app
from harmony.clock import now
from harmony.config import Settings
from harmony.db import db, write
from harmony.jobs.queue import queue_of
from harmony.models import SetupPage
from harmony.models.access import Role
from harmony.models.configuration import SERVER, ServerDetails, to_row
from harmony.ops.migrate import migrate
from harmony.security.credentials import seal_secrets
from harmony.security.keys import new_vault_key
from harmony.security.users import create_user
from tests.builders import a_choice, an_integration
from tests.canaries import watch
from tests.conftest import ADMINISTRATOR, PASSWORD
from tests.processes.product import Product, running
from tests.waiting import wait_for

WEB, WORKERS = ("app.py", "--web"), ("app.py", "--worker")
SECRET = "the key of the queue on every node of the test"


class Installation:
    """One database; nodes are started on it by name, each with a data folder of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.vault_key = new_vault_key()
        watch(SECRET, self.vault_key)

    @contextmanager
    def opened(self) -> Iterator[Flask]:
        """The application in this process, for writing what a browser would."""
        keys = {"secret_key": SECRET, "vault_keys": (self.vault_key,)}
        app = create_app(Settings(data_dir=self.folder / "test", database_url=self.url, demo=True, **keys))  # type: ignore[arg-type]
        with app.app_context():
            try:
                yield app
            finally:
                db.session.remove()
                db.engine.dispose()
                queue_of(app).storage.close()
        gc.collect()

    def prepare(self, details: ServerDetails, *choices: Sequence[str]) -> None:
        """Migrate, with an administrator and an integration for each choice of groups; none is due."""
        with self.opened():
            migrate(now())
            create_user(ADMINISTRATOR, PASSWORD, Role.ADMINISTRATOR, now())
            for number, groups in enumerate(choices, start=1):
                assert an_integration(a_choice(*groups), None, name=f"Test UEM {number}") == number
                server = to_row(seal_secrets(number, details))
                with write() as session:
                    page = session.get_one(SetupPage, (number, SERVER))
                    page.draft = page.applied = server

    def node(
        self, name: str, command: tuple[str, ...] = WEB, *, anew: bool = False, **environment: str
    ) -> Any:
        """A process of the product on a node of this name, as a context."""
        ours = {
            "HARMONY_NODE": name, "HARMONY_DATABASE_URL": self.url,
            "HARMONY_SECRET_KEY": SECRET, "HARMONY_VAULT_KEYS": self.vault_key,
        }  # fmt: skip
        return running(self.folder / name, command, anew=anew, **(ours | environment))

    @contextmanager
    def two_and_two(self, **environment: str) -> Iterator[tuple[list[Product], list[Product]]]:
        """Two dashboards and two workers, all of them ready."""
        with ExitStack() as stack:
            webs = [stack.enter_context(self.node(f"web{n}", WEB, **environment)) for n in (1, 2)]
            workers = [stack.enter_context(self.node(f"worker{n}", WORKERS, **environment)) for n in (1, 2)]
            for web in webs:
                web.until_ready()
            wait_for(lambda: len(self.ask("SELECT 1 FROM worker WHERE stopped_at IS NULL")) >= 2, "workers")
            yield webs, workers

    def ask(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of a statement, over a connection of its own; none of one that changes something."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            found = connection.execute(sql.encode(), values)
            return found.fetchall() if found.description else []

    def states(self, integration_id: int = 1) -> list[str]:
        """How every device sync of an integration ended, oldest first."""
        syncs = "SELECT state FROM job_run WHERE kind = 'devices' AND integration_id = %s ORDER BY id"
        found = self.ask(syncs, integration_id)
        return [row[0] for row in found]

    def until(self, *states: str, integration_id: int = 1, seconds: float = 90) -> None:
        """Wait until the device syncs have exactly these states."""
        look = f"the runs {states}"
        wait_for(lambda: self.states(integration_id) == list(states), look, seconds)
