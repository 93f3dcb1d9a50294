"""Purging data that is no longer imported: every row, restartable, on each database (rung: shell)."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text

from harmony.db import Base, db, write
from harmony.models import Device, Integration, SetupPage
from harmony.models.configuration import SYNCHRONIZATION, Synchronization, to_row
from harmony.sync import redaction
from harmony.uem.privacy import PLACEHOLDER_EMAIL
from tests.builders import NOON, a_choice, an_integration
from tests.sync.stored import all_of, store_devices

pytestmark = pytest.mark.usefixtures("context")

PERSONAL = ("Kim's Pixel", "kim's pixel", "kim@example.com", "+49 30 1")


def pending(choice: Synchronization, devices: int) -> int:
    id_ = an_integration(choice, redact_pending=True)
    store_devices(id_, devices)
    return id_


def stored_anywhere(word: str) -> bool:
    """Whether any column of any table holds it."""
    return any(
        word in str(value)
        for table in Base.metadata.sorted_tables
        for row in db.session.execute(select(table))
        for value in row
    )


def test_all_off_leaves_no_personal_data_in_any_table() -> None:
    id_ = pending(a_choice(import_name=False, import_number=False, import_email=False), 3)
    assert all(stored_anywhere(word) for word in PERSONAL)
    assert redaction.purge(id_) == 3
    assert not any(stored_anywhere(word) for word in PERSONAL)
    first = all_of(id_)[0]
    assert (first.name, first.name_key, first.user_name, first.phone) == ("", "", "", "")
    assert first.email == PLACEHOLDER_EMAIL.format(udid="UDID-1")
    assert first.search_text == "\ns1\nudid-1\nudid1\n\n"
    assert (first.serial, first.udid, first.model) == ("S1", "UDID-1", "Pixel")
    assert first.fingerprint == ""
    assert not db.session.get_one(Integration, id_).redact_pending


@pytest.mark.parametrize(
    ("off", "blank"),
    [
        ("import_name", {"name", "name_key", "user_name", "search_text"}),
        ("import_number", {"phone"}),
        ("import_email", {"email", "search_text"}),
    ],
)
def test_each_toggle_clears_its_own_columns_and_no_other(off: str, blank: set[str]) -> None:
    id_ = pending(a_choice(**{off: False}), 1)
    columns = [column.name for column in Device.__table__.columns]
    before = {name: getattr(all_of(id_)[0], name) for name in columns}
    db.session.rollback()
    redaction.purge(id_)
    after = {name: getattr(all_of(id_)[0], name) for name in columns}
    assert {name for name in columns if before[name] != after[name]} == blank | {"fingerprint"}


def test_deleted_and_missing_devices_are_cleared_too_and_those_of_others_are_not() -> None:
    id_ = pending(a_choice(import_name=False), 2)
    other = an_integration(a_choice(import_name=False))
    store_devices(other, 1)
    with write() as session:
        session.execute(text("UPDATE device SET deleted_at = :at, missing_since = :at"), {"at": NOON})
    assert redaction.purge(id_) == 2
    assert {one.name for one in all_of(id_)} == {""}
    assert all_of(other)[0].name == "Kim's Pixel 1"


def test_what_is_purged_is_not_found_and_the_rest_still_is() -> None:
    id_ = pending(a_choice(import_email=False), 1)
    redaction.purge(id_)
    assert all_of(id_)[0].search_text == "kim's pixel 1\ns1\nudid-1\nudid1\nkim\n"


def test_nothing_is_touched_when_nothing_is_pending() -> None:
    id_ = an_integration(a_choice(import_name=False))
    store_devices(id_, 1)
    assert redaction.purge(id_) == 0
    assert all_of(id_)[0].fingerprint == "f1"


def test_what_a_process_that_died_left_is_finished_by_the_next_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "ROWS_PER_WRITE", 2)
    id_ = pending(a_choice(import_name=False), 5)
    real, calls = redaction._blank, []

    def dies(*arguments: object) -> int:
        calls.append(arguments)
        if len(calls) == 2:
            raise SystemExit
        return real(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(redaction, "_blank", dies)
        with pytest.raises(SystemExit):
            redaction.purge(id_)
    assert [one.name == "" for one in all_of(id_)] == [True, True, False, False, False]
    assert db.session.get_one(Integration, id_).redact_pending
    db.session.rollback()
    redaction.finish_pending()
    assert {one.name for one in all_of(id_)} == {""}
    assert not db.session.get_one(Integration, id_).redact_pending


def test_an_edit_during_the_purge_is_purged_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = pending(a_choice(import_name=False), 2)
    real = redaction._blank

    def edited(*arguments: object) -> int:
        with write() as session:
            integration = session.get_one(Integration, id_)
            integration.version += 1
            page = session.get_one(SetupPage, (id_, SYNCHRONIZATION))
            page.applied = to_row(a_choice(import_name=False, import_email=False))
        return real(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(redaction, "_blank", edited)
        redaction.purge(id_)
    assert db.session.get_one(Integration, id_).redact_pending
    redaction.finish_pending()
    assert {one.email for one in all_of(id_)} == {"UDID-1@WorkspaceONE.UEM", "UDID-2@WorkspaceONE.UEM"}


def test_no_write_clears_more_than_two_thousand_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = pending(a_choice(import_number=False), 4100)
    real, batches = redaction._blank, []

    def counted(*arguments: object) -> int:
        batches.append(real(*arguments))  # type: ignore[arg-type]
        return batches[-1]

    monkeypatch.setattr(redaction, "_blank", counted)
    assert redaction.purge(id_) == 4100
    assert max(batches) <= 2000
