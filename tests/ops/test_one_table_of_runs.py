"""The upgrade to one table of runs keeps what pages, API and history say (rung F without faults)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import upgrade
from sqlalchemy import text

from harmony import create_app
from harmony.api.operations import RUNS
from harmony.clock import now
from harmony.config import Settings
from harmony.db import db, write
from harmony.jobs import lease, recovery
from harmony.jobs.kinds import KINDS, JobKind
from harmony.models import HoldState, Job, JobRun, LinkState, Role, SyncKind, SyncRunState
from harmony.ops import migrate
from harmony.security.users import create_user
from harmony.web.shared.filters import Filters
from tests.builders import NOON
from tests.conftest import ADMINISTRATOR, PASSWORD
from tests.database import Server, on_both
from tests.files import records_of

database = on_both

EARLIER, LATER = "2026-01-15 11:00:00.000000", "2026-01-15 12:00:00.000000"
OWNER = "host/boot/1:2:3"
COMMON = {
    "integration_id": 1, "started_by": "kim", "started_at": EARLIER, "heartbeat_at": LATER, "owner": OWNER,
    "step": "Reading", "calls": 9, "quota_left": 80, "quota_limit": 100, "advice": "Wait.",
}  # fmt: skip
NUMBERS = (
    "pages_read", "devices_read", "expected", "added", "updated", "unchanged", "missing", "reappeared",
    "deleted", "restored", "skipped",
)  # fmt: skip
TEXTS = (
    "uuid", "udid_key", "serial", "imei", "name", "user_name", "email", "name_key", "phone", "platform",
    "model", "os_version", "ownership", "group_id", "group_name", "enrollment_status", "compliance",
    "search_text", "fingerprint", "absent_why",
)  # fmt: skip
OTHERS = [kind for kind in JobKind if kind is not JobKind.DEVICES]
Row = dict[str, object]


def ended(state: SyncRunState) -> Row:
    under_way = state is SyncRunState.RUNNING
    return {"state": state.value, "reason": f"It is {state}.", "finished_at": None if under_way else LATER}


def device_syncs() -> list[Row]:
    """One in each state and of each kind; the numbers of the last one differ, some are zero."""
    pairs = [(state, kind) for state in SyncRunState for kind in SyncKind]
    counts = [
        {name: (place * number) % 5 for number, name in enumerate(NUMBERS)} for place in range(len(pairs))
    ]
    return [
        {"id": place, **COMMON, **ended(state), "kind": kind.value, "fence": place, "version": 3, **numbers}
        for place, ((state, kind), numbers) in enumerate(zip(pairs, counts, strict=True), 1)
    ]


def other_runs() -> list[Row]:
    """One in each state of each other kind, with ids that device syncs have too."""
    pairs = [(state, kind) for state in SyncRunState for kind in OTHERS]
    return [
        {"id": place, **COMMON, **ended(state), "kind": kind.value, "fence": place,
         "counts": f'{{"{next(iter(KINDS[kind].words.counts))}": {1000 + place}}}'}
        for place, (state, kind) in enumerate(pairs, 1)
    ]  # fmt: skip


def running_fence(rows: Iterable[Row], kind: str | None = None) -> object:
    found = [row["fence"] for row in rows if row["state"] == "running" and kind in {None, row["kind"]}]
    return found[-1]


def insert(table: str, rows: Iterable[Mapping[str, object]]) -> None:
    with write() as session:
        for row in rows:
            names, places = ", ".join(row), ", ".join(f":{name}" for name in row)
            session.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), row)  # noqa: S608 - ours


def stored(table: str, order: str = "1") -> list[Row]:
    found = db.session.execute(text(f"SELECT * FROM {table} ORDER BY {order}")).mappings()  # noqa: S608 - ours
    rows = [dict(row) for row in found]
    db.session.rollback()
    return rows


def fill() -> None:
    """Runs, leases, holds, skipped devices, history, tags and feed of an integration, in every state."""
    insert("integration", [
        {"id": 1, "kind": "workspace_one", "name": "Head office", "state": "active", "version": 3,
         "created_at": EARLIER, "snapshots": 4, "redact_pending": False, "awaits_sync": False,
         "uem_generation": 0},
    ])  # fmt: skip
    syncs, others = device_syncs(), other_runs()
    insert("sync_run", syncs)
    insert("job_run", others)
    leased = {"lease_owner": OWNER, "lease_until": LATER, "whole": True, "failures": 2, "next_at": LATER}
    fences = {"devices": running_fence(syncs)} | {kind.value: running_fence(others, kind) for kind in OTHERS}
    insert(
        "job",
        [{"integration_id": 1, "kind": kind, "fence": fence, **leased} for kind, fence in fences.items()],
    )
    insert("skipped_device", [
        {"id": 1, "run_id": 2, "external_id": "41", "reason": "No serial number"},
        {"id": 2, "run_id": 5, "external_id": "42", "reason": "No name"},
    ])  # fmt: skip
    hold = {"integration_id": 1, "created_at": LATER, "up_to": 4, "devices": 7, "live": 90, "digest": "d"}
    hold["reasons"] = '["threshold"]'
    insert("hold", [
        {"id": place, "run_id": place if place % 4 else None, "state": state.value, **hold}
        for place, state in enumerate(HoldState, 1)
    ])  # fmt: skip
    times = dict.fromkeys(("created_at", "updated_at"), EARLIER)
    insert("device", [dict.fromkeys(TEXTS, "") | {"id": 1, "integration_id": 1, "udid": "AB", **times}])
    insert("device_event", [
        {"id": 1, "device_id": 1, "run_id": 4, "at": LATER, "kind": "changed", "detail": "OS version"},
        {"id": 2, "device_id": 1, "run_id": 5, "at": LATER, "kind": "untagged", "detail": "Unknown"},
        {"id": 3, "device_id": 1, "run_id": None, "at": LATER, "kind": "deleted", "detail": "By kim"},
    ])  # fmt: skip
    insert(
        "uem_tag",
        [{"integration_id": 1, "key": "risk:high", "name": "High", "adopted": False, "problem": ""}],
    )
    insert("tag_link", [
        {"device_id": 1, "key": f"key:{state}", "integration_id": 1, "external_id": "1", "wanted": True,
         "present": False, "state": state.value, "attempts": 1, "changed_at": LATER, "reason": ""}
        for state in LinkState
    ])  # fmt: skip
    insert("feed", [
        {"at": LATER, "kind": "run", "name": "ok", "severity": "information", "subject_id": 4,
         "integration_id": 1, "details": details}
        for details in ('{"job": "devices", "reason": ""}', '{"job": "apps", "reason": ""}')
    ])  # fmt: skip


UNTOUCHED = ("integration", "job", "skipped_device", "hold", "device", "uem_tag", "tag_link")


@pytest.fixture
def upgraded(
    tmp_path: Path, database: str, request: pytest.FixtureRequest
) -> Iterator[tuple[Flask, dict[str, list[Row]]]]:
    """The application after the upgrade, and every table as it was before."""
    server: Server | None = request.getfixturevalue("server") if database == "postgresql" else None
    place = server.database() if server else None
    url = place.__enter__() if place else ""
    app = create_app(Settings(data_dir=tmp_path, database_url=url))
    app.testing = True
    with app.app_context():
        upgrade(directory=str(migrate.SCRIPTS), revision="0041")
        fill()
        tables = (*UNTOUCHED, "sync_run", "job_run", "device_event", "feed")
        before = {table: stored(table, "1, 2") for table in tables}
        migrate.migrate(NOON)
        yield app, before
        db.session.remove()
        db.engine.dispose()
    if place:
        place.__exit__(None, None, None)


@pytest.fixture
def visitor(upgraded: tuple[Flask, dict[str, list[Row]]]) -> FlaskClient:
    app, _ = upgraded
    create_user(ADMINISTRATOR, PASSWORD, Role.ADMINISTRATOR, now())
    client = app.test_client()
    assert client.post("/sign-in", data={"name": ADMINISTRATOR, "password": PASSWORD}).status_code == 303
    return client


def test_every_run_hold_lease_and_tag_is_carried_over(upgraded: tuple[Flask, dict[str, list[Row]]]) -> None:
    _, before = upgraded
    offset = max(row["id"] for table in ("sync_run", "job_run") for row in before[table])  # type: ignore[type-var]
    runs = {row["id"]: row for row in stored("job_run")}
    assert len(runs) == len(before["sync_run"]) + len(before["job_run"])
    for row in before["sync_run"]:
        after = db.session.get_one(JobRun, row["id"])
        assert {name: after.count(name) for name in NUMBERS} == {name: row[name] or 0 for name in NUMBERS}
        assert 0 not in after.counts.values()
        others = {name: value for name, value in row.items() if name not in {*NUMBERS, "kind"}}
        assert runs[row["id"]].items() >= others.items()
        assert (after.kind, after.sync_kind, after.former_id) == ("devices", row["kind"], None)
    for row in before["job_run"]:
        new = row["id"] + offset  # type: ignore[operator]
        assert runs[new].items() >= (row | {"id": new, "former_id": row["id"], "sync_kind": ""}).items()
    for table in UNTOUCHED:
        assert stored(table, "1, 2") == before[table], table
    assert [row["run_id"] for row in stored("device_event")] == [4, 5 + offset, None]  # type: ignore[operator]
    assert [row["subject_id"] for row in stored("feed")] == [4, 4 + offset]  # type: ignore[operator]


def test_a_lease_that_was_left_is_found_by_its_run_and_new_runs_get_new_ids(
    upgraded: tuple[Flask, dict[str, list[Row]]],
) -> None:
    leased = {(run.kind, run.fence) for run, job in lease.under_way(db.session()) if run.fence == job.fence}
    assert leased == {(job.kind, job.fence) for job in db.session.query(Job)}
    db.session.rollback()
    newest = max(row["id"] for row in stored("job_run"))  # type: ignore[type-var]
    assert recovery.reap(now()) == len(SyncKind) + len(OTHERS)
    claimed = lease.claim(1, JobKind.APPS, "host", now())
    assert claimed is not None
    assert claimed.run_id > newest  # type: ignore[operator]


def test_what_points_at_a_run_still_goes_with_it(upgraded: tuple[Flask, dict[str, list[Row]]]) -> None:
    with write() as session:
        session.execute(text("DELETE FROM job_run WHERE id IN (1, 2)"))
    assert [row["run_id"] for row in stored("skipped_device")] == [5]
    assert [row["run_id"] for row in stored("hold")][:3] == [None, None, 3]


def test_pages_file_and_api_say_what_they_said(
    upgraded: tuple[Flask, dict[str, list[Row]]], visitor: FlaskClient
) -> None:
    _, before = upgraded
    file = {(row["job"], row["id"]): row for row in records_of(visitor.post("/integrations/1/runs.csv"))}
    listed = {row["id"]: row for row in api_rows()}
    assert set(listed) == {row["id"] for row in before["sync_run"]}
    for row in before["sync_run"]:
        said = file["devices", str(row["id"])]
        assert (said["kind"], said["state"], said["reason"]) == (row["kind"], row["state"], row["reason"])
        assert listed[row["id"]]["kind"] == row["kind"]
        for name in set(NUMBERS) - {"expected"}:
            assert said[name] == str(row[name]), name
            assert listed[row["id"]].get(name, row[name]) == row[name], name
        page = visitor.get(f"/integrations/1/runs/{row['id']}").text
        assert f"{row['reason']} Wait." in page or row["state"] == "running"
        assert f'data-state="{row["state"]}"' in page
    for row in before["job_run"]:
        old = visitor.get(f"/integrations/1/jobs/{row['kind']}/runs/{row['id']}")
        assert old.status_code == 301
        page = visitor.get(str(old.location)).text
        assert f"1,{row['id']:03}" in page
        assert f'data-state="{row["state"]}"' in page
    assert len(api_rows(job="tagging")) == len(SyncRunState)
    history = visitor.get("/devices/1/history").text
    tagging = max(row["id"] for table in ("sync_run", "job_run") for row in before[table])  # type: ignore[type-var]
    assert 'href="/integrations/1/runs/4"' in history
    assert f'href="/integrations/1/runs/{tagging + 5}"' in history  # type: ignore[operator]


def api_rows(**asked: str) -> list[dict[str, Any]]:
    """The runs as `/api/v1/runs` lists them."""
    query, order = RUNS.query(Filters.from_query(RUNS.filters, asked))
    records = [RUNS.record_of(row, None) for row in order.every(query)]  # type: ignore[arg-type]
    return [msgspec.to_builtins(record) for record in records]
