"""Many rows at once, on both databases: what goes in comes out, and no look-up reads its whole table."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.pool import QueuePool

from harmony.db import bulk, db, is_sqlite, release, write
from tests.builders import NOON, an_integration
from tests.database import on_both

database = on_both
pytestmark = pytest.mark.usefixtures("context")

COLUMNS = (
    "integration_id", "external_id", "name", "last_seen_at", "compromised", "uuid", "udid", "udid_key",
    "serial", "imei", "name_key", "phone", "email", "user_name", "platform", "model", "os_version",
    "ownership", "group_id", "group_name", "enrollment_status", "compliance", "search_text", "fingerprint",
    "created_at", "updated_at", "absent_why", "id",
)  # fmt: skip
INSERT = f"INSERT INTO device ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
LATER = NOON + timedelta(hours=4)
# Whatever the format of a copy gives a meaning to.
ODD = ("", "\\N", "\\.", "a\tb", "line\nbreak", "back\\slash", '"quoted", ß 😀', "\r\n", "'")


def insert(integration_id: int, names: list[str], *, first: int = 1) -> list[int]:
    """Insert a device for each name; their ids in the UEM count from `first`."""
    time = bulk.encode_time(NOON)
    with write() as session:
        ids = list(bulk.new_ids(session, "device", len(names)))
        rows = []
        for number, (id_, name) in enumerate(zip(ids, names, strict=True), first):
            given = {"integration_id": integration_id, "external_id": str(number), "name": name, "id": id_}
            fixed = {"last_seen_at": time, "created_at": time, "updated_at": time, "compromised": None}
            rows.append(tuple((fixed | given).get(column, "") for column in COLUMNS))
        bulk.insert_many(session, INSERT, rows)
    return ids


def test_texts_come_out_as_they_went_in() -> None:
    ids = insert(an_integration(), list(ODD))
    found = dict(bulk.fetch_all(db.session(), "SELECT id, name FROM device"))
    assert found == dict(zip(ids, ODD, strict=True))
    ((seen, compromised),) = set(bulk.fetch_all(db.session(), "SELECT last_seen_at, compromised FROM device"))
    assert (bulk.decode_time(seen), compromised) == (NOON.astimezone(UTC), None)


def test_what_is_read_apart_is_what_was_committed_last_and_leaves_nothing_open() -> None:
    insert(an_integration(), ["first"])
    pool = db.engine.pool
    assert isinstance(pool, QueuePool)
    with write() as session:
        bulk.execute(session, "UPDATE device SET name = ?", ("second",))
        assert bulk.fetch_apart("SELECT name FROM device WHERE name <> ?", ("x",)) == [("first",)]
        assert pool.checkedout() == 1
    assert bulk.fetch_apart("SELECT name FROM device") == [("second",)]
    assert pool.checkedout() == 0


def test_what_cannot_be_read_apart_is_an_error_like_any_other() -> None:
    with pytest.raises(OperationalError if is_sqlite() else ProgrammingError) as refused:
        bulk.fetch_apart("SELECT name FROM nowhere WHERE name = ?", ("Kim",))
    assert "Kim" not in str(refused.value)
    assert bulk.fetch_apart("SELECT 1") == [(1,)]


@pytest.mark.parametrize("microsecond", [0, 1, 500_000, 999_999])
def test_a_time_for_the_driver_is_written_as_everywhere_else(microsecond: int) -> None:
    time = NOON.astimezone(UTC).replace(microsecond=microsecond)
    assert bulk._as_text(time) == time.isoformat(" ", "microseconds").removesuffix("+00:00")


def test_a_refused_row_takes_the_others_along_and_its_error_names_no_person() -> None:
    id_ = an_integration()
    insert(id_, ["known"])
    with pytest.raises(IntegrityError) as refused:
        insert(id_, ["Kim's phone", "second"])
    assert "Kim" not in str(refused.value)
    assert bulk.fetch_all(db.session(), "SELECT name FROM device") == [("known",)]


def test_a_row_that_cannot_be_stored_is_not_in_the_text_of_its_error() -> None:
    with pytest.raises(IntegrityError) as refused:
        insert_groups([(None, "organization", "Kim's group"), (None, "organization", "another")])
    assert "Kim" not in str(refused.value)


def insert_groups(rows: list[bulk.Row]) -> None:
    with write() as session:
        bulk.insert_many(
            session, "INSERT INTO membership (device_id, group_kind, group_id) VALUES (?, ?, ?)", rows
        )


def test_times_are_set_by_id_and_others_stay() -> None:
    first, second, third = insert(an_integration(), ["a", "b", "c"])
    with write() as session:
        bulk.update_times(session, "device", "last_seen_at", {first: LATER, second: None})
        bulk.update_times(session, "device", "last_seen_at", {})
    rows = bulk.fetch_all(db.session(), "SELECT id, last_seen_at FROM device")
    found = {id_: bulk.decode_time(seen) for id_, seen in rows}
    assert found == {first: LATER, second: None, third: NOON}


@pytest.mark.parametrize("others", [0, 2000])
def test_a_look_up_reads_only_what_it_finds_though_its_table_has_grown(others: int) -> None:
    id_ = an_integration()
    insert(an_integration(), [f"Other {number}" for number in range(others)])
    insert(id_, [f"Device {number}" for number in range(100)])
    if is_sqlite():  # which counts no rows
        return
    with db.engine.begin() as connection:  # as after the first write of a first sync
        connection.exec_driver_sql("ANALYZE device")
    sql = f"SELECT name FROM device WHERE integration_id = ? AND {bulk.in_texts('external_id')}"  # noqa: S608
    asked = bulk.list_param(["1", *(f"unknown {number}" for number in range(500))])
    for _ in range(12):  # the server keeps a plan after ten
        bulk.fetch_all(db.session(), sql, (id_, asked))
        release()
    insert(id_, [f"Device {number}" for number in range(5000)], first=101)
    for _ in range(2):
        before = counted("idx_tup_fetch") + counted("seq_tup_read")
        assert bulk.fetch_all(db.session(), sql, (id_, asked)) == [("Device 0",)]
        assert counted("idx_tup_fetch") + counted("seq_tup_read") - before == 1
        release()
        sql += " "  # planned anew


def test_a_new_last_contact_of_every_device_changes_no_index() -> None:
    ids = insert(an_integration(), [f"Device {number}" for number in range(500)])
    if is_sqlite():  # which writes an index only where its columns change
        return
    with write() as session:
        bulk.update_times(session, "device", "last_seen_at", dict.fromkeys(ids, LATER))
        assert (counted("n_tup_upd"), counted("n_tup_hot_upd")) == (500, 500)


def counted(column: str) -> int:
    """Return the counters of PostgreSQL for the table of devices in the present transaction."""
    sql = f"SELECT {column} FROM pg_stat_xact_user_tables WHERE relname = 'device'"  # noqa: S608
    ((count,),) = bulk.fetch_all(db.session(), sql)
    return int(count)
