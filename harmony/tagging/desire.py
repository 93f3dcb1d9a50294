"""Works out which tags each device should carry, as sets of rows in the database; nobody is loaded.

Exactly one status tag and at most one risk tag on each live device the UEM has an id for, and a tag for each
threat factor with an open finding, whatever its risk: somebody may want to act on one that the policy rates
No Risk. Missing devices keep theirs; deleted ones want none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from harmony.db import db, write
from harmony.models import DeviceStatus, Risk
from harmony.models.configuration import Tagging
from harmony.sync import driver
from harmony.tagging.names import FACTOR, NO_RISK_KEY, RISK_KEYS, STATUS_KEYS, risk_key

# The plus keeps SQLite from reading all of an integration for each range, by an index that begins with it.
# A device has a few links, so that these are a few thousand rows in a commit.
DEVICES_PER_WRITE = 1500

LIVE = "d.deleted_at IS NULL AND d.external_id IS NOT NULL"
STATUS = f"'status:' || coalesce(p.status, '{DeviceStatus.PROVISIONED}')"
CASES = " ".join(f"WHEN {int(risk)} THEN '{risk_key(risk)}'" for risk in Risk)
RISK = f"CASE coalesce(p.risk, 0) {CASES} END"
RATED = "LEFT JOIN protection p ON p.device_id = d.id"
FOUND = "JOIN finding f ON f.device_id = d.id AND f.closed_at IS NULL"
AT_RISK = "p.risk > 0"

# What is about a device that the UEM has under another id now, or no longer: nothing is known of the new one.
ANEW = """DELETE FROM tag_link WHERE +integration_id = ? AND {scope} AND NOT EXISTS
 (SELECT 1 FROM device d WHERE d.id = tag_link.device_id AND d.external_id = tag_link.external_id)"""
# Left on the devices by whoever switched it off: forgotten.
FORGET = "DELETE FROM tag_link WHERE +integration_id = ? AND {scope} AND NOT ({ours})"
# Not in one: NOT IN and EXCEPT over row values read their list again for every row in SQLite [measured].
WANT = """WITH want(device_id, external_id, key) AS ({want}) INSERT INTO tag_link
 (device_id, key, integration_id, external_id, wanted, present, state, attempts, changed_at, reason)
 SELECT device_id, key, ?, external_id, true, false, 'pending', 0, ?, '' FROM want WHERE NOT EXISTS
 (SELECT 1 FROM tag_link t WHERE t.device_id = want.device_id AND t.key = want.key AND t.wanted)
 ON CONFLICT (device_id, key) DO UPDATE SET wanted = true, changed_at = excluded.changed_at,
 state = CASE WHEN tag_link.present AND tag_link.attempts = 0 THEN 'done' ELSE 'pending' END,
 next_try_at = NULL, reason = ''"""
UNWANT = f"""UPDATE tag_link SET wanted = false, state = 'pending', next_try_at = NULL, reason = '',
 changed_at = ? WHERE +integration_id = ? AND {{scope}} AND wanted AND NOT EXISTS
 (SELECT 1 FROM device d {RATED} WHERE d.id = tag_link.device_id AND {LIVE} AND ({{still}}))"""
STILL_FOUND = f"""EXISTS (SELECT 1 FROM finding f WHERE
 f.device_id = d.id AND f.closed_at IS NULL AND '{FACTOR}' || f.code = tag_link.key)"""
NEVER_SENT = """DELETE FROM tag_link WHERE +integration_id = ? AND {scope}
 AND NOT wanted AND NOT present AND attempts = 0"""
# The UEM did not know them, but has heard of them since.
BACK = """UPDATE tag_link SET next_try_at = NULL WHERE integration_id = ? AND state <> 'done'
 AND state = 'dropped' AND next_try_at IS NOT NULL AND EXISTS (SELECT 1 FROM device d
 WHERE d.id = tag_link.device_id AND d.missing_since IS NULL AND d.last_seen_at > tag_link.changed_at)"""
NEXT = "SELECT id FROM device WHERE +integration_id = ? AND id > ? ORDER BY id LIMIT 1 OFFSET ?"
CHANGED = "SELECT device_id FROM protection WHERE integration_id = ? AND changed_at >= ? ORDER BY device_id"

Beat = Callable[[Session], None]


@dataclass(frozen=True, slots=True)
class Scope:
    """Some devices, by id, as a condition: those in a range, or those of a list."""

    condition: str
    values: tuple[Any, ...]

    def of(self, column: str) -> str:
        """The condition on that column."""
        return self.condition.replace("{id}", column)


def refresh_all(
    integration_id: int, tagging: Tagging, retired: Sequence[str], now: datetime, beat: Beat
) -> None:
    """Bring the links of every device to what it should carry, a range of devices in each commit.

    `retired` are the keys that are taken off everything. `beat` is called inside each `write()`.
    """
    done = 0
    while True:
        last = _nth_after(integration_id, done, DEVICES_PER_WRITE)
        where = Scope("{id} > ? AND {id} <= ?", (done, last)) if last else Scope("{id} > ?", (done,))
        with write() as session:
            beat(session)
            _refresh(session, integration_id, tagging, retired, where, now)
            if not last:
                driver.run(session, BACK, (integration_id,))
                return
        done = last


def refresh_changed(
    integration_id: int, tagging: Tagging, retired: Sequence[str], since: datetime, now: datetime, beat: Beat
) -> None:
    """The same for the devices whose status, risk or open findings changed since then."""
    since_then = (integration_id, driver.written_time()(since))
    ids: list[int] = [row[0] for row in driver.fetch(db.session(), CHANGED, since_then)]
    for start in range(0, len(ids), DEVICES_PER_WRITE):
        some = driver.listed(ids[start : start + DEVICES_PER_WRITE])
        with write() as session:
            beat(session)
            where = Scope(driver.among("{id}"), (some,))
            _refresh(session, integration_id, tagging, retired, where, now)


def _refresh(
    session: Session, id_: int, tagging: Tagging, retired: Sequence[str], where: Scope, now: datetime
) -> None:
    scope, moment = where.of("device_id"), driver.written_time()(now)
    mine = (id_, *where.values)
    want, values = _want(id_, tagging, where)
    driver.run(session, ANEW.format(scope=scope), mine)
    driver.run(session, FORGET.format(scope=scope, ours=_ours(tagging, retired)), (*mine, *retired))
    driver.run(session, UNWANT.format(scope=scope, still=_still(tagging)), (moment, *mine))
    if want:
        driver.run(session, WANT.format(want=want), (*values, id_, moment))
    driver.run(session, NEVER_SENT.format(scope=scope), mine)


def _want(id_: int, tagging: Tagging, where: Scope) -> tuple[str, tuple[Any, ...]]:
    """The query of (device, its id in the UEM, key) for what should be there, and its values."""
    at_risk = "1 = 1" if tagging.tag_no_risk else AT_RISK
    mine = f"{LIVE} AND +d.integration_id = ? AND {where.of('d.id')}"
    switches = (
        (tagging.tag_status, f"SELECT d.id, d.external_id, {STATUS} FROM device d {RATED} WHERE {mine}"),
        (tagging.tag_risk, f"SELECT d.id, d.external_id, {RISK} FROM device d {RATED} WHERE {mine} AND {at_risk}"),
        (tagging.tag_factors, f"SELECT DISTINCT d.id, d.external_id, '{FACTOR}' || f.code FROM device d {FOUND} WHERE {mine}"),
    )
    parts = [query for on, query in switches if on]
    return " UNION ALL ".join(parts), (id_, *where.values) * len(parts)


def _still(tagging: Tagging) -> str:
    """The condition that a device should (still) carry the tag of a link."""
    risks = f"tag_link.key = {RISK}" if tagging.tag_no_risk else f"(tag_link.key = {RISK} AND {AT_RISK})"
    switches = (
        (tagging.tag_status, f"tag_link.key = {STATUS}"),
        (tagging.tag_risk, risks),
        (tagging.tag_factors, STILL_FOUND),
    )
    return " OR ".join(condition for on, condition in switches if on) or "1 = 0"


def _ours(tagging: Tagging, retired: Sequence[str]) -> str:
    """A condition on the keys that these switches manage or that are being taken off."""
    keys = [*(STATUS_KEYS if tagging.tag_status else ()), *(RISK_KEYS if tagging.tag_risk else ())]
    keys += [NO_RISK_KEY] if tagging.tag_risk and tagging.tag_no_risk else []
    listed = ", ".join([*(f"'{key}'" for key in keys), *("?" for _ in retired)])
    factors = f"substr(key, 1, {len(FACTOR)}) = '{FACTOR}'" if tagging.tag_factors else "1 = 0"
    return f"{factors} OR key IN ({listed})" if listed else factors


def _nth_after(integration_id: int, device_id: int, count: int) -> int | None:
    rows = driver.fetch(db.session(), NEXT, (integration_id, device_id, count - 1))
    return rows[0][0] if rows else None
