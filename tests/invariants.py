"""What must hold after every fault, whatever it was: one function for every test that breaks something."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from flask import current_app
from sqlalchemy import text

from harmony.clock import now
from harmony.db import db, release
from harmony.models import Integration
from harmony.web import overview

# A worker that died while it marked what a complete snapshot had not listed leaves this step behind.
MARKING = "Looking for missing devices"


@dataclass(frozen=True)
class Known:
    """The devices before a fault: row id to (integration, missing or not)."""

    devices: Mapping[int, tuple[int, bool]]


def what_is_known() -> Known:
    """What to give to `check_invariants` after the fault."""
    found = rows("SELECT id, integration_id, missing_since FROM device")
    return Known({row["id"]: (row["integration_id"], row["missing_since"] is not None) for row in found})


def check_invariants(
    before: Known | None = None,
    *,
    canaries: Iterable[str] = (),
    logs: str = "",
    again: Callable[[], object] | None = None,
) -> None:
    """Assert I1, I5, I6 (with `again`, which repeats the last sync), I7, I9, I10 and I11 (facts §2).

    Needs the context of the application whose file is examined. I2 to I4 (how much may be deleted and after
    how many misses), I8 (foreign tags) and I12 (audit rows) belong to the issues that bring those things.
    """
    release()
    nothing_was_missing_or_gone_without_a_complete_snapshot(before or Known({}))
    every_run_ended_and_no_lease_was_left()
    no_secret_is_stored_or_logged([form for secret in canaries for form in forms_of(secret)], logs)
    the_file_is_sound()
    the_page_counts_what_is_there()
    if again is not None:
        repeating_changes_nothing(again)
    release()


def nothing_was_missing_or_gone_without_a_complete_snapshot(before: Known) -> None:
    """I1: each new mark lies inside a run that read everything, and no device row went away."""
    marked = rows("SELECT id, integration_id, missing_since FROM device WHERE missing_since IS NOT NULL")
    complete = rows(
        "SELECT integration_id, started_at, finished_at FROM sync_run "
        "WHERE state IN ('ok', 'warning') OR (state = 'aborted' AND step = :marking)",
        marking=MARKING,
    )
    for device in marked:
        _, was_missing = before.devices.get(device["id"], (0, False))
        assert was_missing or any(
            run["integration_id"] == device["integration_id"]
            and run["started_at"] <= device["missing_since"] <= run["finished_at"]
            for run in complete
        ), f"I1: device {device['id']} is missing, but no complete snapshot says so"
    kept = {row["id"] for row in rows("SELECT id FROM device")}
    integrations = {row["id"] for row in rows("SELECT id FROM integration")}
    gone = [id_ for id_, (owner, _) in before.devices.items() if owner in integrations and id_ not in kept]
    assert not gone, f"I1: devices {gone} were deleted"


def every_run_ended_and_no_lease_was_left() -> None:
    """I5 and I9: nothing runs any more, so that nothing has two live runs or a forgotten lease."""
    live = rows("SELECT integration_id, count(*) AS n FROM sync_run WHERE state = 'running' GROUP BY 1")
    assert not [row for row in live if row["n"] > 1], f"I5: several live runs: {live}"
    open_runs = rows("SELECT id, state FROM sync_run WHERE state = 'running' OR finished_at IS NULL")
    assert not open_runs, f"I9: these runs did not end: {open_runs}"
    held = rows("SELECT id FROM integration WHERE lease_owner IS NOT NULL OR lease_until IS NOT NULL")
    assert not held, f"I9: a lease is left on {held}"


def no_secret_is_stored_or_logged(secrets: list[str], logs: str) -> None:
    """I7: no column of any table and no log line holds a secret; sealed values do not look like one."""
    for table in rows("SELECT name FROM sqlite_master WHERE type = 'table'"):
        for row in rows(f'SELECT * FROM "{table["name"]}"'):  # noqa: S608 - the names of our own tables
            leaks = [name for name, value in row.items() if any(secret in str(value) for secret in secrets)]
            assert not leaks, f"I7: {table['name']} holds a secret in {leaks}"
    # The text itself stays out of the message, which would only spread the secret further.
    assert sum(secret in logs for secret in secrets) == 0, "I7: the log holds a secret"


def the_file_is_sound() -> None:
    """I10."""
    assert [tuple(row.values()) for row in rows("PRAGMA integrity_check")] == [("ok",)], "I10"
    assert rows("PRAGMA foreign_key_check") == [], "I10"


def the_page_counts_what_is_there() -> None:
    """I11: what the list and the integration's page show are the counts of the rows."""
    with current_app.test_request_context():
        listed = {row.integration.id: row for row in overview.rows(now())}
        for integration in db.session.query(Integration).all():
            mine = f"FROM device WHERE integration_id = {integration.id}"
            devices = rows(f"SELECT count(*) AS n {mine}")[0]["n"]
            missing = rows(f"SELECT count(*) AS n {mine} AND missing_since IS NOT NULL")[0]["n"]
            shown = overview.page(integration, now())
            assert listed[integration.id].devices == shown["devices"] == devices, "I11: devices"
            assert shown["missing"] == missing, "I11: missing devices"
            assert listed[integration.id].running is shown["running"] is None, "I11: a run that has ended"


def repeating_changes_nothing(again: Callable[[], object]) -> None:
    """I6: the same snapshot once more leaves every device and its groups as they are."""
    before = [rows("SELECT * FROM device ORDER BY id"), rows("SELECT * FROM membership ORDER BY 1, 2, 3")]
    release()
    again()
    release()
    after = [rows("SELECT * FROM device ORDER BY id"), rows("SELECT * FROM membership ORDER BY 1, 2, 3")]
    assert before == after, "I6: the same snapshot changed something"


def forms_of(secret: str) -> set[str]:
    """The secret as it is, as a form sends it, and as a header would carry it."""
    return {secret, quote_plus(secret), base64.b64encode(secret.encode()).decode().rstrip("=")}


def rows(statement: str, **values: object) -> list[dict[str, Any]]:
    """The rows of a statement in the test's own database."""
    return [dict(row) for row in db.session.execute(text(statement), values).mappings()]
