"""The Devices page with a full table, relative to a view that says hello, through the test client."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from harmony.clock import monotonic, now
from harmony.db import db
from harmony.models import Device
from harmony.models.access import Role
from harmony.security.auth import public
from harmony.security.users import create_user
from harmony.web.devices.queries import devices, filters_of, page_of
from harmony.web.shared.filters import Filters
from harmony.web.shared.paging import BEGINNING, Cursor, Place
from tests.bench import dashboard
from tests.bench.results import Result, middle
from tests.bench.simulated import Simulated

HELLO = "/bench/hello"
MOST_HELLOS = 20.0
MOST_INDEXED_PAGES = 15.0
NOBODY = "zzqqzz"
ROUNDS_PER_REPEAT = 20

Timed = dict[str, list[float]]


def measure(uem: Simulated, folder: Path, repeats: int) -> list[Result]:
    """Every line of the pages' table; the rows come from a real sync."""
    uem.gather()
    place = dashboard.make(folder / "pages", uem)
    dashboard.sync(place)
    with dashboard.opened(place) as app:
        client = _signed_in(app)
        deep, serial = _landmarks(app)
        rounds = repeats * ROUNDS_PER_REPEAT
        views = {
            "hello": HELLO,
            "first": "/devices",
            "deep": deep,
            "search_hit": f"/devices?q={serial}",
            "search_miss": f"/devices?q={NOBODY}",
        }
        asked = _time({name: _view(client, path) for name, path in views.items()}, rounds)
        wanted = {
            "indexed": filters_of({}),
            "search_hit": filters_of({"q": serial}),
            "search_miss": filters_of({"q": NOBODY}),
        }
        queried = _time({name: _query(filters) for name, filters in wanted.items()}, rounds)
    return _results(asked, queried)


def _results(asked: Timed, queried: Timed) -> list[Result]:
    hello, indexed = middle(asked["hello"]), middle(queried["indexed"])
    views = [
        Result(
            f"pages.{name}",
            round(middle(asked[name]) / hello, 2),
            MOST_HELLOS if name in {"first", "deep"} else None,
            detail={"unit": "x hello, p50", "p50_ms": middle(asked[name]), "hello_p50_ms": hello},
        )
        for name in ("first", "deep", "search_hit", "search_miss")
    ]
    queries = [
        Result(
            f"pages.query_{name}",
            round(middle(queried[name]) / indexed, 2),
            MOST_INDEXED_PAGES,
            detail={"unit": "x the indexed page", "p50_ms": middle(queried[name]), "indexed_p50_ms": indexed},
        )
        for name in ("search_hit", "search_miss")
    ]
    return views + queries


def _signed_in(app: Flask) -> FlaskClient:
    """A browser of an administrator; the hello view stands outside the gate, as the cheapest view can."""
    app.testing = True
    app.add_url_rule(HELLO, "bench_hello", public(lambda: "hello"))
    password = secrets.token_urlsafe(16)
    create_user("bench", password, Role.ADMINISTRATOR, now())
    client = app.test_client()
    answer = client.post("/sign-in", data={"name": "bench", "password": password})
    if answer.status_code != 303:
        raise RuntimeError(f"the sign-in was answered with {answer.status_code}")
    return client


def _landmarks(app: Flask) -> tuple[str, str]:
    """The address of a page in the middle of the list, and the serial of a device on it."""
    total = db.session.query(Device).count()
    middle_row = db.session.execute(
        select(Device.name_key, Device.id, Device.serial)
        .order_by(Device.name_key, Device.id)
        .offset(total // 2)
    ).first()
    if middle_row is None:
        raise RuntimeError("there are no devices")
    with app.test_request_context():
        page = page_of(filters_of({}), Place(after=Cursor(middle_row[1], middle_row[0])))
        deep = filters_of({}).href("devices.index", after=page.after)
    db.session.rollback()
    return deep, middle_row[2]


def _view(client: FlaskClient, path: str) -> Callable[[], None]:
    def ask() -> None:
        answer = client.get(path)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} was answered with {answer.status_code}")

    return ask


def _query(filters: Filters) -> Callable[[], None]:
    def ask() -> None:
        query, order = devices(filters)
        db.session.execute(order.statement(query, BEGINNING)).all()
        db.session.rollback()

    return ask


def _time(actions: dict[str, Callable[[], None]], rounds: int) -> Timed:
    """Milliseconds of each action, in turns, after one turn that is not counted."""
    found: Timed = defaultdict(list)
    for number in range(rounds + 1):
        for name, act in actions.items():
            began = monotonic()
            act()
            if number:
                found[name].append((monotonic() - began) * 1000)
    return found
