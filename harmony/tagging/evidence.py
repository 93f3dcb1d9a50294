"""PURE: what answers about a tag of ours prove. A stored id is believed only with the name beside it.

A single answer can be well formed and wrong. So a tag is *gone* only if two lists do not name it and the UEM
knows no such id, *renamed* only if two lists say so, and never are all tags of ours gone or renamed at once
unless they still are a while later. Anything else is a doubt, and a doubt keeps the tag. An id that an answer
gives for a tag of ours is a claim: it is written down once other answers show the same id with our name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from harmony.jobs.accounting import contradicts_many
from harmony.tagging.names import tag_key
from harmony.uem.records import Carriers, OddTag, TagList

# So long all tags of ours must be gone before we believe it.
CONFIRMED_AFTER = timedelta(minutes=10)
# A doubtful tag is looked at again after as long as it has been doubtful, within these.
SOONEST, LATEST = timedelta(minutes=5), timedelta(hours=1)


class Seen(StrEnum):
    """One sighting of a tag of ours in a list of tags."""

    OURS = "ours"
    ABSENT = "absent"
    RENAMED = "renamed"
    UNCLEAR = "unclear"


class TagVerdict(StrEnum):
    """The verdict of all looks at a tag of ours. Disputed: kept, and not written in this run."""

    OURS = "ours"
    GONE = "gone"
    RENAMED = "renamed"
    DOUBTFUL = "doubtful"
    DISPUTED = "disputed"


class Looks(NamedTuple):
    """Two lists of tags, and whether the UEM knows the id: None when it was not asked."""

    first: Seen
    second: Seen
    exists: bool | None = None


class Claim(NamedTuple):
    """An id that one answer gave for the tag of ours with that key and name in an organization group.

    `is_new`: the UEM says that it has just made the tag. `has_twins`: others may have its name, because it
    was ours before. `is_adopted`: a person gave us the tag of that name.
    """

    key: str
    name: str
    external_id: str
    group: str
    is_new: bool = False
    has_twins: bool = False
    is_adopted: bool = False


def ids_named(name: str, listing: TagList, taken: Collection[str] = ()) -> list[str]:
    """Return the ids that a list shows with that name, in its order, without those that are `taken`.

    >>> from harmony.uem.records import Tag
    >>> ids_named("A", TagList((Tag("7", "a", None), Tag("8", "A", None), Tag("9", "B", None))), {"7"})
    ['8']
    """
    own = tag_key(name)
    named = (tag.external_id for tag in listing.tags if tag_key(tag.name) == own)
    return [external_id for external_id in dict.fromkeys(named) if external_id not in taken]


def is_named(name: str, listing: TagList) -> bool:
    """Tell whether a row whose id or name is unreadable has that name."""
    return any(tag_key(row.name) == tag_key(name) for row in listing.odd)


def agrees(claim: Claim, listing: TagList, taken: Collection[str]) -> bool:
    """Tell whether a list shows the claimed id with our name only, and no other id with it.

    `taken` are the ids of our other tags.
    """
    if claim.external_id in taken or seen(claim.external_id, claim.name, listing) is not Seen.OURS:
        return False
    alone = ids_named(claim.name, listing, taken) == [claim.external_id] and not is_named(claim.name, listing)
    return alone or claim.has_twins or claim.is_adopted


def seen(external_id: str, name: str, listing: TagList) -> Seen:
    """Read a list for the tag of that id and name.

    >>> from harmony.uem.records import Tag
    >>> seen("7", "A", TagList((Tag("7", "a", None),))).value, seen("7", "A", TagList()).value
    ('ours', 'absent')
    """
    own = tag_key(name)
    names = {tag_key(tag.name) for tag in listing.tags if tag.external_id == external_id}
    doubts = listing.is_short or any(_may_be(row, external_id, own) for row in listing.odd)
    if names == {own}:
        return Seen.OURS
    if own in names or doubts:
        return Seen.UNCLEAR
    return Seen.RENAMED if names else Seen.ABSENT


def verdict(looks: Looks, *, proven: bool = True) -> TagVerdict:
    """Decide about one tag. An id that this UEM has not `proven` is not kept once two lists lack it.

    >>> verdict(Looks(Seen.ABSENT, Seen.ABSENT, False)).value, verdict(Looks(Seen.ABSENT, Seen.OURS)).value
    ('gone', 'ours')
    """
    if looks.second is Seen.OURS:
        return TagVerdict.OURS if looks.exists is not False else TagVerdict.DOUBTFUL
    if looks.first is looks.second is Seen.RENAMED:
        return TagVerdict.RENAMED
    if looks.first is looks.second is Seen.ABSENT and (looks.exists is False or not proven):
        return TagVerdict.GONE
    renamed = Seen.RENAMED in {looks.first, looks.second}
    return TagVerdict.DOUBTFUL if proven and not renamed else TagVerdict.DISPUTED


def believed(
    verdicts: Mapping[str, TagVerdict], ours: Collection[str], doubted: Mapping[str, datetime], now: datetime
) -> dict[str, TagVerdict]:
    """Decide about all: that every one of `ours`, of two or more, is lost at once takes a second time.

    `doubted` says since when tags are in doubt; `verdicts` may be about some of `ours` only.
    """
    lost = {key for key, said in verdicts.items() if said in {TagVerdict.GONE, TagVerdict.RENAMED}}
    old = all(key in doubted and now - doubted[key] >= CONFIRMED_AFTER for key in lost)
    if len(lost) < 2 or not lost.issuperset(ours) or old:
        return dict(verdicts)
    return {key: TagVerdict.DISPUTED if key in lost else said for key, said in verdicts.items()}


def is_believable(carriers: Carriers, missing: int, known: int) -> bool:
    """Tell whether a list of carriers that lacks `missing` of the `known` ones is believed at first sight."""
    return not carriers.unreadable and not contradicts_many(missing, known)


def look_again_after(doubted_since: datetime, now: datetime) -> timedelta:
    """Return how long until a doubtful tag is looked at again."""
    return min(max(now - doubted_since, SOONEST), LATEST)


def _may_be(row: OddTag, external_id: str, own: str) -> bool:
    if row.external_id is not None:
        return row.external_id == external_id
    return not row.name or tag_key(row.name) == own
