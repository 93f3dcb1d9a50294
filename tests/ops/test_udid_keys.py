"""The step that folds stored UDIDs (rung F without faults): nothing is merged, nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from flask_migrate import downgrade, upgrade
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


def test_stored_keys_are_folded_and_two_spellings_stay_two_rows(
    context: Flask, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level("WARNING")
    store(an_integration(), 4)
    with write() as session:
        for number, device in enumerate(session.scalars(select(Device).order_by(Device.id))):
            device.udid = UDIDS[number]
    db.session.remove()
    scripts = str(migrate.SCRIPTS)
    downgrade(directory=scripts, revision="0006")
    assert keys() == [udid.casefold() for udid in UDIDS]
    db.session.remove()
    upgrade(directory=scripts)
    folded = UDIDS[1]
    assert keys() == [folded, folded, "", "udid3"]
    assert "1 UDIDs are shared" in caplog.text
    assert folded not in caplog.text.casefold().replace("-", "")


def test_a_row_whose_key_is_right_is_not_written(context: Flask) -> None:
    store(an_integration(), 2)
    with write() as session:
        session.execute(update(Device).values(udid=""))
    db.session.remove()
    downgrade(directory=str(migrate.SCRIPTS), revision="0006")
    upgrade(directory=str(migrate.SCRIPTS))
    assert keys() == ["", ""]
