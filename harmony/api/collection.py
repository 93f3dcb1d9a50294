"""A collection of the public API: what narrows it, its order, and the record of a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Row

from harmony.security.permissions import Permission
from harmony.security.principal import Principal
from harmony.web.shared.filters import Filter, Filters
from harmony.web.shared.paging import Order, Query


@dataclass(frozen=True, slots=True)
class Collection:
    """A list at `/api/v1/<name>`, and its rows at `/api/v1/<name>/<id>`.

    `filters` and `orders` are those of its page. `personal` are those that would tell personal data: a key
    that does not see any cannot ask for them, and gets the order `impersonal`. The query of one that
    needs no more than VIEW is narrowed by the scope of whoever asks (`web/shared/scope.py`).
    """

    name: str
    noun: str
    record: type[msgspec.Struct]
    permission: Permission
    query: Callable[[Filters], tuple[Query, Order]]
    record_of: Callable[[Row[Any], Principal], msgspec.Struct]
    filters: tuple[Filter, ...] = ()
    orders: Mapping[str, Order] = field(default_factory=dict)
    personal: frozenset[str] = frozenset()
    impersonal: str = ""

    def orders_for(self, principal: Principal) -> Mapping[str, Order]:
        """Return the orders that it may be asked for, the usual one first."""
        if not principal.hides_personal_data or not self.orders:
            return self.orders
        others = {name: order for name, order in self.orders.items() if name not in self.personal}
        return {self.impersonal: others[self.impersonal], **others}


def risk_word(risk: int | None) -> str:
    """Return the word of the API for a risk.

    >>> risk_word(None), risk_word(0), risk_word(3)
    ('not_assessed', 'none', 'high')
    """
    return "not_assessed" if risk is None else _RISKS[risk]


_RISKS = ("none", "low", "medium", "high")


def personal(text: str | None, principal: Principal) -> str | None:
    """Return personal data as this principal sees it."""
    return None if principal.hides_personal_data else text
