"""PURE: the tags that the settings need, against those in the UEM: found, missing, or somebody else's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harmony.models.configuration import Tagging
from harmony.tagging.names import FACTOR, name_of, needed_keys
from harmony.uem.records import Tag


class Standing(StrEnum):
    """Found: it is there and ours, or adopted. Foreign: it is there, and we neither made nor adopted it."""

    FOUND = "found"
    MISSING = "missing"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class NeededTag:
    """One tag that is needed; `devices`: on how many it would be put now; `group`: where it is or belongs."""

    key: str
    name: str
    standing: Standing
    group: str
    devices: int
    adopted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TagLook:
    """What Verify of the Tagging page found, in the order of the page; stored as JSON with its rungs."""

    tags: tuple[NeededTag, ...] = ()

    def those(self, standing: Standing) -> list[NeededTag]:
        """The tags that stand so."""
        return [tag for tag in self.tags if tag.standing is standing]


@dataclass(frozen=True, slots=True)
class Ours:
    """Tags that this integration made or adopted, by their ids; one it was about to make, by its name."""

    ids: frozenset[str] = frozenset()
    begun: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where tags are kept: the tags that are there now, which of them are ours, the group's name."""

    tags: Sequence[Tag] = ()
    ours: Ours = Ours()
    group: str = ""


def judged(tagging: Tagging, devices: Mapping[str, int], place: Place) -> TagLook:
    """Every tag these settings need; `devices` counts them by key.

    A threat factor that is on no device needs none.
    """
    codes = [key.removeprefix(FACTOR) for key in devices if key.startswith(FACTOR)]
    # The UEM may hold several tags of one name; ours, if one of them is, is the one we push.
    there = {tag.name: tag for tag in sorted(place.tags, key=lambda tag: _is_ours(tag, place.ours))}
    needed = [(key, name_of(key, tagging)) for key in needed_keys(tagging, codes)]
    return TagLook(
        tags=tuple(
            NeededTag(
                key=key,
                name=name,
                standing=_standing(there.get(name), name in tagging.adopted, place.ours),
                group=place.group,
                devices=devices.get(key, 0),
                adopted=name in tagging.adopted and name in there,
            )
            for key, name in needed
        )
    )


def _standing(found: Tag | None, adopted: bool, ours: Ours) -> Standing:
    if found is None:
        return Standing.MISSING
    return Standing.FOUND if adopted or _is_ours(found, ours) else Standing.FOREIGN


def _is_ours(tag: Tag, ours: Ours) -> bool:
    return tag.external_id in ours.ids or tag.name in ours.begun
