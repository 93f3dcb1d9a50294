"""PURE: what a policy would change if it were saved: devices, their risk and status, and their tags."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from harmony.models.configuration import Tagging
from harmony.models.states import DeviceStatus, Risk
from harmony.protection.change import ProtectionStatus
from harmony.protection.evaluate import Evaluation, ProtectionFacts
from harmony.tagging.names import device_keys

DEVICES_SHOWN = 50


class RatedDevice(NamedTuple):
    """A live device that ever registered; `is_tagged`: the UEM has an id for it."""

    device_id: int
    name: str
    integration_id: int
    is_tagged: bool


class ChangedDevice(NamedTuple):
    """A device whose status or risk the policy would change."""

    device: RatedDevice
    before: ProtectionStatus
    after: ProtectionStatus


class TagMove(NamedTuple):
    """The tag of this key, put on devices of this integration or taken off them."""

    integration_id: int
    key: str
    is_added: bool


class PolicyEffect(NamedTuple):
    """The effect of a policy on devices with the same facts.

    `standing` is status and risk before and after, None if both stay; `tags` are the keys that move, and
    whether each is put on.
    """

    standing: tuple[ProtectionStatus, ProtectionStatus] | None = None
    tags: tuple[tuple[str, bool], ...] = ()


def policy_effect(facts: ProtectionFacts, evaluation: Evaluation, tagging: Tagging | None) -> PolicyEffect:
    """Compare a device with its evaluation; `tagging` is None where nothing is tagged.

    >>> from harmony.protection.evaluate import Evaluation, ProtectionFacts
    >>> facts = ProtectionFacts("active", 0, False, False, "Android", "15")
    >>> policy_effect(facts, Evaluation("inactive", 0), Tagging()).tags
    (('status:active', False), ('status:inactive', True))
    """
    if not evaluation.differs(facts):
        return PolicyEffect()
    before, after = _standing(*facts[:2]), _standing(*evaluation[:2])
    tags = () if tagging is None else _moved(facts, evaluation, tagging)
    return PolicyEffect(None if before == after else (before, after), tags)


def _moved(facts: ProtectionFacts, evaluation: Evaluation, tagging: Tagging) -> tuple[tuple[str, bool], ...]:
    codes = [code for _profile, code, _subject, _risk in facts.findings]
    kept = [code for place, code in enumerate(codes) if place not in evaluation.closed]
    opened = [code for code, _risk in evaluation.opened]
    before = device_keys(*facts[:2], codes, tagging)
    after = device_keys(*evaluation[:2], [*kept, *opened], tagging)
    return tuple((key, key in after) for key in sorted(before ^ after))


@dataclass(slots=True)
class PolicyImpact:
    """The sum over all devices, in memory that does not grow with them.

    `rated` counts those that ever registered, `changed` those of another status or risk; `risks` and
    `statuses` count changes from one to another. `first` are the first that change.
    """

    rated: int = 0
    changed: int = 0
    risks: Counter[tuple[Risk, Risk]] = field(default_factory=Counter)
    statuses: Counter[tuple[DeviceStatus, DeviceStatus]] = field(default_factory=Counter)
    tags: Counter[TagMove] = field(default_factory=Counter)
    first: list[ChangedDevice] = field(default_factory=list)

    def add(self, device: RatedDevice, effect: PolicyEffect) -> None:
        """Count one more device."""
        self.rated += 1
        if effect.standing is not None:
            self._add_change(ChangedDevice(device, *effect.standing))
        for key, is_added in effect.tags:
            self.tags[TagMove(device.integration_id, key, is_added)] += 1

    def _add_change(self, change: ChangedDevice) -> None:
        _device, before, after = change
        self.changed += 1
        if before.risk != after.risk:
            self.risks[before.risk, after.risk] += 1
        if before.status != after.status:
            self.statuses[before.status, after.status] += 1
        if len(self.first) < DEVICES_SHOWN:
            self.first.append(change)

    def needs_confirmation(self, percent: int) -> bool:
        """Return True if more than this share of the rated devices would change."""
        return self.changed * 100 > percent * self.rated

    @property
    def percent(self) -> str:
        """Return the share of the rated devices that would change, never 0 or 100 for some of them.

        >>> PolicyImpact(rated=3000, changed=1).percent, PolicyImpact(rated=3, changed=2).percent
        ('less than 0.1', '66.7')
        """
        share = self.changed * 100 / self.rated if self.rated else 0
        if 0 < share < 0.1:
            return "less than 0.1"
        return f"{min(share, 99.9) if self.changed < self.rated else share:.1f}".removesuffix(".0")


def _standing(status: str, risk: int) -> ProtectionStatus:
    return ProtectionStatus(DeviceStatus(status), Risk(risk))
