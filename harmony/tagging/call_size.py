"""PURE: how many devices go into one call, learned from calls that the UEM declined as a whole.

A call can be declined because it names too many devices, or because it names one that spoils it. Halving
tells: once a single device is declined alone, every larger call with it is explained by it; one that stays
without such a device was too large.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from harmony.tagging.plan import PER_CALL, Batch, Target

# Statuses of a call that may be declined for its size, or for one of its items.
TOO_LARGE = frozenset({400, 413, 414, 422})
# So many single devices declined in a row, and no call accepted: it is not about devices.
HOPELESS = 10


@dataclass(slots=True)
class CallSize:
    """`limit` is the most devices a call may name, as far as earlier runs learned."""

    limit: int = PER_CALL
    spoilers: set[tuple[str, bool, Target]] = field(default_factory=set)
    _declined: list[Batch] = field(default_factory=list)
    _accepted: bool = False
    _alone: int = 0

    @property
    def most(self) -> int:
        """Return how many devices the next call may name."""
        return min([self.limit, *(max(1, len(batch.targets) // 2) for batch in self._unexplained())])

    @property
    def learned(self) -> int | None:
        """The limit that this run found out; None when no call was declined for its size."""
        return self.most if self._accepted and self.most < self.limit else None

    @property
    def is_hopeless(self) -> bool:
        """Return True if even single devices are declined: smaller calls will not help."""
        return self._alone >= HOPELESS and not self._accepted

    def accept(self) -> None:
        """A call was carried out."""
        self._accepted, self._alone = True, 0

    def decline(self, batch: Batch) -> tuple[Batch, ...]:
        """A call was declined as a whole. Return what to send instead; nothing for a single device."""
        if len(batch.targets) == 1:
            self.spoilers.add((batch.key, batch.add, batch.targets[0]))
            self._alone += 1
            return ()
        self._declined.append(batch)
        half = len(batch.targets) // 2
        return batch._replace(targets=batch.targets[:half]), batch._replace(targets=batch.targets[half:])

    def pieces(self, batch: Batch) -> Iterator[Batch]:
        """Split a batch into calls of the size that is allowed now."""
        most = self.most
        for start in range(0, len(batch.targets), most):
            yield batch._replace(targets=batch.targets[start : start + most])

    def _unexplained(self) -> Iterator[Batch]:
        for batch in self._declined:
            items = ((batch.key, batch.add, target) for target in batch.targets)
            if self.spoilers.isdisjoint(items):
                yield batch
