"""PURE: a report of a Protect app: its digest, and the findings that it opens and ends."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from harmony.protection.catalogue import factor_of
from harmony.protection.change import OpenFinding

_HALF = 32
# Of one profile, where reports that could not be read in full keep what they do not name.
_MOST_OPEN = 400
_LONGEST_SKEW = 100 * 365 * 86_400


class ReportedThreat(NamedTuple):
    """A threat factor and what it is about."""

    code: str
    subject: str


class ReportedApp(NamedTuple):
    """An app on the device."""

    identifier: str
    version: str
    name: str


class Omission(NamedTuple):
    """A field of a body that was not read in full: entries left out, texts cut."""

    field: str
    left_out: int
    cut: int


@dataclass(frozen=True, slots=True)
class CheckInReport:
    """A check-in. `apps` is None when they are as before; `clock` is the device's own, None when not told.

    `omissions` are the fields that could not be read in full.
    """

    key_hash: str
    at: datetime
    threats: tuple[ReportedThreat, ...] = ()
    os_version: str = ""
    client_version: str = ""
    apps: tuple[ReportedApp, ...] | None = None
    clock: datetime | None = None
    omissions: tuple[Omission, ...] = ()

    def is_whole(self, field: str) -> bool:
        """Return False when an entry of that list was left out: it may be any that the list does not name."""
        return not any(omission.field == field and omission.left_out for omission in self.omissions)

    def digest(self, before: str) -> str:
        """Return 64 hex digits for its content; without apps the second half is that of the report before."""
        said = _hash([sorted(self.threats), self.os_version, self.client_version, *self.omissions])
        return said + (before[_HALF:] if self.apps is None else _hash(sorted(self.apps)))

    def skew(self, before: int | None) -> int | None:
        """Return the seconds that the device's clock is ahead of ours; as before when it is not reported."""
        if self.clock is None:
            return before
        seconds = int((self.clock - self.at).total_seconds())
        return max(-_LONGEST_SKEW, min(_LONGEST_SKEW, seconds))


def believed(threats: Iterable[ReportedThreat]) -> tuple[ReportedThreat, ...]:
    """Return each threat once, without what the dashboard concludes by itself."""
    return tuple(dict.fromkeys(threat for threat in threats if not factor_of(threat.code).concluded))


def clock_of(text: str | None) -> datetime | None:
    """Read the device's time; None if there is none that can be read. Without a zone it is UTC.

    >>> clock_of("2026-01-15T12:00:00+02:00"), clock_of("yesterday")
    (datetime.datetime(2026, 1, 15, 10, 0, tzinfo=datetime.timezone.utc), None)
    """
    try:
        time = datetime.fromisoformat(text or "")
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def compare(
    findings: Iterable[OpenFinding], profile: str, threats: Iterable[ReportedThreat], *, whole: bool = True
) -> tuple[list[ReportedThreat], list[OpenFinding]]:
    """Return the threats that a report opens, and the findings of its profile that it ends.

    One that is not `whole` ends nothing, unless more would be open than any report can name.

    >>> rooted = OpenFinding(7, "work", "ROOTED", "", 3)
    >>> new, ended = compare([rooted], "work", [ReportedThreat("PHISHING", "")])
    >>> new, [finding.id for finding in ended]
    ([ReportedThreat(code='PHISHING', subject='')], [7])
    """
    known = {
        ReportedThreat(finding.code, finding.subject): finding
        for finding in findings
        if finding.profile == profile
    }
    reported = dict.fromkeys(threats)
    new = [threat for threat in reported if threat not in known]
    if not whole and len(known) + len(new) <= _MOST_OPEN:
        return new, []
    return new, [finding for threat, finding in known.items() if threat not in reported]


def _hash(value: Sequence[object]) -> str:
    text = json.dumps(value, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HALF]
