"""Which tags a device should carry, as conditions and queries of SQL; what switches are on decides the text.

Exactly one status tag and at most one risk tag on each live device the UEM has an id for, and a tag for each
threat factor with an open finding, whatever its risk: somebody may want to act on one that the policy rates
No Risk. Missing devices keep theirs; deleted ones want none.

Every value in the text is a constant of the code; ids and times are parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harmony.models import DeviceStatus, Risk
from harmony.models.configuration import Tagging
from harmony.sync.current_ids import has_current_id
from harmony.tagging.names import FACTOR, NO_RISK_KEY, RISK_KEYS, STATUS_KEYS, risk_key

KNOWN_HERE = has_current_id("d")
LIVE = f"d.deleted_at IS NULL AND d.external_id IS NOT NULL AND {KNOWN_HERE}"
RATED = "LEFT JOIN protection p ON p.device_id = d.id"
_FOUND = "JOIN finding f ON f.device_id = d.id AND f.closed_at IS NULL"
AT_RISK, ANY_RISK, NOTHING = "p.risk > 0", "1 = 1", "1 = 0"

_STATUS = f"'status:' || coalesce(p.status, '{DeviceStatus.PROVISIONED}')"
RISK = f"CASE coalesce(p.risk, 0) {' '.join(f'WHEN {int(r)} THEN {risk_key(r)!r}' for r in Risk)} END"
_FACTOR_OF_FINDING = f"'{FACTOR}' || f.code"

# The plus keeps SQLite from reading all of an integration for each range, by an index that begins with it.
_SOME = "{live} AND +d.integration_id = ? AND {devices}"
_SELECT_DESIRED = "SELECT {which} d.id, d.external_id, {key} FROM device d {joined} WHERE {some} AND {more}"
_STILL_FOUND = (
    f"EXISTS (SELECT 1 FROM finding f WHERE f.device_id = d.id AND f.closed_at IS NULL "  # noqa: S608 - constants
    f"AND {_FACTOR_OF_FINDING} = tag_link.key)"
)


@dataclass(frozen=True, slots=True)
class DeviceRange:
    """Some devices, by id, as a condition: those in a range, or those of a list."""

    condition: str
    values: tuple[Any, ...]

    def of(self, column: str) -> str:
        """The condition on that column."""
        return self.condition.replace("{id}", column)


@dataclass(frozen=True, slots=True)
class Desire:
    """The desired tags of the devices of an integration; the tags `retired` are taken off all of them."""

    integration_id: int
    tagging: Tagging
    retired: tuple[str, ...] = ()

    def wanted(self, devices: DeviceRange) -> tuple[str, tuple[Any, ...]]:
        """The query of (device, its id in the UEM, key) for what should be there, and its values.

        It is "" when nothing should.
        """
        some = _SOME.format(live=LIVE, devices=devices.of("d.id"))
        parts = [query.format(some=some) for query in self._queries()]
        return " UNION ALL ".join(parts), (self.integration_id, *devices.values) * len(parts)

    def _queries(self) -> list[str]:
        on, more = self.tagging, ANY_RISK if self.tagging.tag_no_risk else AT_RISK
        switches = (
            (on.tag_status, "", _STATUS, RATED, ANY_RISK),
            (on.tag_risk, "", RISK, RATED, more),
            (on.tag_factors, "DISTINCT", _FACTOR_OF_FINDING, _FOUND, ANY_RISK),
        )
        return [
            _SELECT_DESIRED.format(which=which, key=key, joined=joined, some="{some}", more=extra)
            for switch, which, key, joined, extra in switches
            if switch
        ]

    def still(self) -> str:
        """The condition that device `d` with protection `p` should carry the tag of a link."""
        on, rated = self.tagging, f"tag_link.key = {RISK}"
        switches = (
            (on.tag_status, f"tag_link.key = {_STATUS}"),
            (on.tag_risk, rated if on.tag_no_risk else f"({rated} AND {AT_RISK})"),
            (on.tag_factors, _STILL_FOUND),
        )
        return " OR ".join(condition for switch, condition in switches if switch) or NOTHING

    def ours(self) -> tuple[str, Sequence[str]]:
        """The condition on the keys that are put on or taken off at all, and its values."""
        on = self.tagging
        keys = [*(STATUS_KEYS if on.tag_status else ()), *(RISK_KEYS if on.tag_risk else ())]
        keys += [NO_RISK_KEY] if on.tag_risk and on.tag_no_risk else []
        keys += self.retired
        factors = f"substr(key, 1, {len(FACTOR)}) = '{FACTOR}'" if on.tag_factors else NOTHING
        return (f"{factors} OR key IN ({', '.join('?' * len(keys))})" if keys else factors), keys
