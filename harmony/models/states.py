"""PURE: the states of integrations, runs, devices and messages; the same words in code, tables and pages."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class IntegrationState(StrEnum):
    """Draft until Finish; then active or paused by a person.

    Hidden: removed with its devices, which can be undone for a while. Removing: everything of it is being
    deleted. Removed: its devices were kept, and nothing else.
    """

    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    HIDDEN = "hidden"
    REMOVING = "removing"
    REMOVED = "removed"


# From so many failed runs in a row on, an integration is quarantined: it tries less and less often.
QUARANTINE_AFTER = 5


class StopReason(StrEnum):
    """Why nothing is synced until somebody edits Server Details."""

    SIGN_IN = "sign_in"
    SECRETS = "secrets"


class SyncKind(StrEnum):
    """A snapshot reads the whole scope; a delta what was in contact lately and counts nothing missing.

    Events: the devices that event notifications of the UEM named, one by one.
    """

    SNAPSHOT = "snapshot"
    DELTA = "delta"
    EVENTS = "events"


class Absence(StrEnum):
    """Why the first complete snapshot that did not list a device may be wrong about it.

    Event: no snapshot has missed it yet. The UEM did not have it when it was read because of an event; such a
    mark counts for nothing until a complete snapshot has made it one of its own.
    """

    PLAIN = "plain"
    EVENT = "event"
    EMPTIED = "emptied"
    EDITED = "edited"
    RESTORED = "restored"


class HoldState(StrEnum):
    """Open waits for a person; approved waits for the next complete snapshot; the others are over."""

    OPEN = "open"
    APPROVED = "approved"
    DONE = "done"
    DISMISSED = "dismissed"
    CLEARED = "cleared"
    EXPIRED = "expired"


class Happening(StrEnum):
    """An entry in the history of a device."""

    CHANGED = "changed"
    MISSING = "missing"
    REAPPEARED = "reappeared"
    DELETED = "deleted"
    RESTORED = "restored"
    ENROLLED_AGAIN = "enrolled_again"
    DETACHED = "detached"
    LISTED = "listed"
    UNTAGGED = "untagged"


class SyncRunState(StrEnum):
    """Running, or one of the ends. Each looks different on the page (design §4)."""

    RUNNING = "running"
    OK = "ok"
    WARNING = "warning"
    INCOMPLETE = "incomplete"
    HELD = "held"
    FAILED = "failed"
    AUTH_FAILED = "auth_failed"
    ABORTED = "aborted"
    CANCELLED = "cancelled"


class DeviceStatus(StrEnum):
    """The status of a device: known, registered and in contact, or silent (facts/harmony-mobile.md §3.1)."""

    PROVISIONED = "provisioned"
    ACTIVE = "active"
    INACTIVE = "inactive"


class Profile(StrEnum):
    """The part of a device that Protect protects: all, or one of two profiles of Android Enterprise."""

    DEVICE = "device"
    PERSONAL = "personal"
    WORK = "work"


class Risk(IntEnum):
    """The risk of a finding, an app or a device; the numbers are the vendor's (facts §3.2)."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3

    @property
    def label(self) -> str:
        """The word on pages."""
        return "No Risk" if self is Risk.NONE else self.name.title()


class Action(StrEnum):
    """The risk that an exception gives an app, whatever its findings say."""

    BLOCK = "block"
    LOW = "low"
    MEDIUM = "medium"
    NO_RISK = "no_risk"


class Severity(StrEnum):
    """The severity of an event (facts/harmony-mobile.md §4)."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFORMATION = "information"


class Verb(StrEnum):
    """The verb of an event (facts/harmony-mobile.md §3.3)."""

    DETECTED = "detected"
    ENDED = "ended"
    REGISTERED = "registered"
    UNREGISTERED = "unregistered"
    REFUSED = "refused"
    ACTIVE = "active"
    INACTIVE = "inactive"
    POLICY_CHANGED = "policy_changed"
    INSTALLED = "installed"
    REMOVED = "removed"
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    UNREAD = "unread"


class LinkState(StrEnum):
    """The state of a tag on a device: done, still to be pushed, or given up for now.

    Failed: the UEM declined it. Dropped: the UEM does not know the device (any more).
    """

    DONE = "done"
    PENDING = "pending"
    FAILED = "failed"
    DROPPED = "dropped"


class ChannelKind(StrEnum):
    """The way a message takes: mail, SMS to a device's number, or a chat room of the operators."""

    EMAIL = "email"
    SMS = "sms"
    CHAT = "chat"


class MessageKind(StrEnum):
    """The purpose of a message."""

    REGISTRATION = "registration"
    NOTICE = "notice"
    SUMMARY = "summary"
    TEST = "test"


class MessageState(StrEnum):
    """Queued until it is sent; a failed one is given up, a cancelled one was not needed any more."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


class FeedKind(StrEnum):
    """The source of a line of the feed."""

    EVENT = "event"
    AUDIT = "audit"
    RUN = "run"


class DestinationKind(StrEnum):
    """The way to a destination."""

    WEBHOOK = "webhook"
    SYSLOG = "syslog"
    HTTP = "http"
    FILE = "file"


class RecordFormat(StrEnum):
    """The form in which a destination gets its records; a webhook has one of its own."""

    WEBHOOK = "webhook"
    SYSLOG = "syslog"
    CEF = "cef"
    OCSF = "ocsf"


class DestinationState(StrEnum):
    """Active, paused by a person, or stopped after days of failure until a person resumes it."""

    ACTIVE = "active"
    PAUSED = "paused"
    STOPPED = "stopped"


class DeliveryOutcome(StrEnum):
    """Sent: taken. Failed: nobody took anything. Refused: the receiver does not take these records."""

    SENT = "sent"
    FAILED = "failed"
    REFUSED = "refused"
