"""What a list can be sorted by: `?sort=` in its address, a minus before it for the other way round.

Only columns that lead an index are offered, so that a sorted page costs what any other does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harmony.web.shared.paging import Order

_TURNED = "-"


@dataclass(frozen=True, slots=True)
class Sort:
    """The order that is asked for, under its name; `is_turned`: the other way round than it is offered."""

    orders: Mapping[str, Order]
    name: str
    is_turned: bool = False

    @classmethod
    def from_query(cls, orders: Mapping[str, Order], query: Mapping[str, str]) -> Sort:
        """Read it from an address; the first of `orders` for nothing and for nonsense."""
        text = query.get("sort", "")
        name = text.removeprefix(_TURNED)
        return cls(orders, name, text != name) if name in orders else cls(orders, next(iter(orders)))

    @property
    def word(self) -> str | None:
        """Return its part of an address; None for the order that nobody has to ask for."""
        is_usual = self.name == next(iter(self.orders)) and not self.is_turned
        return None if is_usual else (_TURNED if self.is_turned else "") + self.name

    @property
    def order(self) -> Order:
        """Return the order itself."""
        order = self.orders[self.name]
        return order.turned() if self.is_turned else order

    def direction(self, name: str) -> str | None:
        """Return how the column of that name is sorted, in the words of `aria-sort`; None: it is not."""
        if name != self.name:
            return None
        return "ascending" if self.order.is_rising else "descending"

    def by(self, name: str) -> Sort:
        """Return what a press on the heading of the column asks for: its order, or the other way round."""
        return Sort(self.orders, name, name == self.name and not self.is_turned)
