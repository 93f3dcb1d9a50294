"""What is written down, and how a changed setting is called (rung: pure; shell on a file SQLite)."""

from __future__ import annotations

from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from harmony.audit import audit, changed_fields, changed_values, record_history
from harmony.audit.fields import LABELS
from harmony.db import db, write
from harmony.models import AuditEntry, Device, DeviceEvent, Happening, Integration
from harmony.models.configuration import PAGES, ServerDetails, Synchronization, to_row
from harmony.sync import job as sync_job
from tests.builders import NOON, FakeUem, an_integration, devices

VALUES = st.one_of(st.text(), st.integers(), st.booleans(), st.none())


def test_a_changed_setting_is_named_as_its_label_names_it() -> None:
    old = to_row(Synchronization())
    new = to_row(Synchronization(deletion_threshold=100, import_email=False))
    assert changed_fields(old, new) == "Device email switched off, Device deletion threshold"
    assert changed_fields(new, old) == "Device email switched on, Device deletion threshold"
    assert changed_fields(new, new) == ""


def test_every_switch_of_every_page_says_which_way_it_went() -> None:
    switches = 0
    for kind in PAGES.values():
        before = to_row(kind())
        for name in [name for name, value in before.items() if isinstance(value, bool)]:
            after = before | {name: not before[name]}
            assert changed_fields(before, after).endswith(" switched off" if before[name] else " switched on")
            assert changed_fields(after, before).endswith(" switched on" if before[name] else " switched off")
            switches += 1
    assert switches >= 11


def test_a_secret_that_changed_is_named_without_any_of_its_text() -> None:
    old = to_row(ServerDetails(server_address="https://a", client_secret="v1.aaaa"))
    new = to_row(ServerDetails(server_address="https://b", client_secret="v1.bbbb"))
    assert changed_fields(old, new) == "Server Address, Client Secret"


def test_a_page_that_was_never_in_force_counts_every_field_that_says_anything() -> None:
    assert changed_fields(None, {"password": "sealed", "username": None}) == "Password"


@given(st.dictionaries(st.sampled_from(sorted(LABELS)), VALUES), st.dictionaries(st.text(), VALUES))
def test_no_value_is_ever_part_of_the_names(old: dict[str, object], new: dict[str, object]) -> None:
    marked = {name: f"canary {value}" for name, value in new.items() if "canary" not in name.lower()}
    assert "canary" not in changed_fields(old, marked)


SECRET_FIELDS = ("client_secret", "password", "api_key", "token", "former_token", "username", "client_id")


@given(st.sampled_from(SECRET_FIELDS), st.text(min_size=1))
def test_no_text_of_a_secret_or_of_an_account_is_among_the_values(name: str, secret: str) -> None:
    assert changed_values({name: ""}, {name: secret}) == []


def test_switches_numbers_and_addresses_are_shown_before_and_after() -> None:
    old = to_row(Synchronization())
    new = to_row(Synchronization(deletion_threshold=100, import_email=False))
    assert changed_values(old, new) == [
        ("Device email", "on", "off"),
        ("Device deletion threshold", "20", "100"),
    ]
    address = {"server_address": "https://b.example"}
    assert changed_values(None, address) == [("Server Address", "", "https://b.example")]


def test_every_label_is_of_a_field_that_exists() -> None:
    fields = {name for page in PAGES.values() for name in page.__struct_fields__}
    assert set(LABELS) <= fields


def test_what_happened_and_who_did_it_outlive_the_transaction(context: Flask) -> None:
    id_ = an_integration()
    sync_job.sync(id_, opener=lambda *_: FakeUem({"570": devices(1, 2)}))
    one, two = db.session.scalars(select(Device.id).order_by(Device.id)).all()
    with write() as session:
        record_history(
            session, [(one, "OS version: 17.1 → 17.2"), (two, "x" * 2000)], Happening.CHANGED, NOON, 5
        )
        record_history(session, [], Happening.DELETED, NOON)
        audit(session, "kim", "Paused", NOON, session.get_one(Integration, id_), detail="y" * 2000)
    lines = db.session.scalars(select(DeviceEvent).where(DeviceEvent.run_id == 5)).all()
    assert [(line.device_id, line.kind, line.at) for line in lines] == [
        (one, "changed", NOON),
        (two, "changed", NOON),
    ]
    assert lines[0].detail == "OS version: 17.1 → 17.2"
    assert len(lines[1].detail) == 1024
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.what == "Paused")).one()
    assert (entry.who, entry.integration_id, entry.integration_name) == ("kim", id_, "Test UEM")
    assert len(entry.detail) == 1024
