"""Sweep for devices that report nothing new but are inactive, silent or outdated by now, or no more so.

A look at what is stored finds those that differ from what the policy says; only these are evaluated, again
and under the lock, and written. What is right already costs no write.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from harmony.db import db, write
from harmony.db.bulk import encode_time, fetch_all
from harmony.models import PolicyRecord
from harmony.protection import outage_grace
from harmony.protection.evaluate import bounds, outdated
from harmony.protection.policy import in_force
from harmony.protection.reevaluate import BATCH, reevaluate

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
# What was written while the last sweep began may carry an earlier time.
_OVERLAP = timedelta(minutes=2)

_SELECT_SILENT = """
SELECT p.device_id FROM protection p JOIN device d ON d.id = p.device_id
WHERE d.deleted_at IS NULL AND p.status <> 'provisioned' AND (
  (p.status = 'active' AND p.last_contact_at < ?) OR (p.status = 'inactive' AND p.last_contact_at >= ?)
  OR (p.last_contact_at < ? AND NOT EXISTS (
    SELECT 1 FROM finding f WHERE f.device_id = p.device_id AND f.profile = '' AND f.code = 'DEVICE_SILENT'
    AND f.closed_at IS NULL)))
ORDER BY p.device_id
"""
# Concluded once, but heard again since, or not registered any more.
_SELECT_NO_LONGER_CONCLUDED = """
SELECT f.device_id FROM finding f JOIN protection p ON p.device_id = f.device_id
WHERE f.closed_at IS NULL AND f.profile = '' AND (
  (f.code = 'DEVICE_SILENT' AND p.last_contact_at >= ?)
  OR (f.code IN ('DEVICE_SILENT', 'OS_OUTDATED', 'CLIENT_OUTDATED') AND NOT EXISTS (
    SELECT 1 FROM registration r WHERE r.device_id = f.device_id AND r.ended_at IS NULL)))
ORDER BY f.device_id
"""
_SELECT_VERSIONS = """
SELECT r.device_id, d.platform, d.os_version, r.platform, r.os_version, r.client_version
FROM registration r JOIN device d ON d.id = r.device_id
WHERE r.ended_at IS NULL AND d.deleted_at IS NULL AND (r.last_contact_at >= ? OR d.updated_at >= ?)
"""
_SELECT_OUTDATED = """
SELECT device_id, code FROM finding
WHERE closed_at IS NULL AND profile = '' AND code IN ('OS_OUTDATED', 'CLIENT_OUTDATED')
"""


def sweep(now: datetime, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Bring every device that is not deleted in line with the policy at `now`; return how many changed."""
    with write() as session:
        last = outage_grace.begin(session, now)
    _version, policy = in_force(db.session())
    since = (last or _LONG_AGO) - _OVERLAP
    suspects = sorted({*_overdue(db.session(), policy, now), *_misjudged(db.session(), policy, since)})
    changed = 0
    for start in range(0, len(suspects), BATCH):
        if should_stop():
            return changed
        changed += _reevaluate(suspects[start : start + BATCH], now)
    with write() as session:
        outage_grace.end(session, now)
    return changed


def _overdue(session: Session, policy: PolicyRecord, now: datetime) -> Sequence[int]:
    """Select the devices whose last contact calls for another status or finding; none in an outage grace."""
    if not outage_grace.may_judge_silence(session, now):
        return []
    silent, inactive = (encode_time(bound or _LONG_AGO) for bound in bounds(policy, now))
    rows = (
        *fetch_all(session, _SELECT_SILENT, (inactive, inactive, silent)),
        *fetch_all(session, _SELECT_NO_LONGER_CONCLUDED, (silent,)),
    )
    return [device_id for (device_id,) in rows]


def _misjudged(session: Session, policy: PolicyRecord, since: datetime) -> Sequence[int]:
    """Select the devices in contact or changed since then whose versions contradict their findings."""
    if not policy.minimum_os and not policy.minimum_client:
        return []
    found: defaultdict[int, set[str]] = defaultdict(set)
    for device_id, code in fetch_all(session, _SELECT_OUTDATED):
        found[device_id].add(code)
    time = encode_time(since)
    return [
        device_id
        for device_id, platform, os_version, *protector in fetch_all(session, _SELECT_VERSIONS, (time, time))
        if outdated(platform, os_version, (tuple(protector),), policy).keys()
        != found.get(device_id, frozenset())
    ]


def _reevaluate(device_ids: Sequence[int], now: datetime) -> int:
    with write() as session:
        _version, policy = in_force(session)
        return len(reevaluate(session, device_ids, policy, now))
