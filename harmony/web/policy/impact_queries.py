"""Measures what a policy would change: reads all devices, a range at a time, and writes nothing.

Nothing is held open between two ranges, so that it delays no write, however many devices there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from operator import itemgetter

from sqlalchemy import select

from harmony.db import bulk, db, release
from harmony.models import Integration, IntegrationState, PolicyRecord
from harmony.models.configuration import Tagging
from harmony.protection.evaluate import ProtectionFacts, evaluate
from harmony.protection.reevaluate import load_facts, load_rules
from harmony.tagging.desired_state import LIVE
from harmony.web.policy.impact import ChangedDevice, PolicyEffect, PolicyImpact, RatedDevice, policy_effect

# Devices in one read; what is loaded of them is all that is in memory.
BATCH = 1000
_FACTS_KEPT = 4096

_SELECT_RATED = f"""
SELECT p.device_id, d.name, d.integration_id, CASE WHEN {LIVE} THEN 1 ELSE 0 END
FROM protection p JOIN device d ON d.id = p.device_id
WHERE d.deleted_at IS NULL AND p.device_id > ? ORDER BY p.device_id LIMIT ?
"""  # noqa: S608 - constants


def measure(record: PolicyRecord, now: datetime) -> PolicyImpact:
    """Return what would change if this policy were saved at `now`."""
    impact = PolicyImpact()
    for device, effect in _effects(record, now):
        impact.add(device, effect)
    return impact


def changed_devices(record: PolicyRecord, now: datetime) -> Iterator[ChangedDevice]:
    """Yield every device whose status or risk would change."""
    for device, effect in _effects(record, now):
        if effect.standing is not None:
            yield ChangedDevice(device, *effect.standing)


def _effects(record: PolicyRecord, now: datetime) -> Iterator[tuple[RatedDevice, PolicyEffect]]:
    """Yield every live device that ever registered; devices with the same facts are evaluated once."""
    rules, tagging = load_rules(db.session(), record, now=now), _tagging()

    @lru_cache(_FACTS_KEPT)
    def effect_on(facts: ProtectionFacts, tagged_by: int | None) -> PolicyEffect:
        return policy_effect(facts, evaluate(facts, rules), tagging.get(tagged_by) if tagged_by else None)

    for devices in _ranges():
        loaded = list(load_facts(db.session(), list(devices), record, now))
        release()
        for device_id, integration_id, _findings, facts in sorted(loaded, key=itemgetter(0)):
            device = devices[device_id]
            yield device, effect_on(facts, integration_id if device.is_tagged else None)


def _ranges() -> Iterator[dict[int, RatedDevice]]:
    after, rows = 0, _following(0)
    while rows:
        yield {row[0]: RatedDevice(*row) for row in rows}
        after = rows[-1][0]
        rows = _following(after) if len(rows) == BATCH else ()


def _following(after: int) -> Sequence[bulk.Row]:
    return bulk.fetch_all(db.session(), _SELECT_RATED, (after, BATCH))


def _tagging() -> dict[int, Tagging]:
    """Load the switches of the integrations that are in force."""
    states = (IntegrationState.ACTIVE, IntegrationState.PAUSED)
    connected = db.session.scalars(select(Integration).where(Integration.state.in_(states)))
    return {integration.id: integration.in_force.tagging for integration in connected}
