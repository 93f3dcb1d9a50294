"""A PostgreSQL that writes dates in another way than ISO (rung: shell)."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from harmony import create_app
from harmony.config import Settings
from harmony.db import db
from tests.database import INITDB, Server

pytestmark = pytest.mark.skipif(not INITDB, reason="needs PostgreSQL: apt-get install postgresql")


@pytest.mark.parametrize("style", ["German, DMY", "SQL, DMY", "Postgres, MDY"])
def test_times_are_read_whatever_style_the_database_has(tmp_path: Path, server: Server, style: str) -> None:
    with server.database() as url:
        name = url.partition("@/")[2].partition("?")[0]
        server.execute(f"ALTER DATABASE \"{name}\" SET datestyle = '{style}'")
        with create_app(Settings(data_dir=tmp_path, database_url=url)).app_context():
            assert db.session.scalar(text("SELECT DATE '2026-01-31'::text")) == "2026-01-31"
            db.session.remove()
            db.engine.dispose()
