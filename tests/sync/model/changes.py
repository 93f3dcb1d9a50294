"""What can happen in the UEM between two syncs, or while one reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from tests.builders import NOON
from tests.sync.model.uem import World

MOST_ROWS = 12
# When a device was enrolled again, as the UEM has it: later, at the same time, before that, or nobody knows.
ENROLLED = (NOON + timedelta(days=1), NOON, NOON - timedelta(days=1), None)
READABLE = ("id", "udid", "id", "nothing")


@dataclass(frozen=True)
class To:
    """What a change is about: a row, a group, another row, the time; `number` tells variants apart."""

    id: str
    group: str
    other: str
    number: int
    now: datetime


def change(world: World, what: str, id_: str | None, group: str, other: str | None, now: datetime) -> None:  # noqa: PLR0917
    """Do it to the row `id_`, with `group` and the row `other` where it takes two."""
    if what in TO_THE_WORLD:
        TO_THE_WORLD[what](world, To("", group, "", int(other or 0), now))
    elif id_ is not None:
        TO_A_ROW[what](world, To(id_, group, other or id_, int(other or 0), now))


def _enrol(world: World, to: To) -> None:
    if len(world.rows) < MOST_ROWS:
        world.enrol(to.group)


def _empty(world: World, to: To) -> None:
    for id_ in [id_ for id_, row in world.rows.items() if row.group_id == to.group]:
        world.leave(id_)


def _hide(world: World, to: To) -> None:
    world.hidden = set() if world.hidden or to.group == "570" else {to.group}


def _return(world: World, to: To) -> None:
    """A row that left is back, if nobody else has its id meanwhile."""
    back = [row for id_, row in world.gone.items() if id_ not in world.rows]
    if back:
        row = back[to.number % len(back)]
        world.rows[row.external_id] = row


def _return_broken(world: World, to: To) -> None:
    before = set(world.rows)
    _return(world, to)
    world.unreadable.update({id_: READABLE[to.number % 3] for id_ in world.rows if id_ not in before})


def _enrol_again(world: World, to: To) -> None:
    world.enrol(to.group, world.rows[to.id].udid.swapcase(), ENROLLED[to.number % 4])


def _replace(world: World, to: To) -> None:
    _enrol_again(world, to)
    world.leave(to.id)


def _reuse_id(world: World, to: To) -> None:
    world.last_id += 1
    world.put(to.id, to.group, f"Udid{world.last_id}")


def _swap_ids(world: World, to: To) -> None:
    first, second = world.rows[to.id], world.rows[to.other]
    world.rows[to.id] = replace(second, external_id=to.id)
    world.rows[to.other] = replace(first, external_id=to.other)


def _smart(group: str) -> Callable[[World, To], None]:
    def toggle(world: World, to: To) -> None:
        world.smart[group] ^= {to.id}

    return toggle


def _text(field: str) -> Callable[[World, To], None]:
    return lambda world, to: world.change(to.id, **{field: f"{field} {to.number}"})


TO_THE_WORLD: dict[str, Callable[[World, To], None]] = {
    "enrol": _enrol,
    "empty": _empty,
    "hide": _hide,
    "return": _return,
    "return broken": _return_broken,
    "repair": lambda world, to: world.unreadable.clear(),
}
TO_A_ROW: dict[str, Callable[[World, To], None]] = {
    "leave": lambda world, to: world.leave(to.id),
    "move": lambda world, to: world.change(to.id, group_id=to.group, group_name=f"Group {to.group}"),
    "name": _text("name"),
    "email": _text("email"),
    "os_version": _text("os_version"),
    "contact": lambda world, to: world.change(to.id, last_seen=to.now),
    "damage": lambda world, to: world.unreadable.update({to.id: READABLE[to.number % 4]}),
    "smart 8": _smart("8"),
    "smart 9": _smart("9"),
    "enrol again": _enrol_again,
    "replace": _replace,
    "reuse id": _reuse_id,
    "swap ids": _swap_ids,
}
# The everyday ones more often.
WHAT = [
    *TO_THE_WORLD,
    *TO_A_ROW,
    "enrol",
    "leave",
    "leave",
    "leave",
    "move",
    "move",
    "return",
    "return broken",
]
