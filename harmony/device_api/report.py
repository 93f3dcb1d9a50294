"""PURE: what a report of a Protect app says, whether it says anything new, and what it opens and closes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from harmony.protection.catalogue import factor_of
from harmony.protection.change import OpenFinding

HALF = 32
# Of one profile, where reports that could not be read in full keep what they do not name.
_MOST_OPEN = 400
_LONGEST_SKEW = 100 * 365 * 86_400


class Threat(NamedTuple):
    """A threat factor and what it is about."""

    code: str
    subject: str


class Seen(NamedTuple):
    """An app on the device."""

    identifier: str
    version: str
    name: str


class Omission(NamedTuple):
    """What was not read of a field of a body: entries left out, texts cut."""

    field: str
    left_out: int
    cut: int


@dataclass(frozen=True, slots=True)
class Report:
    """A check-in. `apps` is None when they are as before; `clock` is the device's own, None when not told.

    `omissions` are the fields that could not be read in full.
    """

    key_hash: str
    at: datetime
    threats: tuple[Threat, ...] = ()
    os_version: str = ""
    client_version: str = ""
    apps: tuple[Seen, ...] | None = None
    clock: datetime | None = None
    omissions: tuple[Omission, ...] = ()

    def is_whole(self, field: str) -> bool:
        """Return False when an entry of that list was left out: it may be any that the list does not name."""
        return not any(omission.field == field and omission.left_out for omission in self.omissions)

    def digest(self, before: str) -> str:
        """64 hex digits for what it says; without apps the second half is that of the report before."""
        said = _hash([sorted(self.threats), self.os_version, self.client_version, *self.omissions])
        return said + (before[HALF:] if self.apps is None else _hash(sorted(self.apps)))

    def skew(self, before: int | None) -> int | None:
        """How many seconds the device's clock is ahead of ours; as before when it does not tell."""
        if self.clock is None:
            return before
        seconds = int((self.clock - self.at).total_seconds())
        return max(-_LONGEST_SKEW, min(_LONGEST_SKEW, seconds))


def believed(threats: Iterable[Threat]) -> tuple[Threat, ...]:
    """Each threat once, without what the dashboard concludes by itself."""
    return tuple(dict.fromkeys(one for one in threats if not factor_of(one.code).concluded))


def clock_of(text: str | None) -> datetime | None:
    """The device's time; None when it tells none, or none that can be read. Without a zone it is UTC.

    >>> clock_of("2026-01-15T12:00:00+02:00"), clock_of("yesterday")
    (datetime.datetime(2026, 1, 15, 10, 0, tzinfo=datetime.timezone.utc), None)
    """
    try:
        moment = datetime.fromisoformat(text or "")
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def compare(
    findings: Iterable[OpenFinding], profile: str, threats: Iterable[Threat], *, whole: bool = True
) -> tuple[list[Threat], list[OpenFinding]]:
    """Return the threats that a report opens, and the findings of its profile that it ends.

    One that is not `whole` ends nothing, unless more would be open than any report can name.

    >>> new, ended = compare([OpenFinding(7, "work", "ROOTED", "", 3)], "work", [Threat("PHISHING", "")])
    >>> new, [finding.id for finding in ended]
    ([Threat(code='PHISHING', subject='')], [7])
    """
    known = {
        Threat(finding.code, finding.subject): finding for finding in findings if finding.profile == profile
    }
    reported = dict.fromkeys(threats)
    new = [threat for threat in reported if threat not in known]
    if not whole and len(known) + len(new) <= _MOST_OPEN:
        return new, []
    return new, [finding for threat, finding in known.items() if threat not in reported]


def _hash(value: Sequence[object]) -> str:
    text = json.dumps(value, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:HALF]
