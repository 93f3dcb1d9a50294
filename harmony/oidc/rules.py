"""PURE: ordered rules from the values of a claim to a role. The first match counts; no match is no access."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_MOST_VALUES = 1000
_OVERAGE = "_claim_names"


@dataclass(frozen=True, slots=True)
class RoleRule:
    """Whoever has this value in the claim gets this role; `groups` are keys of device groups, () for all."""

    value: str
    role: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleResult:
    """The values that came in the claim, and the rule that matches one, counted from 1.

    `is_overage`: the provider sent a pointer instead of the values, as Entra ID does above 200 groups.
    """

    values: tuple[str, ...]
    number: int | None = None
    role: str | None = None
    is_overage: bool = False
    groups: tuple[str, ...] = ()


def apply_rules(claims: Mapping[str, Any], path: str, rules: Sequence[RoleRule]) -> RuleResult:
    """Return what the rules make of these claims.

    >>> apply_rules({"groups": ["b", "a"]}, "groups", [RoleRule("a", "viewer"), RoleRule("b", "operator")])
    RuleResult(values=('b', 'a'), number=1, role='viewer', is_overage=False, groups=())
    """
    values = values_of(value_at(claims, path))
    for number, rule in enumerate(rules, start=1):
        if rule.value in values:
            return RuleResult(values, number, rule.role, groups=rule.groups)
    elsewhere = claims.get(_OVERAGE)
    return RuleResult(values, is_overage=isinstance(elsewhere, Mapping) and path in elsewhere)


def value_at(claims: Mapping[str, Any], path: str) -> Any:
    """Return what is at a path such as `realm_access.roles`; None when nothing is.

    A name may have dots itself, as those that are addresses do, so that every way to split is tried.

    >>> value_at({"realm_access": {"roles": ["a"]}}, "realm_access.roles")
    ['a']
    """
    if path in claims:
        return claims[path]
    for place, character in enumerate(path):
        inner = claims.get(path[:place]) if character == "." else None
        if isinstance(inner, Mapping) and (found := value_at(inner, path[place + 1 :])) is not None:
            return found
    return None


def values_of(found: Any) -> tuple[str, ...]:
    """Return the texts in a claim: those of a list, or the only one.

    >>> values_of(["a", 7, {"b": 1}]), values_of("a b"), values_of(None)
    (('a', '7'), ('a b',), ())
    """
    listed = found if isinstance(found, list) else [found]
    plain = (value for value in listed[:_MOST_VALUES] if isinstance(value, str | int))
    return tuple(value if isinstance(value, str) else str(value).lower() for value in plain)
