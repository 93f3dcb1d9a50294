"""PURE: no device may belong to two integrations; do two of them read the same groups of one server?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harmony.models.configuration import ChosenGroup
from harmony.uem.records import GroupKind

_ADVICE = "A device may belong to one integration only: choose other groups here or there."


@dataclass(frozen=True, slots=True)
class Reader:
    """One integration: its name, `host:port` of its server, the groups it reads, and the tree as it knows it.

    `above` maps the id of an organization group to that of its parent, None at the top.
    """

    name: str
    server: str
    groups: Sequence[ChosenGroup]
    above: Mapping[str, str | None] = field(default_factory=dict)


def overlap(reader: Reader, others: Iterable[Reader]) -> str | None:
    """Return the first overlap as a sentence that names both integrations and groups; None without one.

    The same group of either kind, or an organization group below one of the other. What either of the two
    knows of the tree counts.
    """
    found = (
        sentence
        for other in others
        if other.server == reader.server
        for group in reader.groups
        for sentence in _with(group, reader, other)
    )
    return next(found, None)


def _with(own: ChosenGroup, reader: Reader, other: Reader) -> Iterator[str]:
    here = f"{own.name} (in {reader.name})"
    for group in other.groups:
        there = f"{group.name} (in {other.name})"
        if group.kind != own.kind:
            continue
        if group.external_id == own.external_id:
            yield f"{here} and {there} are the same group of the same server. {_ADVICE}"
        elif own.kind == GroupKind.ORGANIZATION:
            if group.external_id in _ancestors(own.external_id, reader, other):
                yield f"{here} lies below {there} on the same server. {_ADVICE}"
            elif own.external_id in _ancestors(group.external_id, reader, other):
                yield f"{here} lies above {there} on the same server. {_ADVICE}"


def _ancestors(group_id: str, *trees: Reader) -> set[str]:
    """Return every group above this one in any of the trees; a tree with a circle ends too."""
    found: set[str] = set()
    waiting = [group_id]
    while waiting:
        current = waiting.pop()
        parents = {parent for tree in trees if (parent := tree.above.get(current))} - found
        found |= parents
        waiting += parents
    return found
