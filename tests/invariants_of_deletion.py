"""I1 to I4 and I13: what may become of devices. `tests.invariants` calls them with all the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from harmony.db import db
from harmony.models import Integration
from harmony.models.configuration import SYNCHRONIZATION, Synchronization, from_row

# A worker that died while it marked what a complete snapshot had not listed leaves this step behind.
MARKING = "Looking for missing devices"
ROLLING = timedelta(hours=24)
# How a run says that it marks nothing missing.
NOT_COUNTED = ("Nothing was marked missing", "none was counted as missing")


@dataclass(frozen=True)
class Known:
    """What there was before a fault.

    `devices`: row id to (integration, missing or not); `deleted` are those of them that were deleted softly.
    `states` of the integrations and of the `holds` by id; `audited` is the last audit entry.
    """

    devices: Mapping[int, tuple[int, bool]] = field(default_factory=dict)
    deleted: frozenset[int] = frozenset()
    states: Mapping[int, str] = field(default_factory=dict)
    holds: Mapping[int, str] = field(default_factory=dict)
    audited: int = 0


def nothing_was_missing_or_gone_without_a_complete_snapshot(before: Known) -> None:
    """I1: each new mark or deletion by a sync lies inside a run that read everything; no row went away."""
    missing = {id_ for id_, (_, was_missing) in before.devices.items() if was_missing}
    marks = rows("SELECT id, integration_id, missing_since AS at FROM device WHERE missing_since IS NOT NULL")
    gone = rows("SELECT id, integration_id, deleted_at AS at FROM device WHERE deleted_by = 'sync'")
    fresh = [row for row in marks if row["id"] not in missing]
    fresh += [row for row in gone if row["id"] not in before.deleted]
    complete = complete_runs() if fresh else []
    for device in fresh:
        assert any(
            run["integration_id"] == device["integration_id"]
            and run["started_at"] <= device["at"] <= (run["finished_at"] or device["at"])
            for run in complete
        ), f"I1: device {device['id']} is missing, but no complete snapshot says so"
    kept = {row["id"] for row in rows("SELECT id FROM device")}
    integrations = {row["id"] for row in rows("SELECT id FROM integration")}
    lost = [
        id_
        for id_, (owner, _) in before.devices.items()
        if owner in integrations and id_ not in kept and id_ not in before.deleted
    ]
    assert not lost, f"I1: devices {lost} were deleted"


def complete_runs() -> list[dict[str, Any]]:
    """The snapshots that read everything, and those that died after that."""
    return rows(
        "SELECT integration_id, started_at, finished_at FROM job_run WHERE sync_kind = 'snapshot' AND "
        "(state IN ('ok', 'warning', 'held') OR (state IN ('aborted', 'running') AND step = :marking))",
        marking=MARKING,
    )


def no_more_was_deleted_than_allowed(before: Known) -> None:
    """I2: what syncs deleted in the 24 hours up to the last deletion is within the threshold."""
    for owner, fresh in deleted_by_syncs_since(before).items():
        last = max(as_time(row["deleted_at"]) for row in fresh)
        mine = rows("SELECT deleted_at, deleted_by FROM device WHERE integration_id = :owner", owner=owner)
        gone = sum(
            row["deleted_by"] == "sync" and last - as_time(row["deleted_at"]) < ROLLING for row in mine
        )
        of_all = gone + sum(row["deleted_at"] is None for row in mine)
        threshold = choice_of(owner).deletion_threshold
        assert gone * 100 <= threshold * of_all, f"I2: {gone} of {of_all} devices deleted at {threshold} %"


def nothing_was_deleted_too_early(before: Known) -> None:
    """I3: a sync deletes after so many complete misses in a row; on approval, what was on the list."""
    for owner, fresh in deleted_by_syncs_since(before).items():
        counted = rows("SELECT snapshots FROM integration WHERE id = :owner", owner=owner)[0]["snapshots"]
        for row in fresh:
            # A run that died after the deletion did not count its snapshot.
            number = counted + (row["state"] not in {"ok", "warning", "held"})
            misses = number - row["absent_from"] + 1
            tries = choice_of(owner).deletion_after
            assert misses >= tries, f"I3: device {row['id']} was deleted after {misses} of {tries} misses"


def deleted_by_syncs_since(before: Known) -> dict[int, list[dict[str, Any]]]:
    """What was deleted by a sync alone since then, by integration, with the state of the run that did it."""
    found: dict[int, list[dict[str, Any]]] = {}
    for row in rows(
        "SELECT device.id, device.integration_id, absent_from, deleted_at, state FROM device "
        "JOIN device_event ON device_event.device_id = device.id AND device_event.kind = 'deleted' "
        "JOIN job_run ON job_run.id = device_event.run_id "
        "WHERE deleted_by = 'sync' AND deleted_at = device_event.at"
    ):
        if row["id"] not in before.deleted:
            found.setdefault(row["integration_id"], []).append(row)
    return found


def who_came_back_is_not_missing() -> None:
    """I4: the three signs of an absence come and go together, and the history ends with what is true."""
    torn = rows(
        "SELECT id FROM device WHERE (absent_from IS NULL) <> (missing_since IS NULL) "
        "OR (absent_from IS NULL) <> (absent_why = '')"
    )
    assert not torn, f"I4: {torn} are missing by halves"
    back = rows(
        "SELECT device_id FROM device_event JOIN device ON device.id = device_id "
        "WHERE absent_from IS NOT NULL AND kind IN ('missing', 'reappeared', 'restored') "
        "GROUP BY device_id HAVING max(CASE WHEN kind = 'missing' THEN device_event.id ELSE 0 END) "
        "< max(device_event.id)"
    )
    assert not back, f"I4: {back} came back and are still missing"


def nobody_doubtful_is_absent() -> None:
    """I13: absence is positive knowledge; what a run doubted or said that it did not count is not marked."""
    torn = rows(
        "SELECT device.id, device_event.run_id FROM device_event JOIN device ON device.id = device_id "
        "JOIN skipped_device ON skipped_device.run_id = device_event.run_id "
        "AND skipped_device.external_id = device.external_id WHERE device_event.kind = 'missing'"
    )
    assert not torn, f"I13: {torn} are missing since a run that listed them in rows it could not read"
    doubting = rows("SELECT id, reason FROM job_run WHERE CAST(counts ->> 'missing' AS integer) > 0")
    torn = [run for run in doubting if any(words in run["reason"] for words in NOT_COUNTED)]
    assert not torn, f"I13: {torn} counted what they say they did not"


def choice_of(integration_id: int) -> Synchronization:
    """The Synchronization page that is in force."""
    page = db.session.get_one(Integration, integration_id).page(SYNCHRONIZATION)
    return from_row(Synchronization, page.applied if page else None)


def as_time(value: datetime | str) -> datetime:
    """A time as either driver gives it."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def rows(statement: str, **values: object) -> list[dict[str, Any]]:
    """The rows of a statement in the test's own database."""
    return [dict(row) for row in db.session.execute(text(statement), values).mappings()]
