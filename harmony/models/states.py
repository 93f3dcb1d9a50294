"""PURE: the words for the states of integrations and runs; the same in code, tables and pages."""

from __future__ import annotations

from enum import StrEnum


class IntegrationState(StrEnum):
    """Draft until Finish; then active or paused by a person.

    Removing: everything of it is being deleted. Removed: its devices were kept, and nothing else.
    """

    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    REMOVING = "removing"
    REMOVED = "removed"


# From so many failed runs in a row on, an integration is quarantined: it tries less and less often.
QUARANTINE_AFTER = 5


class Stopped(StrEnum):
    """Why nothing is synced until somebody edits Server Details."""

    SIGN_IN = "sign_in"
    SECRETS = "secrets"


class SyncKind(StrEnum):
    """A snapshot reads the whole scope; a delta what was in contact lately and counts nothing missing."""

    SNAPSHOT = "snapshot"
    DELTA = "delta"


class Absence(StrEnum):
    """Why the first complete snapshot that did not list a device may be wrong about it."""

    PLAIN = "plain"
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
    """What can happen to a device, in its history."""

    CHANGED = "changed"
    MISSING = "missing"
    REAPPEARED = "reappeared"
    DELETED = "deleted"
    RESTORED = "restored"
    ENROLLED_AGAIN = "enrolled_again"
    DETACHED = "detached"


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
