"""What must hold after every fault, whatever it was: one function for every test that breaks something."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from urllib.parse import quote_plus

from flask import current_app
from sqlalchemy import inspect

from harmony.clock import now
from harmony.db import db, is_sqlite, release
from harmony.models import Integration
from harmony.web.integrations import overview
from tests.invariants_of_deletion import (
    Known,
    no_more_was_deleted_than_allowed,
    nobody_doubtful_is_absent,
    nothing_was_deleted_too_early,
    nothing_was_missing_or_gone_without_a_complete_snapshot,
    rows,
    who_came_back_is_not_missing,
)

# The states of a hold that only a person brings about, and how the audit log calls it.
DECISIONS = {"approved": "Approved deletions", "dismissed": "Dismissed deletions"}


def what_is_known() -> Known:
    """What to give to `check_invariants` after the fault."""
    found = rows("SELECT id, integration_id, missing_since, deleted_at FROM device")
    return Known(
        {row["id"]: (row["integration_id"], row["missing_since"] is not None) for row in found},
        frozenset(row["id"] for row in found if row["deleted_at"] is not None),
        {row["id"]: row["state"] for row in rows("SELECT id, state FROM integration")},
        {row["id"]: row["state"] for row in rows("SELECT id, state FROM hold")},
        rows("SELECT coalesce(max(id), 0) AS last FROM audit_entry")[0]["last"],
    )


def check_invariants(
    before: Known | None = None,
    *,
    canaries: Iterable[str] = (),
    logs: str = "",
    again: Callable[[], object] | None = None,
    dying: bool = False,
) -> None:
    """Assert I1 to I5, I6 (with `again`, which repeats the last sync), I7 and I9 to I13 (facts §2).

    Needs the context of the application whose file is examined. `dying` as in `quick_invariants`.
    I8 (foreign tags) is about what the UEM holds: `tests/tagging/machine.py` asserts it after every step of a
    model UEM with hostile administrators, `tests/faults/test_tagging.py` against the simulated one.
    """
    quick_invariants(before, dying=dying)
    no_secret_is_stored_or_logged([form for secret in canaries for form in forms_of(secret)], logs)
    the_file_is_sound()
    the_page_counts_what_is_there(dying)
    if again is not None:
        repeating_changes_nothing(again)
    release()


def quick_invariants(before: Known | None = None, *, dying: bool = False) -> None:
    """Assert I1 to I5, I9, I12 and I13: a few small questions, for tests that ask after every step.

    `before` is from one step ago, with one run at most since then. `dying`: a worker was killed, and nobody
    has noticed yet.
    """
    release()
    before = before or Known()
    nothing_was_missing_or_gone_without_a_complete_snapshot(before)
    no_more_was_deleted_than_allowed(before)
    nothing_was_deleted_too_early(before)
    who_came_back_is_not_missing()
    nobody_doubtful_is_absent()
    every_run_ended_and_no_lease_was_left(dying)
    every_decision_was_written_down(before)
    release()


def every_run_ended_and_no_lease_was_left(dying: bool = False) -> None:
    """I5 and I9: nothing runs any more, so that nothing has two live runs or a forgotten lease."""
    live = rows(
        "SELECT integration_id, kind, count(*) AS n FROM job_run WHERE state = 'running' GROUP BY 1, 2"
    )
    assert not [row for row in live if row["n"] > 1], f"I5: several live runs: {live}"
    open_runs = rows("SELECT id, kind, state FROM job_run WHERE state = 'running' OR finished_at IS NULL")
    assert dying or not open_runs, f"I9: these runs did not end: {open_runs}"
    leased = rows(
        "SELECT integration_id, kind FROM job WHERE lease_owner IS NOT NULL OR lease_until IS NOT NULL"
    )
    assert dying or not leased, f"I9: a lease is left on {leased}"


def every_decision_was_written_down(before: Known) -> None:
    """I12: whoever changed the state of an integration or decided a hold stands in the audit log."""
    entries = rows("SELECT integration_id, what FROM audit_entry WHERE id > :last", last=before.audited)
    said = {(entry["integration_id"], entry["what"]) for entry in entries}
    for row in rows("SELECT id, state FROM integration"):
        changed = before.states.get(row["id"], row["state"]) != row["state"]
        assert not changed or row["id"] in {id_ for id_, _ in said}, f"I12: who made it {row['state']}?"
    for row in rows("SELECT id, integration_id, state FROM hold"):
        changed = before.holds.get(row["id"]) != row["state"] and row["state"] in DECISIONS
        assert not changed or (row["integration_id"], DECISIONS[row["state"]]) in said, (
            f"I12: who {row['state']} the hold?"
        )


def no_secret_is_stored_or_logged(secrets: list[str], logs: str) -> None:
    """I7: no column of any table and no log line holds a secret; sealed values do not look like one."""
    for table in inspect(db.session.connection()).get_table_names():
        for row in rows(f'SELECT * FROM "{table}"'):  # noqa: S608 - the names of our own tables
            leaks = [name for name, value in row.items() if any(secret in str(value) for secret in secrets)]
            assert not leaks, f"I7: {table} holds a secret in {leaks}"
    # The text itself stays out of the message, which would only spread the secret further.
    assert sum(secret in logs for secret in secrets) == 0, "I7: the log holds a secret"


def the_file_is_sound() -> None:
    """I10, which PostgreSQL sees to by itself."""
    if not is_sqlite():
        return
    assert [tuple(row.values()) for row in rows("PRAGMA integrity_check")] == [("ok",)], "I10"
    assert rows("PRAGMA foreign_key_check") == [], "I10"


def the_page_counts_what_is_there(dying: bool = False) -> None:
    """I11: what the list and the integration's page show are the counts of the live rows."""
    with current_app.test_request_context():
        listed = {row.integration.id: row for row in overview.rows()}
        for integration in db.session.query(Integration).all():
            mine = f"FROM device WHERE deleted_at IS NULL AND integration_id = {integration.id}"
            devices = rows(f"SELECT count(*) AS n {mine}")[0]["n"]
            missing = rows(f"SELECT count(*) AS n {mine} AND missing_since IS NOT NULL")[0]["n"]
            shown = overview.page(integration, now())
            assert listed[integration.id].devices == shown["devices"] == devices, "I11: devices"
            assert shown["missing"] == missing, "I11: missing devices"
            assert dying or listed[integration.id].running is shown["running"] is None, (
                "I11: a run that has ended"
            )


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
