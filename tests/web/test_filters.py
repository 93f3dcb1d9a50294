"""Every filter of every list is carried wherever the list leads; the next one too (rung R)."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations as pairs_of
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select, update

from harmony.db import db, write
from harmony.models import (
    App,
    Device,
    DeviceStatus,
    Finding,
    InstalledApp,
    Protection,
    Registration,
    Risk,
    TagLink,
)
from harmony.web.apps import queries as app_queries
from harmony.web.audit import queries as audit_queries
from harmony.web.deletions import views as deletion_views
from harmony.web.devices import queries as device_queries
from harmony.web.devices import related_filters
from harmony.web.events import queries as event_queries
from harmony.web.messages import views as message_views
from harmony.web.runs import queries as run_queries
from harmony.web.shared.filters import Filter, Filters
from harmony.web.tags import queries as tag_queries
from tests.builders import NOON, an_integration
from tests.database import on_both
from tests.files import records_of
from tests.protect.agent import ENTERPRISE
from tests.sampling import sample
from tests.stored import devices as devices_of
from tests.stored import protect, store

database = on_both

Kinds = tuple[Filter, ...]

# Of each list a word for every filter. A filter without one fails the first test.
LISTS: dict[str, tuple[Kinds, dict[str, str]]] = {
    "devices.index": (
        device_queries.FILTERS,
        {
            "integration": "7",
            "state": "deleted",
            "status": "active",
            "risk": "high",
            "platform": "android",
            "group": "Sales & co",
            "factor": "ROOTED",
            "tag": "risk:high",
            "wanted": "status:active",
            "app": "5",
            "profile": "work",
            "lacking": "work",
            "q": "a b&c",
        },
    ),
    "apps.index": (app_queries.FILTERS, {"q": "maps", "platform": "ios", "excepted": "1", "device": "3"}),
    "events.index": (
        event_queries.FILTERS,
        {"severity": "critical", "event": "blocked", "vector": "Device", "integration": "7", "device": "3"},
    ),
    "audit.index": (
        audit_queries.FILTERS,
        {
            "q": "a b&c",
            "who": "kim & co",
            "integration": "7",
            "severity": "critical",
            "module": "Policy",
            "since": "2026-01-02",
            "until": "2026-01-31",
        },
    ),
    "messages.index": (
        message_views.FILTERS,
        {"state": "failed", "kind": "notice", "channel": "sms", "integration": "7", "device": "3"},
    ),
    "runs.index": (run_queries.FILTERS, {"job": "devices", "state": "failed", "kind": "delta"}),
    "tags.devices": (tag_queries.FILTERS, {"state": "failed"}),
    "holds.show": (deletion_views.FILTERS, {"q": "a b&c"}),
}
ROUTES: dict[str, dict[str, object]] = {
    "runs.index": {"integration_id": 1},
    "tags.devices": {"integration_id": 1, "key": "risk:high"},
    "holds.show": {"integration_id": 1, "hold_id": 2},
}
ACTIONS = {
    "devices.index": ("devices.export", "devices.restore_all", "devices.delete_all"),
    "apps.index": ("apps.export",),
    "events.index": ("events.export",),
    "audit.index": ("audit.export",),
    "messages.index": (),
    "runs.index": ("runs.export",),
    "tags.devices": ("tags.export",),
    "holds.show": ("holds.export", "holds.approve", "holds.dismiss"),
}


def asked(href: str) -> dict[str, str]:
    """The filters in an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(html.unescape(href)).query).items()}


def sent_by(form: str) -> set[str]:
    """The names of what a form sends."""
    return set(re.findall(r'<(?:input|select)[^>]* name="([^"]+)"', form))


@pytest.mark.parametrize("endpoint", LISTS)
def test_every_filter_is_in_every_address_of_its_list(app: Flask, endpoint: str) -> None:
    kinds, words = LISTS[endpoint]
    assert [kind.name for kind in kinds] == list(words)
    with app.test_request_context():
        filters = Filters.from_query(kinds, words, **ROUTES.get(endpoint, {}))
        assert len(filters.conditions()) == len(kinds)
        for target in (endpoint, *ACTIONS[endpoint]):
            assert asked(filters.href(target)) == words
        assert asked(filters.href(endpoint, after=5)) == words | {"after": "5"}


@pytest.mark.parametrize(
    "endpoint", ["devices.index", "apps.index", "events.index", "audit.index", "messages.index"]
)
def test_the_form_of_a_list_sends_every_filter(app: Flask, signed_in: FlaskClient, endpoint: str) -> None:
    kinds, words = LISTS[endpoint]
    with app.test_request_context():
        filters = Filters.from_query(kinds, words)
        everything, single = (
            filters.href(endpoint),
            [Filters.from_query(kinds, {name: word}).href(endpoint) for name, word in words.items()],
        )
    for href in (everything, *single):
        page = signed_in.get(href).get_data(as_text=True)
        form = re.search(r'<form method="get".*?</form>', page, re.DOTALL)
        assert form is not None
        assert asked(href).keys() <= sent_by(form[0]), href


@pytest.fixture
def fleet(app: Flask) -> Iterator[tuple[int, int]]:
    """Two integrations with devices of every state, status and risk."""
    with app.app_context():
        ids = an_integration(ENTERPRISE, name="One"), an_integration(name="Two")
        for id_ in ids:
            store(id_, 24)
            _spread(id_)
        _relate()
        yield ids


def _spread(integration_id: int) -> None:
    standings = [(status, risk) for status in DeviceStatus for risk in (Risk.NONE, Risk.LOW, Risk.HIGH)]
    ids = [device.id for device in devices_of(integration_id)]
    for number, id_ in enumerate(ids):
        status, risk = standings[number % len(standings)]
        if (status, risk) != (DeviceStatus.PROVISIONED, Risk.NONE):
            protect(id_, status, risk)
    with write() as session:
        rooted = {"code": "ROOTED", "risk": Risk.HIGH, "opened_at": NOON}
        session.add_all(Finding(device_id=id_, **rooted) for id_ in ids if id_ % 5 < 2)
        of = update(Device).where(Device.id.in_(ids))
        session.execute(of.where(Device.id % 3 == 0).values(platform="Android"))
        session.execute(of.where(Device.id % 4 == 0).values(deleted_at=NOON, deleted_by="sync"))
        session.execute(of.where(Device.id % 4 == 1).values(added_by="registration"))
        session.execute(of.where(Device.id % 4 == 2).values(missing_since=NOON, absent_from=1))


def _relate() -> None:
    """Give every second device a tag, every third an app, every fifth a registration, and some a group."""
    with write() as session:
        app = App(platform="android", identifier="com.maps", version="1", name="Maps", name_key="maps")
        app.first_seen_at = NOON
        session.add(app)
        session.flush()
        for device in session.scalars(select(Device)):
            if device.id % 2:
                link = TagLink(device_id=device.id, key="risk:high", integration_id=device.integration_id)
                link.external_id, link.wanted, link.present = "1", device.id % 4 == 1, device.id % 4 == 3
                link.changed_at = NOON
                session.add(link)
            if device.id % 3:
                session.add(InstalledApp(device_id=device.id, profile="", app_id=app.id))
            if device.id % 5:
                session.add(a_registration(device.id))
            device.platform = "iOS" if device.id % 3 else "Android"
            device.group_name = "Sales" if device.id % 7 else "Support"


def a_registration(device_id: int) -> Registration:
    """A Protect app in the work profile."""
    row = Registration(device_id=device_id, profile="work", key_hash=f"{device_id:064}")
    row.registered_at = row.last_contact_at = NOON
    return row


def neighbours(words: Iterable[str]) -> list[tuple[str, ...]]:
    """Pairs in which each word stands once as the first and once as the second."""
    names = list(words)
    return list(zip(names, (*names[1:], names[0]), strict=True))


def _queries(integration_id: int, state: str) -> Iterator[dict[str, str]]:
    """The state alone, with each other filter, and with each pair of them; of the pairs a sample."""
    words = {"q": "phone 00001", "integration": str(integration_id), "status": "active", "risk": "high"}
    words |= {"lacking": "work", "factor": "ROOTED"}
    related = {
        "platform": "android",
        "group": "Sales",
        "tag": "risk:high",
        "wanted": "risk:high",
        "profile": "work",
    }
    related["app"] = str(db.session.scalars(select(App.id)).one())
    assert words.keys() | related.keys() | {"state"} == {kind.name for kind in device_queries.FILTERS}
    pairs = list(pairs_of(words, 2))
    for names in [(), *pairs_of(words, 1), *sample(neighbours(words), pairs)]:
        yield {"state": state} | {name: words[name] for name in names}
    for name, word in related.items():
        yield from ({"state": state, name: word} | other for other in ({}, {"status": "active"}))
    yield {"state": state} | related


def _ids(query: dict[str, str]) -> set[int]:
    found = list(device_queries.every(device_queries.filters_of(query)))
    assert device_queries.total(device_queries.filters_of(query)) == len(found)
    return {row.id for row in found}


@pytest.mark.soak
@pytest.mark.parametrize(("state", "action"), [("deleted", "restore"), ("unlisted", "delete")])
def test_an_action_on_all_acts_on_exactly_what_is_shown(
    app: Flask, signed_in: FlaskClient, fleet: tuple[int, int], state: str, action: str
) -> None:
    for query in _queries(fleet[0], state):
        shown, every = _ids(query), _ids({"state": state})
        page = signed_in.get("/devices", query_string=query).get_data(as_text=True)
        form = re.search(rf'action="(/devices/{action}\?[^"]*)"', page)
        assert (form is not None) == bool(shown), query
        file = records_of(signed_in.post("/devices/devices.csv", query_string=query))
        assert {int(row["id"]) for row in file} == shown, query
        if form is None:
            continue
        assert f"all {len(shown)}<" in page, query
        signed_in.post(html.unescape(form[1]))
        db.session.rollback()
        assert _ids({"state": state}) == every - shown, query
        _put_back(state, shown)


def _put_back(state: str, ids: set[int]) -> None:
    """As it was before the action."""
    values = {"deleted_at": NOON, "deleted_by": "sync"} if state == "deleted" else {"deleted_at": None}
    with write() as session:
        session.execute(update(Device).where(Device.id.in_(ids)).values(values))


def test_a_narrowed_list_of_deleted_devices_does_not_say_that_none_is_deleted(
    signed_in: FlaskClient, fleet: tuple[int, int]
) -> None:
    for narrower in ("risk=medium", "status=active&risk=medium", "q=nobody"):
        page = signed_in.get(f"/devices?state=deleted&{narrower}").get_data(as_text=True)
        assert "No device matches" in page
        assert "No device is deleted" not in page


@pytest.mark.parametrize(
    ("query", "is_of"),
    [
        ("platform=android", lambda id_: id_ % 3 == 0),
        ("group=Support", lambda id_: id_ % 7 == 0),
        ("tag=risk:high", lambda id_: id_ % 4 == 3),
        ("wanted=risk:high", lambda id_: id_ % 4 == 1),
        ("app=1", lambda id_: id_ % 3 != 0),
        ("profile=work", lambda id_: id_ % 5 != 0),
    ],
)
@pytest.mark.parametrize("most", [0, 5000])
def test_a_filter_of_what_belongs_to_devices_finds_exactly_these_be_they_few_or_many(
    fleet: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
    query: str,
    is_of: Callable[[int], bool],
    most: int,
) -> None:
    monkeypatch.setattr(related_filters, "FEW", most)
    monkeypatch.setattr(related_filters, "FEW_TO_SORT", most)
    name, word = query.split("=")
    if name == "app":
        word = str(db.session.scalars(select(App.id)).one())
    live = select(Device.id).where(Device.deleted_at.is_(None))
    assert _ids({name: word}) == {id_ for id_ in db.session.scalars(live) if is_of(id_)}


def test_each_filter_in_use_is_a_chip_that_takes_only_itself_off(
    signed_in: FlaskClient, fleet: tuple[int, int]
) -> None:
    query = {"q": "a<b", "status": "active", "risk": "none", "sort": "-name", "integration": str(fleet[0])}
    page = signed_in.get("/devices", query_string=query).get_data(as_text=True)
    chips = re.search(r'<ul class="chips".*?</ul>', page, re.DOTALL)
    assert chips
    found = re.findall(r'<a href="([^"]+)">(.*?)</a>', chips[0], re.DOTALL)
    words = [html.unescape(" ".join(re.sub(r"<[^>]+>", " ", text).split())) for _href, text in found]
    assert words == [
        "Take off Integration: One",
        "Take off Status: Active",
        "Take off Risk: No Risk",
        "Take off Search: a<b",
    ]
    for (href, _text), name in zip(found, ("integration", "status", "risk", "q"), strict=True):
        assert asked(href) == {key: value for key, value in query.items() if key != name}
    assert '<a class="plain" href="/devices">Clear all</a>' in chips[0]


def test_a_list_that_nothing_narrows_has_no_chips(signed_in: FlaskClient, fleet: tuple[int, int]) -> None:
    for href in ("/devices?sort=risk", "/events", "/apps"):
        assert 'class="chips"' not in signed_in.get(href).get_data(as_text=True)


def test_after_an_action_the_same_filter_is_shown(signed_in: FlaskClient, fleet: tuple[int, int]) -> None:
    answer = signed_in.post("/devices/restore?state=deleted&risk=high&q=phone")
    assert asked(answer.location) == {"state": "deleted", "risk": "high", "q": "phone"}


def test_status_and_risk_of_a_device_follow_its_protection(fleet: tuple[int, int]) -> None:
    """Whoever writes it and however: the database keeps them."""

    def kept() -> dict[int, tuple[str | None, int]]:
        db.session.rollback()
        devices = db.session.execute(
            select(Device.id, Device.status, Device.risk, Device.status_rank, Device.risk_rank)
        ).all()
        for _id, status, risk, status_rank, risk_rank in devices:
            assert status_rank == {"active": 0, "inactive": 1, None: 2}[status]
            assert risk_rank == (risk + 1 if status or risk else 0)
        return {id_: (status, risk) for id_, status, risk, *_ranks in devices}

    def told() -> dict[int, tuple[str | None, int]]:
        rows = db.session.execute(select(Protection.device_id, Protection.status, Protection.risk))
        said = {id_: (None if status == "provisioned" else status, risk) for id_, status, risk in rows}
        return {id_: said.get(id_, (None, 0)) for id_ in kept()}

    assert kept() == told()
    with write() as session:
        session.execute(update(Protection).where(Protection.risk == 1).values(status="inactive", risk=2))
    assert kept() == told()
    with write() as session:
        session.execute(delete(Protection).where(Protection.risk == 3))
    assert kept() == told()
