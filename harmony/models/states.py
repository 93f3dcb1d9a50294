"""PURE: the words for the states of integrations and runs; the same in code, tables and pages."""

from __future__ import annotations

from enum import StrEnum


class IntegrationState(StrEnum):
    """Draft until Finish; then active or paused by a person."""

    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"


class Stopped(StrEnum):
    """Why nothing is synced until somebody edits Server Details."""

    SIGN_IN = "sign_in"
    SECRETS = "secrets"


class SyncRunState(StrEnum):
    """Running, or one of the ends. Each looks different on the page (design §4)."""

    RUNNING = "running"
    OK = "ok"
    WARNING = "warning"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    AUTH_FAILED = "auth_failed"
    ABORTED = "aborted"
    CANCELLED = "cancelled"
