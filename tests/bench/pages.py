"""Pages of a full dashboard through the test client: p99, and p50 beside that of a small fleet."""

from __future__ import annotations

import gc
import secrets
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, text

from harmony.clock import monotonic, now
from harmony.db import db, release, write
from harmony.models import Device, JobRun, Role
from harmony.security.auth import public
from harmony.security.users import create_user
from harmony.sync import indexing
from harmony.web.devices.queries import ORDERS, devices, filters_of
from harmony.web.shared.paging import BEGINNING, Cursor
from tests.bench import dashboard
from tests.bench.protected import RATED, protect
from tests.bench.results import Result, middle, percentile
from tests.bench.simulated import Simulated, simulated

HELLO = "/bench/hello"
SMALL = 1000
ROUNDS_PER_REPEAT = 20
NOBODY, EVERYBODY = "zzqqzz", "example.com"
# Milliseconds, p99, and how many times the same page of the small fleet; by the first word of the name.
BOUNDS = {"overview": (50, 1.5), "devices": (25, 1.5), "search": (60, 3), "partial": (10, 1.5)}
# Narrowed by what few, many, all and none of the devices have.
FILTERS: tuple[dict[str, str], ...] = (
    {},
    {"integration": str(dashboard.INTEGRATION)},
    {"status": "active"},
    {"status": "inactive"},
    {"risk": "low"},
    {"risk": "high"},
    {"state": "missing"},
    {"factor": RATED},
)
EVENTS = """
WITH RECURSIVE day(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM day WHERE n < 9)
INSERT INTO event (at, severity, vector, factor, verb, device_id, integration_id, detail)
SELECT datetime('now', '-' || (3 * n) || ' days'), 'information', 'Device', '', 'installed', id,
    integration_id, ''
FROM day, device ORDER BY n DESC
"""

Timed = dict[str, list[float]]


def measure(uem: Simulated, folder: Path, repeats: int) -> list[Result]:
    """Every line of the pages' table; the devices come from a real sync, all of them with Protect."""
    large = _timed(uem, folder / "pages", repeats * ROUNDS_PER_REPEAT)
    with simulated(SMALL) as few:
        small = _timed(few, folder / "few-pages", repeats * ROUNDS_PER_REPEAT)
    return [line for name in large for line in _lines(name, large[name], small)]


def _timed(uem: Simulated, folder: Path, rounds: int) -> Timed:
    uem.gather()
    place = dashboard.make(folder, uem)
    dashboard.sync(place)
    with dashboard.opened(place) as app:
        protect()
        with write() as session:
            session.execute(text(EVENTS))
        indexing.catch_up(lambda: False)
        return asked(app, rounds)


def asked(app: Flask, rounds: int, is_wanted: Callable[[str], bool] = lambda _name: True) -> Timed:
    """Ask for every page that is wanted so many times, as a browser that is signed in."""
    client = _signed_in(app)
    views = {name: path for name, path in _views(app).items() if is_wanted(name)}
    return in_turns({name: _view(client, path) for name, path in views.items()}, rounds)


def _lines(name: str, took: list[float], small: Timed) -> list[Result]:
    """How long the slowest of a hundred took, and how much longer than of few devices."""
    bound, growth = BOUNDS.get(name.partition(".")[0], (None, None))
    detail = {"p50_ms": middle(took), "few_devices_p50_ms": middle(small[name]), "unit": "ms, p99"}
    times = round(middle(took) / middle(small[name]), 2)
    return [
        Result(f"pages.{name}", round(percentile(took, 99), 1), bound, detail=detail),
        *([Result(f"pages.{name}.growth", times, growth)] if growth else ()),
    ]


def _views(app: Flask) -> Mapping[str, str]:
    """The addresses by their names."""
    with app.test_request_context():
        lists = {
            f"devices.{_named(asked)}.{sort}.{depth}": path
            for asked in FILTERS
            for sort in ORDERS
            for depth, path in _pages(asked | {"sort": sort}).items()
        }
    serial, run = _landmarks()
    words = {"one": serial, "nobody": NOBODY, "everybody": EVERYBODY, "some": serial[:3]}
    searches = {f"search.{name}": f"/devices?q={word}" for name, word in words.items()}
    of_one = f"/integrations/{dashboard.INTEGRATION}"
    partials = {
        "partial.integration": f"{of_one}/status",
        "partial.run": f"{of_one}/runs/{run}/status",
        "partial.tags": f"{of_one}/tags/status",
    }
    return {"hello": HELLO, "overview": "/", **searches, **partials, **lists}


def _named(asked: Mapping[str, str]) -> str:
    return "+".join(f"{key}={value}" for key, value in asked.items()) or "all"


def _pages(asked: dict[str, str]) -> dict[str, str]:
    """The first page, and one from the middle of the list, if it has so many."""
    filters = filters_of(asked)
    query, order = devices(filters)
    found = db.session.scalar(select(func.count()).select_from(query.subquery())) or 0
    row = db.session.execute(order.statement(query, BEGINNING).offset(found // 2)).first()
    release()
    first = {"first": filters.href("devices.index")}
    if row is None:
        return first
    cursor = Cursor(row.id, str(getattr(row, order.label)))
    return first | {"deep": filters.href("devices.index", after=cursor)}


def _landmarks() -> tuple[str, int]:
    """The serial number of a device, and the run that brought it."""
    serial = db.session.scalars(select(Device.serial).order_by(Device.id.desc())).first()
    run = db.session.scalars(select(JobRun.id)).first()
    release()
    if serial is None or run is None:
        raise RuntimeError("there are no devices")
    return serial, run


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


def _view(client: FlaskClient, path: str) -> Callable[[], None]:
    def ask() -> None:
        answer = client.get(path)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} was answered with {answer.status_code}")

    return ask


def in_turns(actions: dict[str, Callable[[], None]], rounds: int) -> Timed:
    """Milliseconds of each action, in turns, after one turn that is not counted."""
    found: Timed = defaultdict(list)
    gc.collect()
    gc.freeze()  # as the web server does before it serves
    for number in range(rounds + 1):
        for name, act in actions.items():
            began = monotonic()
            act()
            if number:
                found[name].append((monotonic() - began) * 1000)
    return found
