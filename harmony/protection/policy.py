"""The policy: the version in force, a new one, and those before it, none of which is ever lost."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from harmony.audit import SCHEDULE, audit
from harmony.db import db, release, write
from harmony.models import Finding, Policy, PolicyRecord, Protection, RiskOverride, Severity, Verb
from harmony.models.configuration import from_row
from harmony.protection.catalogue import CATALOGUE
from harmony.protection.change import EventLine
from harmony.protection.expiry import ended, with_grounds, without
from harmony.protection.policy_differences import Difference, differences, normal
from harmony.protection.record import record_events

# Before anybody saves a policy the defaults are in force, without a row.
DEFAULTS = 0
_UNKNOWN_SHOWN = 50


class Grounds(NamedTuple):
    """Why risks are changed, and the last day on which the change counts."""

    reason: str = ""
    ends_on: date | None = None


class SavedMeanwhile(Exception):
    """Somebody saved another version since the one that was looked at."""


def in_force(session: Session) -> tuple[int, PolicyRecord]:
    """Return the newest version and its record; version 0 are the defaults."""
    newest = select(Policy.version, Policy.values).order_by(Policy.version.desc()).limit(1)
    found = session.execute(newest).first()
    return (found.version, record_of(found.values)) if found else (DEFAULTS, PolicyRecord())


def record_of(values: dict[str, Any]) -> PolicyRecord:
    """Read the column `values`."""
    return from_row(PolicyRecord, values)


def save(
    record: PolicyRecord, version_seen: int, by: str, now: datetime, grounds: Grounds | None = None
) -> int:
    """Put a new version in force and return the version that is then. Enqueue the roll-out afterwards.

    A record that equals the one in force changes nothing. `grounds` are those of the risks it changes.
    Raises SavedMeanwhile when `version_seen` is not in force any more.
    """
    reason, ends_on = grounds or Grounds()
    override = RiskOverride(owner=by, at=now, reason=reason, ends_on=ends_on)
    with write() as session:
        version, before = in_force(session)
        if version != version_seen:
            raise SavedMeanwhile
        return _put(session, version, before, with_grounds(normal(record), before, override), by, now)


def change_grounds(code: str, grounds: Grounds, by: str, now: datetime) -> int | None:
    """Give an overridden risk another reason or last day; return the version then, None: not overridden.

    Whoever changes it becomes its owner. Enqueue the roll-out afterwards.
    """
    override = RiskOverride(owner=by, at=now, reason=grounds.reason, ends_on=grounds.ends_on)
    with write() as session:
        version, before = in_force(session)
        if code not in before.risks:
            return None
        after = msgspec.structs.replace(before, overrides=before.overrides | {code: override})
        return _put(session, version, before, after, by, now)


def end_overrides(codes: list[str], version_seen: int, by: str, now: datetime) -> int:
    """Give these threat factors the catalogue's risk again. Return and raises as `save`."""
    _version, record = in_force(db.session())
    return save(without(record, codes), version_seen, by, now)


def end_expired(now: datetime) -> None:
    """End the risk overrides that no longer count at `now`; the roll-out is pending then."""
    version, record = in_force(db.session())
    release()
    if codes := ended(record, now):
        with contextlib.suppress(SavedMeanwhile):  # the next look finds what is left
            end_overrides(codes, version, SCHEDULE, now)


def version_with_changes(version: int) -> tuple[Policy, list[Difference]] | None:
    """Return a saved version with what it changed; None if there is none of this number."""
    found = db.session.get(Policy, version)
    return (found, changes([found])[version]) if found else None


def changes(versions: Sequence[Policy]) -> dict[int, list[Difference]]:
    """Return what each of these versions changed."""
    wanted = {number for saved in versions for number in (saved.version, saved.version - 1)}
    rows = select(Policy.version, Policy.values).where(Policy.version.in_(wanted))
    records = {version: record_of(values) for version, values in db.session.execute(rows)}
    return {
        saved.version: differences(records.get(saved.version - 1, PolicyRecord()), records[saved.version])
        for saved in versions
    }


def reported_unknown() -> Sequence[str]:
    """Return codes of open findings that the catalogue does not know, as many as a page can show."""
    unknown = (Finding.closed_at.is_(None), Finding.code.not_in(CATALOGUE))
    codes = select(Finding.code).where(*unknown).distinct().order_by(Finding.code)
    return db.session.scalars(codes.limit(_UNKNOWN_SHOWN)).all()


def _put(  # noqa: PLR0917 - the version in force, the one after it, and who and when
    session: Session, version: int, before: PolicyRecord, after: PolicyRecord, by: str, now: datetime
) -> int:
    changed = differences(before, after)
    if not changed:
        return version
    session.add(_row(session, version + 1, after, by, now))
    _record_change(session, version + 1, changed, by, now)
    return version + 1


def _row(session: Session, version: int, record: PolicyRecord, by: str, now: datetime) -> Policy:
    to_rate = session.scalar(select(func.count()).select_from(Protection)) or 0
    return Policy(version=version, values=msgspec.to_builtins(record), at=now, by=by, to_rate=to_rate)


def _record_change(
    session: Session, version: int, changed: Sequence[Difference], by: str, now: datetime
) -> None:
    what = f"Version {version}: {', '.join(difference.label for difference in changed)}"
    changes = [(difference.label, difference.before, difference.after) for difference in changed]
    audit(session, by, "Changed the policy", now, detail=what, changes=changes)
    record_events(session, [EventLine(now, Verb.POLICY_CHANGED, Severity.INFORMATION, detail=what)])
