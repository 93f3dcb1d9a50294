"""Nothing of a removed integration shows on any page, and its removal can be undone (rung: shell)."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from harmony.clock import now
from harmony.db import db, write
from harmony.models import (
    ChannelKind,
    Device,
    Event,
    Finding,
    Integration,
    IntegrationState,
    Message,
    MessageKind,
    MessageState,
    Protection,
    Risk,
    Severity,
    Verb,
)
from harmony.models.states import DeviceStatus
from harmony.sync import integration_removal, removal_undo
from tests.builders import NOON, a_choice, an_integration
from tests.database import on_both
from tests.sampling import combinations
from tests.stored import devices, store
from tests.web.reading import look
from tests.web.test_every_route import UNSAFE, rules

database = on_both
NAME = "Quagga UEM"
CANARY = "quagga"
OWNED = {"integration_id", "device_id", "message_id"}
# Whoever did what stays to be read; these are the pages of the removal.
TOLD = {"audit.index", "audit.export", "undo.index", "undo.undo", "removal.show", "removal.tags"}
SHOWING = {
    "/",
    "/apps",
    "/demo/device",
    "/devices",
    "/devices/selection",
    "/events",
    "/integrations",
    "/settings/messages",
}
QUERIES = (
    "",
    "integration={id}",
    "device={device}",
    "state=deleted",
    "state=deleted&integration={id}",
    "q=quagga",
)


@pytest.fixture
def ids(app: Flask) -> dict[str, int]:
    """What addresses name of an integration whose device has a finding, an event and a message."""
    with app.app_context():
        an_integration(a_choice("999"), name="Other UEM")
        id_ = an_integration(name=NAME)
        store(id_, 3)
        first = devices(id_)[0].id
        with write() as session:
            named = {"name": CANARY, "name_key": CANARY, "search_text": CANARY, "user_name": CANARY}
            session.execute(update(Device).where(Device.integration_id == id_).values(named))
            session.add_all(about(id_, first))
            session.flush()
            message = session.scalars(select(Message.id)).one()
        db.session.remove()
        return {"integration_id": id_, "device_id": first, "message_id": message}


def about(id_: int, device: int) -> list[object]:
    standing = {"status": DeviceStatus.ACTIVE, "risk": Risk.HIGH, "changed_at": NOON}
    message = {"kind": MessageKind.REGISTRATION, "channel": ChannelKind.EMAIL, "state": MessageState.QUEUED}
    message |= {"key": "a", "created_by": "kim", "created_at": NOON, "next_at": NOON}
    return [
        Protection(device_id=device, integration_id=id_, **standing),
        Finding(device_id=device, code="ROOTED", risk=Risk.HIGH, opened_at=NOON),
        Event(at=now(), severity=Severity.CRITICAL, verb=Verb.DETECTED, device_id=device, integration_id=id_),
        Message(integration_id=id_, device_id=device, **message),
    ]


def hide(app: Flask, id_: int, *, carried_out: bool = True) -> None:
    with app.app_context():
        assert removal_undo.hide(id_, "kim", now())
        if carried_out:
            integration_removal.carry_out(id_)
        db.session.remove()


def owned(app: Flask, ids: dict[str, int]) -> list[tuple[str, str]]:
    """Method and address of every view about an integration, a device or a message of the removed one."""
    found = []
    for rule in rules(app):
        if not rule.arguments & OWNED or rule.endpoint.startswith("removal."):
            continue
        values = {name: ids.get(name, 1) for name in rule.arguments}
        built = rule.build(values)
        if built is None:
            built = rule.build({name: ids.get(name, "x") for name in rule.arguments})
        assert built is not None
        found += [(method, built[1]) for method in {"GET", *UNSAFE} & (rule.methods or set())]
    return found


def lists(app: Flask, ids: dict[str, int]) -> list[str]:
    """Every other page, with what narrows lists in its address: each of them for the lists that name it."""
    query = [words.format(id=ids["integration_id"], device=ids["device_id"]) for words in QUERIES]
    plain = [
        rule.rule
        for rule in rules(app)
        if not rule.arguments and "GET" in (rule.methods or ()) and rule.endpoint not in TOLD
    ]
    assert set(plain) >= SHOWING
    pairs = {*combinations(plain, query), *product(plain, query[:1]), *product(SHOWING, query)}
    return [f"{path}?{words}" for path, words in sorted(pairs)]


def test_every_address_of_it_is_not_found(app: Flask, signed_in: FlaskClient, ids: dict[str, int]) -> None:
    assert signed_in.get(f"/devices/{ids['device_id']}").status_code == 200
    hide(app, ids["integration_id"], carried_out=False)
    addresses = owned(app, ids)
    assert len(addresses) > 60
    for method, address in addresses:
        assert signed_in.open(address, method=method).status_code == 404, (method, address)


@pytest.mark.soak
def test_no_list_and_no_file_names_it(app: Flask, signed_in: FlaskClient, ids: dict[str, int]) -> None:
    named = [path for path in lists(app, ids) if path.partition("?")[0] in SHOWING]
    shown = [path for path in named if CANARY in body(signed_in, path)]
    assert {path.partition("?")[0] for path in shown} == SHOWING
    hide(app, ids["integration_id"])
    # What was typed comes back in the search field.
    searched = [path for path in lists(app, ids) if not path.endswith("q=quagga")]
    assert [path for path in searched if CANARY in body(signed_in, path)] == []
    assert "No device" in look(signed_in, "/devices?q=quagga")


def body(client: FlaskClient, path: str) -> str:
    return client.get(path, follow_redirects=True).get_data(as_text=True).casefold()


def test_the_numbers_of_the_overview_leave_it_out(
    app: Flask, signed_in: FlaskClient, ids: dict[str, int]
) -> None:
    before = look(signed_in, "/")
    assert "factor=ROOTED" in before
    hide(app, ids["integration_id"])
    after = look(signed_in, "/")
    assert "factor=ROOTED" not in after
    assert "0 devices" in after
    assert "No event in the last" in after


def test_removing_through_the_page_hides_it_and_undo_brings_it_back(
    app: Flask, signed_in: FlaskClient, ids: dict[str, int]
) -> None:
    id_ = ids["integration_id"]
    page = look(signed_in, f"/integrations/{id_}/remove")
    assert "3 devices</a>" in page
    assert "1 event and the history of its syncs" in page
    answer = signed_in.post(f"/integrations/{id_}/remove", data={"name": NAME, "devices": "hide"})
    assert answer.location == "/integrations"
    assert "Removed integrations (1)" in look(signed_in, "/integrations")
    page = look(signed_in, "/integrations/removed")
    assert NAME in page
    assert "credentials stay sealed until they are removed for good." in page
    assert signed_in.post(f"/integrations/removed/{id_}/undo").location == "/integrations/removed"
    assert "being restored" in look(signed_in, "/integrations/removed")
    with app.app_context():
        integration_removal.carry_out(id_)
        assert db.session.get_one(Integration, id_).state == IntegrationState.ACTIVE
    assert signed_in.get(f"/integrations/{id_}").status_code == 200
    assert signed_in.post(f"/integrations/removed/{id_}/undo").status_code == 404


def test_what_is_being_removed_can_be_removed_for_good_at_once(
    app: Flask, signed_in: FlaskClient, ids: dict[str, int]
) -> None:
    id_ = ids["integration_id"]
    hide(app, id_)
    assert "its sealed credentials and its settings" in look(signed_in, f"/integrations/{id_}/remove")
    assert signed_in.post(f"/integrations/{id_}/remove", data={"name": "Other"}).status_code == 422
    assert signed_in.post(f"/integrations/{id_}/remove", data={"name": NAME}).status_code == 303
    with app.app_context():
        integration_removal.carry_out(id_)
        db.session.rollback()
        assert db.session.get(Integration, id_) is None


def test_an_undo_is_refused_while_another_integration_reads_its_groups(
    app: Flask, signed_in: FlaskClient, ids: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(app, ids["integration_id"])
    monkeypatch.setattr("harmony.web.integrations.undo.overlap_of", lambda _state: "Other UEM reads 570.")
    answer = signed_in.post(f"/integrations/removed/{ids['integration_id']}/undo")
    assert answer.status_code == 409
    assert f"{NAME} was not restored. Other UEM reads 570." in answer.get_data(as_text=True)


def test_the_days_that_are_left_are_counted_from_the_removal(
    app: Flask, signed_in: FlaskClient, ids: dict[str, int]
) -> None:
    hide(app, ids["integration_id"])
    with app.app_context(), write() as session:
        session.get_one(Integration, ids["integration_id"]).removed_at = NOON
    until = NOON + timedelta(days=30)
    assert f"{until:%Y-%m-%dT%H:%M}" in signed_in.get("/integrations/removed").get_data(as_text=True)
