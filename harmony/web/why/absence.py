"""PURE: why a device is missing, deleted or not listed, what each sync said, and when it is deleted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from harmony.models.states import Absence, HoldState, SyncRunState
from harmony.sync.deletion.guard import due_up_to
from harmony.web.why.given import AbsenceGiven, EndedSync
from harmony.web.why.records import AbsenceLink, MissedBy

_DOUBTS = {
    Absence.PLAIN: "",
    Absence.EVENT: "",
    Absence.EMPTIED: "When it was first missed, its groups listed no device at all: its deletion is held.",
    Absence.EDITED: "It was first missed by the sync after an edit of the groups, the server or its "
    "credentials: its deletion is held.",
    Absence.RESTORED: "It was first missed by the sync after the database was restored from a backup: its "
    "deletion is held.",
}
_AFTER = "“Device deletion after” on the Synchronization page: {}."
_THRESHOLD = "“Device deletion threshold”: {} % at once; above it, deletions wait for a person."
_EXPIRY = "“Expiry of devices that no sync lists” on the Deployment page: {}."
_KEPT = "HARMONY_DELETED_KEPT_DAYS: {}."


def absence_link(given: AbsenceGiven) -> AbsenceLink | None:
    """Explain the absence of the device; None for one that the UEM lists."""
    if given.deleted_at is not None:
        return _deleted(given, given.deleted_at)
    if given.is_unlisted:
        return _unlisted(given)
    if given.missing_since is None or given.absent_from is None:
        return None
    return _missing(given, given.snapshots - given.absent_from + 1, given.absent_from)


def _deleted(given: AbsenceGiven, deleted_at: datetime) -> AbsenceLink:
    return AbsenceLink(
        state="deleted",
        since=deleted_at,
        conclusion=f"Deleted by {given.deleted_by}. It can be restored until it is removed for good.",
        setting=_KEPT.format(_days(given.deleted_kept_days)),
        expected_at=deleted_at + timedelta(days=given.deleted_kept_days),
    )


def _unlisted(given: AbsenceGiven) -> AbsenceLink:
    """Explain a device that Protect registered; without a sync it does not expire."""
    days, expected = given.unlisted_days, None
    if not days:
        when = "Nothing deletes it by itself."
    elif given.fresh_as_of is None or given.standstill:
        when = f"It does not expire while no sync runs. {given.standstill}".strip()
    else:
        when, expected = "It expires unless a sync lists it.", given.created_at + timedelta(days=days)
    return AbsenceLink(
        state="unlisted",
        since=given.created_at,
        conclusion=f"Protect registered it, and no sync has listed it in a chosen group yet. {when}",
        setting=_EXPIRY.format(_days(days) if days else "never"),
        expected_at=expected,
    )


def _missing(given: AbsenceGiven, misses: int, absent_from: int) -> AbsenceLink:
    settings = given.settings
    is_due = absent_from <= due_up_to(given.snapshots, settings.deletion_after)
    hold = given.hold if is_due else None
    known = len(given.syncs) + given.more
    lost, missed_by = max(misses - known, 0), tuple(_missed_by(given, misses))
    unknown = f"{_syncs(lost)} of these {'is' if lost == 1 else 'are'} not kept any more"
    return AbsenceLink(
        state="missing",
        since=given.missing_since,
        doubt=_DOUBTS[Absence(given.absent_why or Absence.PLAIN)],
        misses=misses,
        missed_by=missed_by,
        more=max(misses - lost - len(missed_by), 0),
        hold_id=hold.hold_id if hold else None,
        hold_reasons=hold.reasons if hold else (),
        conclusion=f"{_found(given, misses)} {_fate(given, misses, is_due=is_due)}",
        setting=" ".join(
            (_AFTER.format(_syncs(settings.deletion_after)), _THRESHOLD.format(settings.deletion_threshold))
        ),
        expected_at=_expected(given, misses, is_due=is_due),
        unknown=(f"{unknown}: runs are kept for {_days(given.runs_kept_days)}.",) if lost else (),
    )


def _found(given: AbsenceGiven, misses: int) -> str:
    if given.absent_why == Absence.EVENT:
        return "The UEM did not have it in the chosen groups when it was read because of an event."
    return f"{_syncs(misses)} in a row did not list it."


def _missed_by(given: AbsenceGiven, misses: int) -> Iterator[MissedBy]:
    """Yield the syncs, newest first; the number of each tells whether the device was due then."""
    for number, sync in zip(range(misses, 0, -1), given.syncs, strict=False):
        yield MissedBy(
            run_id=sync.run_id,
            finished_at=sync.finished_at,
            state=sync.state,
            guard=_guard(sync, number, given.settings.deletion_after),
        )


def _guard(sync: EndedSync, number: int, deletion_after: int) -> str:
    counted = f"Sync {number} without it; due from {deletion_after} on."
    if sync.state == SyncRunState.HELD:
        return f"{counted} The guard held deletions. {sync.reason}"
    if number < deletion_after:
        return f"{counted} The guard was not asked about it."
    return f"{counted} The guard held nothing then."


def _fate(given: AbsenceGiven, misses: int, *, is_due: bool) -> str:
    """Say when the device is deleted, or what keeps it."""
    if given.standstill:
        return f"No sync counts or deletes it now. {given.standstill}"
    if is_due and given.hold and given.hold.state == HoldState.OPEN:
        return "Its deletion is held until a person decides."
    if is_due and given.hold:
        return "Its deletion was approved; the next complete sync that does not list it deletes it."
    if is_due:
        return "The next complete sync that does not list it deletes it, unless the guard holds deletions."
    left = given.settings.deletion_after - misses
    more = f"{left:,} more complete {'sync' if left == 1 else 'syncs'}"
    return f"After {more} without it, it is deleted, unless the guard holds deletions."


def _expected(given: AbsenceGiven, misses: int, *, is_due: bool) -> datetime | None:
    """Return when it is deleted if every sync is on time and misses it; None while something keeps it."""
    waits = is_due and given.hold is not None and given.hold.state == HoldState.OPEN
    if given.standstill or waits or given.next_sync_at is None:
        return None
    more = max(given.settings.deletion_after - misses, 1) - 1
    return given.next_sync_at + more * timedelta(minutes=given.settings.device_interval)


def _syncs(number: int) -> str:
    return f"{number:,} complete {'sync' if number == 1 else 'syncs'}"


def _days(days: int) -> str:
    return f"{days:,} {'day' if days == 1 else 'days'}"
