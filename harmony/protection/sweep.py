"""What time and versions make of devices that report nothing new: inactive, silent, outdated, or no more so.

A look at what is stored finds those that do not stand as the policy says; only these are decided on, again
and under the lock, and written. What stands right costs no write.
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
from harmony.protection.reevaluate import BATCH, follow

Stop = Callable[[], bool]

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
# What was written while the last sweep began may carry an earlier time.
OVERLAP = timedelta(minutes=2)

_UNHEARD = """
SELECT p.device_id FROM protection p JOIN device d ON d.id = p.device_id
WHERE d.deleted_at IS NULL AND p.status <> 'provisioned' AND (
  (p.status = 'active' AND p.last_contact_at < ?) OR (p.status = 'inactive' AND p.last_contact_at >= ?)
  OR (p.last_contact_at < ? AND NOT EXISTS (
    SELECT 1 FROM finding f WHERE f.device_id = p.device_id AND f.profile = '' AND f.code = 'DEVICE_SILENT'
    AND f.closed_at IS NULL)))
ORDER BY p.device_id
"""
# Concluded once, but heard again since, or not registered any more.
OVER = """
SELECT f.device_id FROM finding f JOIN protection p ON p.device_id = f.device_id
WHERE f.closed_at IS NULL AND f.profile = '' AND (
  (f.code = 'DEVICE_SILENT' AND p.last_contact_at >= ?)
  OR (f.code IN ('DEVICE_SILENT', 'OS_OUTDATED', 'CLIENT_OUTDATED') AND NOT EXISTS (
    SELECT 1 FROM registration r WHERE r.device_id = f.device_id AND r.ended_at IS NULL)))
ORDER BY f.device_id
"""
_VERSIONS = """
SELECT r.device_id, d.platform, d.os_version, r.platform, r.os_version, r.client_version
FROM registration r JOIN device d ON d.id = r.device_id
WHERE r.ended_at IS NULL AND d.deleted_at IS NULL AND (r.last_contact_at >= ? OR d.updated_at >= ?)
"""
_OUTDATED = """
SELECT device_id, code FROM finding
WHERE closed_at IS NULL AND profile = '' AND code IN ('OS_OUTDATED', 'CLIENT_OUTDATED')
"""


def never() -> bool:
    """Nobody asks for a stop."""
    return False


def sweep(now: datetime, should_stop: Stop = never) -> int:
    """Let every device that is not deleted stand as it should at `now`; how many changed."""
    with write() as session:
        last = outage_grace.begin(session, now)
    _version, policy = in_force(db.session())
    since = (last or LONG_AGO) - OVERLAP
    suspects = sorted({*unheard(db.session(), policy, now), *_misjudged(db.session(), policy, since)})
    changed = 0
    for start in range(0, len(suspects), BATCH):
        if should_stop():
            return changed
        changed += _settle(suspects[start : start + BATCH], now)
    with write() as session:
        outage_grace.end(session, now)
    return changed


def unheard(session: Session, policy: PolicyRecord, now: datetime) -> Sequence[int]:
    """The devices whose last contact makes them other than they stand; none while it cannot be judged."""
    if not outage_grace.may_judge_silence(session, now):
        return []
    silent, inactive = (encode_time(bound or LONG_AGO) for bound in bounds(policy, now))
    rows = (
        *fetch_all(session, _UNHEARD, (inactive, inactive, silent)),
        *fetch_all(session, OVER, (silent,)),
    )
    return [device_id for (device_id,) in rows]


def _misjudged(session: Session, policy: PolicyRecord, since: datetime) -> Sequence[int]:
    """The devices that were in contact or changed since then, and whose versions say other than is found."""
    if not policy.minimum_os and not policy.minimum_client:
        return []
    found: defaultdict[int, set[str]] = defaultdict(set)
    for device_id, code in fetch_all(session, _OUTDATED):
        found[device_id].add(code)
    moment = encode_time(since)
    return [
        device_id
        for device_id, platform, os_version, *told in fetch_all(session, _VERSIONS, (moment, moment))
        if outdated(platform, os_version, (tuple(told),), policy).keys() != found.get(device_id, frozenset())
    ]


def _settle(device_ids: Sequence[int], now: datetime) -> int:
    with write() as session:
        _version, policy = in_force(session)
        return follow(session, device_ids, policy, now)
