"""PURE: a record, one line of the feed with what is known of its device, and the words for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from harmony.models.states import FeedKind, Severity, SyncRunState, Verb
from harmony.protection.catalogue import factor_of

PRODUCT, VENDOR = "Harmony", "Harmony"
PRODUCT_VERSION = "1"
_TEST_TYPE = "test.ping"
# Each verb with the type of its record and a title.
VERBS = {
    Verb.DETECTED: ("threat.detected", "Threat detected"),
    Verb.ENDED: ("threat.ended", "Threat ended"),
    Verb.REGISTERED: ("device.registered", "Protect registered"),
    Verb.UNREGISTERED: ("device.unregistered", "Protect unregistered"),
    Verb.REFUSED: ("registration.refused", "Registration refused"),
    Verb.ACTIVE: ("device.active", "Device became active"),
    Verb.INACTIVE: ("device.inactive", "Device became inactive"),
    Verb.POLICY_CHANGED: ("policy.changed", "Policy changed"),
    Verb.INSTALLED: ("app.installed", "App installed"),
    Verb.REMOVED: ("app.removed", "App removed"),
    Verb.BLOCKED: ("app.blocked", "App blocked"),
    Verb.UNBLOCKED: ("app.unblocked", "App no longer blocked"),
    Verb.UNREAD: ("report.unread", "Report not read in full"),
}
_RANK = {Severity.INFORMATION: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
_FAILED_RUN = frozenset({SyncRunState.FAILED, SyncRunState.AUTH_FAILED, SyncRunState.ABORTED})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class RecordDevice:
    """The device of a record as it is when the record leaves; personal values are "" unless chosen."""

    id: int
    external_id: str = ""
    platform: str = ""
    model: str = ""
    os_version: str = ""
    ownership: str = ""
    risk: int | None = None
    name: str = field(default="", repr=False)
    serial: str = field(default="", repr=False)
    udid: str = field(default="", repr=False)
    imei: str = field(default="", repr=False)
    user_name: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)

    @property
    def uid(self) -> str:
        """The id of the device in every format."""
        return f"dev_{self.id}"


@dataclass(frozen=True, slots=True)
class OutboundRecord:
    """One line of the feed, ready to be written in any format; `device` is None for one without or gone."""

    id: int
    at: datetime
    kind: FeedKind
    name: str
    severity: Severity
    details: Mapping[str, Any]
    integration_id: int | None = None
    integration: str = ""
    subject_id: int | None = None
    device_id: int | None = None
    device: RecordDevice | None = None

    @property
    def uid(self) -> str:
        """The id to deduplicate by: the same at each try, and another one after a restore of a backup."""
        return f"evt_{self.id}_{milliseconds(self.at):x}"

    @property
    def type(self) -> str:
        """The dotted type, such as `threat.detected`."""
        if self.kind is FeedKind.AUDIT:
            return "audit.recorded"
        if self.kind is FeedKind.RUN:
            return f"run.{self.name}"
        return VERBS[Verb(self.name)][0] if self.name else _TEST_TYPE

    @property
    def title(self) -> str:
        """A short title without values."""
        if self.kind is FeedKind.AUDIT:
            return self.text("what")
        if self.kind is FeedKind.RUN:
            return f"Run {self.name}: {self.text('job')}"
        if not self.name:
            return "Test of a destination"
        title = VERBS[Verb(self.name)][1]
        return f"{title}: {factor_of(self.text('factor')).name}" if self.text("factor") else title

    @property
    def message(self) -> str:
        """The title with its detail, as a person reads it."""
        detail = self.text("reason") if self.kind is FeedKind.RUN else self.text("detail")
        return f"{self.title}. {detail}".strip() if detail else self.title

    @property
    def is_failure(self) -> bool:
        """True for a run that got nothing done."""
        return self.kind is FeedKind.RUN and self.name in _FAILED_RUN

    def text(self, name: str) -> str:
        """Return one of the details as text, "" for none."""
        return str(self.details.get(name, ""))


@dataclass(frozen=True, slots=True)
class Selection:
    """The records that a destination asks for; audit entries have no severity, and pass by their kind."""

    kinds: frozenset[str]
    least: Severity
    personal: bool = False

    def takes(self, kind: str, severity: str) -> bool:
        """Tell whether a line of the feed is for this destination.

        >>> Selection(frozenset({"event"}), Severity.WARNING).takes("event", "information")
        False
        """
        return kind in self.kinds and (kind == FeedKind.AUDIT or severity in severities_from(self.least))


def severities_from(least: Severity) -> list[Severity]:
    """Return a severity and those above it.

    >>> [severity.value for severity in severities_from(Severity.WARNING)]
    ['warning', 'critical']
    """
    return [severity for severity, rank in _RANK.items() if rank >= _RANK[least]]


def milliseconds(at: datetime) -> int:
    """Return a time in milliseconds since 1970.

    >>> milliseconds(datetime(2026, 3, 1, 7, 12, 40, 123000, UTC))
    1772349160123
    """
    return (at - _EPOCH) // _MILLISECOND


def rfc3339(at: datetime) -> str:
    """Return a time as every format but CEF writes it.

    >>> rfc3339(datetime(2026, 3, 1, 7, 12, 40, 123456, UTC))
    '2026-03-01T07:12:40.123Z'
    """
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
