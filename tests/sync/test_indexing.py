"""The trigram index finds what a look at every device finds, whatever was written before (rung H)."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Select, select, text, update

from harmony.db import db, is_sqlite, write
from harmony.folding import fold
from harmony.models import Device, Integration
from harmony.sync import indexing, redaction
from harmony.web.devices import queries, search
from harmony.web.devices.queries import every, filters_of
from harmony.web.shared.paging import BEGINNING
from tests.builders import NOON, a_choice, an_integration
from tests.database import on_both
from tests.stored import plan_of, store
from tests.sync.stored import store_devices

pytestmark = pytest.mark.usefixtures("context")
database = on_both

ON_SQLITE = "SELECT rowid FROM device_search ORDER BY rowid"
WORDS = st.sampled_from(
    ["kim", "Kim's", 'a"b c', "Zo\u00eb", "00-AB-12", "\u65e5\u672c\u8a9e", "abcabcabc", "a*b OR", "%_\\"]
)
STEPS = st.one_of(
    st.tuples(st.sampled_from(["add", "rename", "rename"]), st.lists(WORDS, max_size=4).map(" ".join)),
    st.tuples(
        st.sampled_from(["remove", "remove last", "delete", "restore", "index", "index some", "empty"]),
        st.just(""),
    ),
)


def catch_up() -> None:
    indexing.catch_up(lambda: False)


def found(typed: str, **filters: str) -> set[int]:
    return {row.id for row in every(filters_of({"q": typed, **filters}))}


def indexed() -> list[int]:
    return [id_ for (id_,) in db.session.execute(text(ON_SQLITE))]


def expected(typed: str) -> set[int]:
    """Looked for device by device, without any index."""
    plain = fold(typed)
    rows = db.session.execute(select(Device.id, Device.search_text).where(Device.deleted_at.is_(None)))
    return {id_ for id_, stored in rows if plain in stored or (plain.replace("-", "") or plain) in stored}


CHANGES = {
    "rename": "UPDATE device SET search_text = :name WHERE id = (SELECT max(id) FROM device)",
    "delete": "UPDATE device SET deleted_at = :now WHERE id = (SELECT min(id) FROM device)",
    "restore": "UPDATE device SET deleted_at = NULL",
    "remove": "DELETE FROM device WHERE id = (SELECT min(id) FROM device)",
    "remove last": "DELETE FROM device WHERE id = (SELECT max(id) FROM device)",
}


def do(integration_id: int, step: str, name: str) -> None:
    if step == "index":
        catch_up()
        return
    with write() as session:
        if step == "add":
            session.add(a_device_named(integration_id, name))
        elif step in CHANGES:
            values = {"name": fold(name), "now": "2026-01-15 12:00:00.000000"}
            session.execute(
                text(CHANGES[step]), {key: values[key] for key in values if f":{key}" in CHANGES[step]}
            )
        elif step == "empty":
            indexing.empty(session)
        else:
            indexing._index_some(session)


def a_device_named(integration_id: int, name: str) -> Device:
    texts = dict.fromkeys(
        ("uuid", "udid", "udid_key", "serial", "imei", "phone", "email", "user_name", "platform", "model",
         "os_version", "ownership", "group_id", "group_name", "enrollment_status", "compliance",
         "fingerprint"), "",
    )  # fmt: skip
    named = {"name": name, "name_key": fold(name), "search_text": fold(name)}
    return Device(**texts, **named, integration_id=integration_id, created_at=NOON, updated_at=NOON)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(steps=st.lists(STEPS, max_size=12), typed=st.lists(WORDS, min_size=1, max_size=2).map("".join))
@example(steps=[("add", "kim"), ("index", ""), ("remove last", ""), ("add", "zoe")], typed="kim")
@example(
    steps=[("add", "kim"), ("index", ""), ("remove last", ""), ("index", ""), ("add", "zoe")], typed="zoe"
)
@example(steps=[("add", "kim"), ("add", "a"), ("rename", "zoe"), ("index some", "")], typed="kim")
def test_whatever_was_written_and_indexed_a_search_finds_what_every_device_says(
    steps: list[tuple[str, str]], typed: str
) -> None:
    with write() as session:
        session.execute(text("DELETE FROM integration"))
    catch_up()
    id_ = an_integration()
    for step, name in steps:
        do(id_, step, name)
        assert found(typed) == expected(typed)
    catch_up()
    assert found(typed) == expected(typed)
    assert not indexing.is_due()


def test_a_device_is_found_before_it_is_indexed_and_by_its_new_name_only_once_renamed() -> None:
    id_ = an_integration()
    store_devices(id_, 3)
    assert len(found("pixel")) == 3
    catch_up()
    with write() as session:
        session.execute(update(Device).values(search_text="berta's phone"))
    assert (len(found("pixel")), len(found("berta"))) == (0, 3)
    catch_up()
    assert (len(found("pixel")), len(found("berta"))) == (0, 3)


def test_devices_that_go_with_their_integration_leave_the_index() -> None:
    store_devices(an_integration(), 4)
    store_devices(kept := an_integration(), 1, search_text="berta")
    catch_up()
    with write() as session:
        session.execute(text("DELETE FROM integration WHERE id <> :kept"), {"kept": kept})
    catch_up()
    assert (len(found("pixel")), len(found("berta"))) == (0, 1)
    assert len(indexed()) == 1


def test_personal_data_that_is_purged_leaves_not_even_its_trigrams() -> None:
    id_ = an_integration(a_choice(import_name=False, import_email=False), redact_pending=True)
    store_devices(id_, 3)
    catch_up()
    redaction.purge(id_)
    assert not db.session.get_one(Integration, id_).redact_pending
    assert (found("kim"), len(found("udid"))) == (set(), 3)
    assert indexed() == []
    catch_up()
    assert len(indexed()) == 3
    assert (found("kim"), len(found("udid"))) == (set(), 3)


def test_new_devices_are_indexed_a_few_at_a_time_and_the_rest_after_a_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store(an_integration(), 1200, groups=())
    turns = iter((False, True))
    indexing.catch_up(lambda: next(turns))
    assert len(indexed()) == indexing.ROWS_PER_WRITE
    catch_up()
    assert len(indexed()) == 1200
    assert not indexing.is_due()


@pytest.mark.parametrize("few", [1000, 0])
def test_pages_counts_and_other_filters_agree_with_the_search_whether_few_or_many_are_found(
    few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FEW", few)
    first, second = an_integration(), an_integration()
    store(first, 120, groups=())
    store(second, 3, groups=())
    catch_up()
    assert len(found("phone")) == 123
    assert len(found("phone", integration=str(second))) == 3
    assert len(found("phone 00000", integration=str(first))) == 10
    assert found("phone", state="deleted") == set()


def test_without_the_index_a_search_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    store_devices(an_integration(), 3)
    catch_up()
    for module in (indexing, search):
        monkeypatch.setattr(module, "is_there", lambda _connection: False)
    with write() as session:
        session.execute(update(Device).values(search_text="berta"))
        session.execute(text("DELETE FROM device WHERE id = (SELECT min(id) FROM device)"))
    assert not indexing.is_due()
    assert (len(found("pixel")), len(found("berta"))) == (0, 2)


def explained(typed: str) -> str:
    query: Select[tuple[object, ...]] = search_statement(typed)
    if is_sqlite():
        return " | ".join(plan_of(query))
    db.session.execute(text("SET LOCAL enable_seqscan = off"))  # so few are read as quickly without the index
    sql = str(query.compile(db.engine, compile_kwargs={"literal_binds": True})).replace("%", "%%")
    return " | ".join(row[0] for row in db.session.connection().exec_driver_sql(f"EXPLAIN {sql}"))


def search_statement(typed: str) -> Select[tuple[object, ...]]:
    rows, order = queries.devices(filters_of({"q": typed}))
    return order.statement(rows, BEGINNING)


def test_three_letters_are_looked_up_in_the_index_and_two_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    store(an_integration(), 6000, groups=())
    catch_up()
    if not is_sqlite():
        with write() as session:
            session.execute(text("ANALYZE"))
    index = "device_search VIRTUAL TABLE INDEX 0:M" if is_sqlite() else "device_search_trigrams"
    by_key = "SEARCH device USING INTEGER PRIMARY KEY" if is_sqlite() else "pk_device on device"
    assert index in explained("0777")
    assert by_key in explained("0777")
    assert index not in explained("77")
    monkeypatch.setattr(search, "FEW", -1)
    assert "ix_device_by_name" in explained("pho")
    if is_sqlite():
        assert index in explained("pho")
        assert "TEMP B-TREE" not in explained("pho")
