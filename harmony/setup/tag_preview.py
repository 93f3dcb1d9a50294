"""PURE: the tags that the settings need, against those in the UEM: found, missing, or somebody else's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harmony.models.configuration import Tagging
from harmony.tagging.names import FACTOR, name_of, needed_keys, tag_key
from harmony.uem.records import Tag


class Standing(StrEnum):
    """Found: it is there and ours, or adopted. Foreign: it is there, and we neither made nor adopted it."""

    FOUND = "found"
    MISSING = "missing"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class NeededTag:
    """One tag that is needed; `devices`: on how many it would be put now; `group`: where it is or belongs.

    `spelling` is how the UEM writes the name of the tag that is there, "" when none is. `earlier`: Harmony
    made or adopted that tag before, for another integration or for one that was removed.
    """

    key: str
    name: str
    standing: Standing
    group: str
    devices: int
    adopted: bool = False
    spelling: str = ""
    earlier: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TagLook:
    """The findings of Verify on the Tagging page, in its order; stored as JSON with the results."""

    tags: tuple[NeededTag, ...] = ()

    def those(self, standing: Standing) -> list[NeededTag]:
        """The tags that stand so."""
        return [tag for tag in self.tags if tag.standing is standing]


@dataclass(frozen=True, slots=True)
class Ours:
    """Tags that this integration made or adopted, by their ids; one it was about to make, by its name.

    `unproven` are ids and names (`tag_key`) from before Server Details led to another UEM, where the id alone
    may be that of another tag. `earlier` are those of tags that Harmony made or adopted in the same UEM, but
    not for this integration: an id is believed only together with its name.
    """

    ids: frozenset[str] = frozenset()
    begun: frozenset[str] = frozenset()
    unproven: frozenset[tuple[str, str]] = frozenset()
    earlier: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class TagPlace:
    """The group that tags are kept in: the tags there now, which of them are ours, its name."""

    tags: Sequence[Tag] = ()
    ours: Ours = Ours()
    group: str = ""


def judged(tagging: Tagging, devices: Mapping[str, int], place: TagPlace) -> TagLook:
    """Every tag these settings need; `devices` counts them by key.

    A threat factor that is on no device needs none.
    """
    codes = [key.removeprefix(FACTOR) for key in devices if key.startswith(FACTOR)]
    needed = [(key, name_of(key, tagging)) for key in needed_keys(tagging, codes)]
    return TagLook(
        tags=tuple(
            _judged(key, name, _found(name, place), tagging, devices.get(key, 0), place)
            for key, name in needed
        )
    )


def _judged(  # noqa: PLR0917 - what is needed, what is there, what was decided
    key: str, name: str, found: Tag | None, tagging: Tagging, devices: int, place: TagPlace
) -> NeededTag:
    adopted = tag_key(name) in map(tag_key, tagging.adopted)
    return NeededTag(
        key=key,
        name=name,
        standing=_standing(found, adopted, place.ours),
        group=place.group,
        devices=devices,
        adopted=adopted and found is not None,
        spelling=found.name if found else "",
        earlier=found is not None and (found.external_id, tag_key(found.name)) in place.ours.earlier,
    )


def _found(name: str, place: TagPlace) -> Tag | None:
    """The tag that the UEM takes for the one of this name.

    It may hold several of one name; ours, if one of them is, is the one we push.
    """
    there = [tag for tag in place.tags if tag_key(tag.name) == tag_key(name)]
    return max(there, key=lambda tag: (_is_ours(tag, place.ours), tag.name == name), default=None)


def _standing(found: Tag | None, adopted: bool, ours: Ours) -> Standing:
    if found is None:
        return Standing.MISSING
    return Standing.FOUND if adopted or _is_ours(found, ours) else Standing.FOREIGN


def _is_ours(tag: Tag, ours: Ours) -> bool:
    is_unproven = (tag.external_id, tag_key(tag.name)) in ours.unproven
    return is_unproven or tag.external_id in ours.ids or tag_key(tag.name) in map(tag_key, ours.begun)
