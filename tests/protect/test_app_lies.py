"""The app sync against a simulated UEM that lies or fails for one device or for all. Rung: S."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db, write
from harmony.jobs.uem_client import ClientFactory
from harmony.models import Action, App, AppException, Device, InstalledApp, JobRun, Risk, SyncRunState
from harmony.simulator.apps import installed
from harmony.simulator.faults import LIES
from harmony.simulator.server import RunningSimulator, start
from harmony.simulator.world import World
from harmony.uem.client import UemClient
from harmony.uem.connection import Connection, OAuth2
from harmony.uem.http.client import TimeSource
from harmony.uem.workspace_one.client import WorkspaceOne
from tests.protect.ios_fleet import FIRST, LOOPBACK, an_ios_fleet, app_sync, touch
from tests.protect.stored_apps import events, risk_of
from tests.sampling import combinations

pytestmark = pytest.mark.usefixtures("context")

COUNT, BAD = 6, "com.example.bad"
OK, WARNING = SyncRunState.OK, SyncRunState.WARNING
FIELDS = ("ApplicationIdentifier", "Status", "Version", "DeviceId")
OF_FIELDS = ("null_field", "drop_field", "text_field", "list_field", "shared_field")
# A lie, the field it is about and the text it says. A swapped status or identifier says of an app outright
# that it is not installed: that is no absence, and believed until the next list.
LIED = [
    *((kind, field, "") for kind, field in combinations(OF_FIELDS, FIELDS)),
    ("swapped_field", "Version", ""),
    *(("set_field", "ApplicationIdentifier", text) for text in ('""', "5", "{}", "com.example.other")),
    *(("set_field", "Status", text) for text in ("1", "NotInstalled", "{}", "true")),
    *(("set_field", "DeviceId", text) for text in ("60099", '{"Value": 60099}')),
    *((kind, "", "") for kind in ("short_list", "doubled_rows", "ghost_rows", "empty_list", "no_content")),
    *(("odd_rows", "", text) for text in ("", '"x"', "[]")),
    *((kind, "", "") for kind in ("not_found", "html_not_found", "lying_total", "repeated_page")),
    *((kind, "", "") for kind in ("html", "truncated", "forbidden", "empty_200", "dropped")),
]  # fmt: skip
OF_A_DEVICE = (
    "html_not_found", "not_found", "forbidden", "server_error", "truncated", "html", "dropped", "empty_200",
)  # fmt: skip


@pytest.fixture
def database() -> str:
    """The wire is the same on each database; what is stored is tested in test_app_sync.py on both."""
    return "sqlite"


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    running = start(World(60, seed=7))
    running.tenant.world.apps[FIRST] = {BAD: ("Bad", "1.0")}
    yield running
    running.stop()


@pytest.fixture
def honest(simulator: RunningSimulator) -> Iterator[RunningSimulator]:
    simulator.tenant.switches.reset()
    simulator.tenant.faults.clear()
    yield simulator
    simulator.tenant.faults.clear()


def opener(simulator: RunningSimulator) -> ClientFactory:
    """Opens the simulated UEM without waits between tries."""
    mine = simulator.credentials
    sign_in = OAuth2(simulator.token_url, mine.client_id, mine.client_secret)

    def open_client(*_: object) -> UemClient:
        connection = Connection(simulator.url, sign_in, simulator.ca_pem, LOOPBACK)
        return WorkspaceOne(connection, times=TimeSource(random=lambda: 0.0))

    return open_client


def sync_all(id_: int, simulator: RunningSimulator) -> JobRun:
    touch(id_, COUNT)
    return app_sync(id_, opener(simulator))


def a_read_fleet(simulator: RunningSimulator) -> int:
    """A fleet whose first device has a blocked app."""
    with write() as session:
        row = AppException(platform="ios", identifier=BAD, action=Action.BLOCK, reason="", by="")
        row.at = now()
        session.add(row)
    id_ = an_ios_fleet(COUNT)
    assert app_sync(id_, opener(simulator)).state == OK
    assert (risk_of(1), known()) == (Risk.HIGH, truth(simulator))
    return id_


def known() -> dict[str, set[str]]:
    rows = select(Device.external_id, App.identifier).join_from(Device, InstalledApp).join(App)
    found: dict[str, set[str]] = {}
    for external_id, identifier in db.session.execute(rows):
        found.setdefault(external_id or "", set()).add(identifier)
    return found


def truth(simulator: RunningSimulator) -> dict[str, set[str]]:
    listed = {str(ident): installed(simulator.tenant.world, ident) for ident in range(FIRST, FIRST + COUNT)}
    return {ident: {identifier for identifier, *_ in apps} for ident, apps in listed.items() if apps}


def lie(simulator: RunningSimulator, kind: str, field: str = "", text: str = "", **values: Any) -> None:
    path = values.pop("path", "/apps")
    simulator.tenant.faults.add(kind, path=path, field=field, text=text, **values)


def test_every_lie_about_rows_is_told() -> None:
    assert set(LIES) - {kind for kind, *_ in LIED} == {"unheeded", "done_not_found", "other_id"}, (
        "those are of writing"
    )


@pytest.mark.soak
@pytest.mark.parametrize(("kind", "field", "text"), LIED)
def test_no_lie_told_once_to_each_device_lifts_a_finding_or_removes_an_app(
    honest: RunningSimulator, kind: str, field: str, text: str
) -> None:
    id_, before = a_read_fleet(honest), truth(honest)
    lie(honest, kind, field, text)
    sync_all(id_, honest)
    assert risk_of(1) is Risk.HIGH
    for external_id, identifiers in before.items():
        assert identifiers <= known()[external_id]
    assert not [detail for verb, detail in events(1) if verb == "removed"]
    honest.tenant.faults.clear()
    for _ in range(3):
        run = sync_all(id_, honest)
    assert (run.state, risk_of(1), known()) == (OK, Risk.HIGH, before)


@pytest.mark.soak
@pytest.mark.parametrize(("kind", "place"), combinations(OF_A_DEVICE, (FIRST, FIRST + 3)))
def test_one_device_that_cannot_be_read_stops_nobody(honest: RunningSimulator, kind: str, place: int) -> None:
    id_ = an_ios_fleet(COUNT)
    lie(honest, kind, path=f"/devices/{place}/apps", **({"value": 500} if kind == "server_error" else {}))
    run = sync_all(id_, honest)
    assert (run.state, run.counts["read"], run.counts["skipped"]) == (WARNING, COUNT - 1, 1)
    assert f"1 device (UEM ID {place})" in run.reason
    assert set(known()) == set(truth(honest)) - {str(place)}
    honest.tenant.faults.clear()
    assert sync_all(id_, honest).state == OK
    assert known() == truth(honest)


@pytest.mark.soak
@pytest.mark.parametrize(("types", "empty"), combinations(["int", "string"], ["204", "absent"]))
def test_only_installed_apps_count_in_all_forms(honest: RunningSimulator, types: str, empty: str) -> None:
    honest.tenant.switches.set("device_apps_types", types)
    honest.tenant.switches.set("device_apps_empty", empty)
    a_read_fleet(honest)
