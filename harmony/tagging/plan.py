"""PURE: what is to be pushed as the fewest calls: a list to add and a list to remove for each tag."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from harmony.tagging.names import FACTOR, NO_RISK_KEY, OLD, RISK_KEYS

# As many as the client takes.
PER_CALL = 500


class Target(NamedTuple):
    """A device by our id and by the UEM's."""

    device_id: int
    external_id: str


class Batch(NamedTuple):
    """One call: put the tag of this key on these devices, or take it off them."""

    key: str
    add: bool
    targets: tuple[Target, ...]

    @property
    def external_ids(self) -> tuple[str, ...]:
        """Return what the call sends."""
        return tuple(target.external_id for target in self.targets)


def in_order(keys: Iterable[str]) -> list[str]:
    """Keys as they are pushed: High risk before all else, and No Risk, which nobody waits for, at the end.

    >>> in_order(["status:active", "risk:none", "factor:ROOTED", "risk:high"])
    ['risk:high', 'status:active', 'factor:ROOTED', 'risk:none']
    """
    return sorted(set(keys), key=lambda key: (_rank(key), key))


def batches(key: str, add: bool, targets: Iterable[Target]) -> Iterator[Batch]:
    """The targets of one tag in calls that are full, but for the last."""
    batch: list[Target] = []
    for target in targets:
        batch.append(target)
        if len(batch) == PER_CALL:
            yield Batch(key, add, tuple(batch))
            batch = []
    if batch:
        yield Batch(key, add, tuple(batch))


def calls(changes: Mapping[tuple[str, bool], int]) -> int:
    """Return how many calls so many changes take, by key and by whether they add.

    >>> calls({("risk:high", True): 501, ("risk:high", False): 1})
    3
    """
    return sum(-(-count // PER_CALL) for count in changes.values())


def waits_for_others(key: str) -> bool:
    """Tell whether taking this tag off waits until the device carries what takes its place.

    >>> waits_for_others("status:active"), waits_for_others("factor:ROOTED")
    (True, False)
    """
    return not key.startswith(FACTOR)


def _rank(key: str) -> int:
    if key in RISK_KEYS:
        return RISK_KEYS.index(key)
    if key == NO_RISK_KEY or key.startswith(OLD):
        return 9
    return 5 if key.startswith(FACTOR) else 4
