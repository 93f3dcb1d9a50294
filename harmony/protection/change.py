"""PURE: a change to a device's protection and its effect: risk, events, and whether tags show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from harmony.models.states import DeviceStatus, Risk, Severity, Verb
from harmony.protection.catalogue import factor_of
from harmony.protection.risk import device_risk, severity

_STATUS_EVENTS = {
    DeviceStatus.ACTIVE: (Verb.ACTIVE, Severity.INFORMATION),
    DeviceStatus.INACTIVE: (Verb.INACTIVE, Severity.WARNING),
}


class EventLine(NamedTuple):
    """A line of Events; `factor` is a threat factor's code, `detail` holds no personal data."""

    at: datetime
    verb: Verb
    severity: Severity
    device_id: int | None = None
    integration_id: int | None = None
    factor: str = ""
    vector: str = ""
    detail: str = ""


class ProtectionStatus(NamedTuple):
    """Status and risk of a device."""

    status: DeviceStatus
    risk: Risk


class OpenFinding(NamedTuple):
    """A stored finding that is open; `profile` is "" for what the dashboard concludes by itself."""

    id: int
    profile: str
    code: str
    subject: str
    risk: int


class NewFinding(NamedTuple):
    """A finding to be opened; `detail` is what its event says, the subject if None."""

    profile: str
    code: str
    subject: str
    risk: int
    detail: str | None = None


class DeviceState(NamedTuple):
    """The stored protection of a device; Provisioned and No Risk before anything is stored."""

    device_id: int
    integration_id: int
    platform: str
    status: str
    risk: int
    findings: Sequence[OpenFinding] = ()

    @property
    def protection_status(self) -> ProtectionStatus:
        """Return status and risk."""
        return ProtectionStatus(DeviceStatus(self.status), Risk(self.risk))


@dataclass(frozen=True, slots=True)
class Change:
    """A decision about a device, whose state was loaded in the same transaction.

    `closed` maps ids of findings to what their events say, `rated` maps ids to new risks. `status` None keeps
    the status; `detail` is what the event of another status says.
    """

    before: DeviceState
    opened: Sequence[NewFinding] = ()
    closed: Mapping[int, str] = field(default_factory=dict)
    rated: Mapping[int, int] = field(default_factory=dict)
    status: DeviceStatus | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Effect:
    """The effect of a change: all that has to be written for it."""

    change: Change
    after: ProtectionStatus
    opened: Sequence[NewFinding]
    closed: Sequence[OpenFinding]
    kept: Sequence[OpenFinding]

    @property
    def is_change(self) -> bool:
        """Return True if status, risk or the open findings differ."""
        return bool(self.opened or self.closed) or self._is_other_status

    @property
    def is_tagged(self) -> bool:
        """Return True if tags show the difference: status, risk, or the codes of open findings."""
        if self._is_other_status or not (self.opened or self.closed):
            return self._is_other_status
        return _codes(self.kept) | _codes(self.opened) != _codes(self.change.before.findings)

    @property
    def _is_other_status(self) -> bool:
        before = self.change.before
        return (before.status, before.risk) != self.after

    def events(self, now: datetime) -> Iterator[EventLine]:
        """Return a line for each finding that ended or was detected and for another status, in this order."""
        before = self.change.before
        device = (before.device_id, before.integration_id)
        for finding in self.closed:
            about = (finding.code, factor_of(finding.code).vector.value, self.change.closed[finding.id])
            yield EventLine(now, Verb.ENDED, Severity.INFORMATION, *device, *about)
        for new in self.opened:
            detail = new.subject if new.detail is None else new.detail
            about = (new.code, factor_of(new.code).vector.value, detail)
            yield EventLine(now, Verb.DETECTED, severity(Risk(new.risk)), *device, *about)
        if self.after.status != before.status and self.after.status in _STATUS_EVENTS:
            yield EventLine(now, *_STATUS_EVENTS[self.after.status], *device, detail=self.change.detail)


def effect_of(change: Change) -> _Effect:
    """Decide what a change comes to: the risk is the highest of what is open then.

    What is open already is not opened again, and ids of findings that are not open are ignored.
    """
    before = change.before
    closed = [finding for finding in before.findings if finding.id in change.closed]
    kept = [finding for finding in before.findings if finding.id not in change.closed]
    opened: dict[tuple[str, ...], NewFinding] = {}
    if change.opened:
        open_keys = {finding[1:4] for finding in kept}
        opened = {finding[:3]: finding for finding in change.opened if finding[:3] not in open_keys}
    risks = [change.rated.get(finding.id, finding.risk) for finding in kept]
    risk = device_risk([*risks, *(finding.risk for finding in opened.values())])
    status = change.status or DeviceStatus(before.status)
    return _Effect(change, ProtectionStatus(status, risk), list(opened.values()), closed, kept)


def _codes(findings: Iterable[OpenFinding | NewFinding]) -> frozenset[str]:
    return frozenset(finding.code for finding in findings)
