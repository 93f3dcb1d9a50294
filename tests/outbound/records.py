"""Records of every kind for the tests of formats, with hostile values."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from harmony.models import FeedKind, Severity, SyncRunState, Verb
from harmony.outbound.record import OutboundRecord, RecordDevice

AT = datetime(2026, 3, 1, 7, 12, 40, 123456, UTC)
DEVICE = RecordDevice(5, "4711", "Android", "Pixel 9", "17", "Corporate", 3)
KIM = replace(
    DEVICE, name="Kim's phone", serial="S5", udid="u-5", imei="356938035643809", user_name="kim",
    email="kim@example.com", phone="+4722123456",
)  # fmt: skip
HOSTILE = 'a|b=c\\d "e" ]f[ <script>\r\n\x00\u2028 é 漢 \ud800'
DETECTED = OutboundRecord(
    7, AT, FeedKind.EVENT, Verb.DETECTED, Severity.CRITICAL,
    {"factor": "ROOTED", "vector": "Device", "detail": ""},
    integration_id=1, integration="Head office", device_id=5, device=DEVICE,
)  # fmt: skip
AUDITED = OutboundRecord(
    8, AT, FeedKind.AUDIT, "", Severity.INFORMATION,
    {"who": "kim", "what": "Paused", "integration": "Head office", "detail": "for an hour"},
    integration_id=1, integration="Head office",
)  # fmt: skip
FAILED = OutboundRecord(
    9, AT, FeedKind.RUN, SyncRunState.FAILED, Severity.WARNING,
    {"job": "devices", "reason": "Page 3 did not come."},
    integration_id=1, integration="Head office", subject_id=12,
)  # fmt: skip
TEST = OutboundRecord(0, AT, FeedKind.EVENT, "", Severity.INFORMATION, {})


def every_record() -> list[OutboundRecord]:
    """Return records of each kind: plain, with personal data, with hostile values, without a device."""
    found = [TEST, AUDITED, replace(AUDITED, details={"who": "kim", "what": "Signed in"})]
    found += [replace(AUDITED, details={"what": what}) for what in ("Signed out", "Sign-in failed", HOSTILE)]
    found += [replace(FAILED, name=state.value) for state in SyncRunState]
    for verb in Verb:
        record = replace(DETECTED, name=verb.value)
        hostile = {"factor": "NEW_ONE", "vector": HOSTILE, "detail": HOSTILE}
        odd = replace(KIM, name=HOSTILE, platform="Apple", os_version="", risk=None)
        found += [
            record,
            replace(record, device=KIM),
            replace(record, details=hostile, integration=HOSTILE, device=odd),
            replace(record, device=None),
            replace(record, device=None, device_id=None, integration_id=None, integration=""),
        ]
    return found
