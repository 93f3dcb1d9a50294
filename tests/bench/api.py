"""The public API of a full dashboard through the test client: a list of 500 devices, and a posture; p99."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from flask import Flask
from sqlalchemy import select

from harmony.api.blueprint import LIMITS
from harmony.api.limits import ApiLimits, RatePolicy
from harmony.clock import now
from harmony.db import db, release
from harmony.device_api.rate_limit import Buckets
from harmony.models import Device, Role
from harmony.security import api_keys
from harmony.security.api_keys import NewApiKey
from harmony.sync import indexing
from tests.bench import dashboard
from tests.bench.pages import in_turns
from tests.bench.protected import protect
from tests.bench.results import Result, middle, percentile
from tests.bench.simulated import Simulated

ROUNDS_PER_REPEAT = 40
# Milliseconds, p99, by the first word of the name.
BOUNDS = {"devices": 25, "posture": 5}
LISTS = {
    "all": "",
    "risk": "&sort=risk",
    "active": "&status=active",
    "high": "&risk=high",
    "not_assessed": "&risk=not_assessed",
}
_WIDE = 10**9


def measure(uem: Simulated, folder: Path, repeats: int) -> list[Result]:
    """Every line of the API's table; the devices come from a real sync, all of them with Protect."""
    uem.gather()
    place = dashboard.make(folder / "api", uem)
    dashboard.sync(place)
    with dashboard.opened(place) as app:
        protect()
        indexing.catch_up(lambda: False)
        return timed(app, repeats * ROUNDS_PER_REPEAT)


def timed(app: Flask, rounds: int) -> list[Result]:
    """Ask every address in turns, and return how long the slowest of a hundred took."""
    policy = RatePolicy("bench", Buckets(_WIDE, _WIDE))
    app.extensions[LIMITS] = ApiLimits(policy, policy)
    took = in_turns({name: _request(app, path) for name, path in _paths().items()}, rounds)
    return [
        Result(
            f"api.{name}",
            round(percentile(times, 99), 2),
            BOUNDS[name.partition(".")[0]],
            detail={"p50_ms": middle(times), "unit": "ms, p99"},
        )
        for name, times in took.items()
    ]


def _paths() -> Mapping[str, str]:
    row = db.session.execute(select(Device.serial, Device.udid).order_by(Device.id.desc()).limit(1)).one()
    release()
    lists = {f"devices.{name}": f"/devices?limit=500{asked}" for name, asked in LISTS.items()}
    return lists | {
        "posture.serial": f"/posture?serial={row.serial}",
        "posture.udid": f"/posture?udid={row.udid}",
    }


def _request(app: Flask, path: str) -> Callable[[], None]:
    wanted = NewApiKey(f"bench {secrets.token_hex(4)}", Role.VIEWER, timedelta(days=1))
    _, key = api_keys.create(wanted, "bench", now())
    client, headers = app.test_client(), {"Authorization": f"Bearer {key}"}

    def ask() -> None:
        answer = client.get(f"/api/v1{path}", headers=headers)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} was answered with {answer.status_code}")

    return ask
