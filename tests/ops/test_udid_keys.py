"""The step that folds stored UDIDs (rung F without faults): nothing is merged, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import select, update

from harmony.db import db, write
from harmony.models import Device
from harmony.ops import migrate
from tests.builders import an_integration
from tests.database import on_both
from tests.stored import store

database = on_both

GUID = "3F2504E0-4F89-11D3-9A0C-0305E82C3301"
UDIDS = [GUID, GUID.replace("-", "").lower(), "{DeviceUid}", "UDID3"]


def keys() -> list[str]:
    db.session.rollback()
    return list(db.session.scalars(select(Device.udid_key).order_by(Device.id)))


@contextmanager
def the_step() -> Iterator[Any]:
    """Step 0007 alone, on the tables of this version: those after it change nothing that it reads."""
    db.session.remove()
    script = ScriptDirectory(str(migrate.SCRIPTS)).get_revision("0007")
    with db.engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        yield script.module


def test_stored_keys_are_folded_and_two_spellings_stay_two_rows(
    context: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING")
    store(an_integration(), 4)
    with write() as session:
        for number, device in enumerate(session.scalars(select(Device).order_by(Device.id))):
            device.udid = UDIDS[number]
    with the_step() as step:
        step.downgrade()
    assert keys() == [udid.casefold() for udid in UDIDS]
    with the_step() as step:
        step.upgrade()
    folded = UDIDS[1]
    assert keys() == [folded, folded, "", "udid3"]
    assert "1 UDIDs are shared" in caplog.text
    assert folded not in caplog.text.casefold().replace("-", "")


def test_a_row_whose_key_is_right_is_not_written(context: Flask) -> None:
    store(an_integration(), 2)
    with write() as session:
        session.execute(update(Device).values(udid=""))
    with the_step() as step:
        step.downgrade()
        step.upgrade()
    assert keys() == ["", ""]
