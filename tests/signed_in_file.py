"""A database with a signed-in administrator, prepared once and copied: most tests of pages begin there.

Signing in by the form takes ten statements that write, and a new application for each test.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import update

from harmony import create_app
from harmony.clock import now, steady
from harmony.config import Settings
from harmony.db import db, write
from harmony.models import Role, SignInSession
from harmony.security.sessions import SESSION
from harmony.security.users import create_user

_folders: set[Path] = set()


@dataclass
class SignedInFile:
    """The file, and the cookie of the session in it."""

    content: bytes
    token: str

    def copy_to(self, folder: Path) -> None:
        """Put a copy into a folder of data, of which `is_signed_in` knows from then on."""
        (folder / "harmony.db").write_bytes(self.content)
        _folders.add(folder)


def prepared(folder: Path, migrated_file: Path, name: str, password: str) -> SignedInFile:
    """Sign the administrator in, by the form, in a copy of the migrated database."""
    (folder / "harmony.db").write_bytes(migrated_file.read_bytes())
    app = create_app(Settings(data_dir=folder, demo=True, backup_hours=0))
    with app.app_context():
        create_user(name, password, Role.ADMINISTRATOR, now())
        client = app.test_client()
        answer = client.post("/sign-in", data={"name": name, "password": password})
        assert answer.status_code == 303, answer.get_data(as_text=True)
    write_out(app)
    cookie = client.get_cookie(SESSION)
    assert cookie is not None
    return SignedInFile((folder / "harmony.db").read_bytes(), cookie.value)


def write_out(app: Flask) -> None:
    """Have all rows in the file itself, and close it."""
    with app.app_context():
        db.session.remove()
        with db.engine.connect() as connection:
            connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.engine.dispose()


def renew_session() -> None:
    """Let the session begin now, by a password that was typed now."""
    at = steady()
    with write() as session:
        session.execute(update(SignInSession).values(created_at=at, seen_at=at, reauthenticated_at=at))


def is_signed_in(app: Flask) -> bool:
    """Tell if the application works on a copy of the prepared file."""
    settings: Settings = app.extensions["harmony.settings"]
    return settings.data_dir in _folders


def wants_signed_in(request: pytest.FixtureRequest) -> bool:
    """Tell if a test begins signed in. Those of passwords keep hashes of the usual strength."""
    return "signed_in" in request.fixturenames and "security" not in request.path.parts
