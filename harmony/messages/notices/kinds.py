"""PURE: the kinds of notices, with the words of the page on which people ask for them."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class NoticeKind(StrEnum):
    """The name of a kind in tables and forms."""

    HELD = "held"
    FAILING = "failing"
    STOPPED = "stopped"
    CERTIFICATE = "certificate"
    TOKEN = "token"  # noqa: S105 - the name of a kind
    EXCEPTION = "exception"
    WORKER = "worker"
    BACKUP = "backup"
    UNHEARD = "unheard"
    DESTINATION = "destination"
    CRITICAL = "critical"
    SUMMARY = "summary"


class Wording(NamedTuple):
    """The label of a kind, and when it is sent."""

    label: str
    when: str


WORDS = {
    NoticeKind.HELD: Wording("Held deletions", "A sync held deletions back, and somebody has to decide."),
    NoticeKind.FAILING: Wording("Failing integration", "Three syncs in a row failed or were incomplete."),
    NoticeKind.STOPPED: Wording("Stopped integration", "The credentials are refused, or do not open."),
    NoticeKind.CERTIFICATE: Wording("Certificates", "The certificate of a UEM ends in less than 30 days."),
    NoticeKind.TOKEN: Wording("Token overlap", "A former token is refused in two days."),
    NoticeKind.EXCEPTION: Wording("Exceptions", "An exception or a changed risk ends within 7 days."),
    NoticeKind.WORKER: Wording("Silent worker", "No worker has been seen for three minutes."),
    NoticeKind.BACKUP: Wording("Missing backup", "No backup was made for twice as long as planned."),
    NoticeKind.UNHEARD: Wording("Silent devices", "Too many registered devices are inactive."),
    NoticeKind.DESTINATION: Wording(
        "Failing destination", "A webhook or SIEM destination fails for 15 minutes, or lost records."
    ),
    NoticeKind.CRITICAL: Wording("Critical events", "Threats at High risk, at most every 15 minutes."),
    NoticeKind.SUMMARY: Wording("Weekly summary", "Every Monday, also when all is well."),
}
