"""Decides what the tags of a group make of a tag of ours without an id: a claim, a problem, or nothing."""

from __future__ import annotations

from collections.abc import Collection

from harmony.tagging.evidence import Claim, ids_named, is_named
from harmony.tagging.managed_tags import OurTag
from harmony.tagging.names import tag_key
from harmony.uem.records import TagList

_FOREIGN = "A tag of this name is in the UEM already, and was not made for this integration."
_ADOPT = "Adopt it on the Tagging page, or give ours another name there."
_NO_GROUP = "No organization group is visible in which the tag could be made."
_NO_ID = "The UEM lists a tag of this name, and its id cannot be read."


def claim_of(
    tag: OurTag, listing: TagList, taken: Collection[str], home: str, adopted: Collection[str]
) -> Claim | None:
    """Return the id with its name that is ours: what it was, what we asked for, what a person gave us.

    `taken` are the ids of our other tags; `home` is the group in which tags are made; `adopted` are names as
    `tag_key` spells them.
    """
    ids, group = ids_named(tag.name, listing, taken), tag.group or home
    if tag.former_id is not None and tag.former_id in ids:
        return Claim(tag.key, tag.name, tag.former_id, group, has_twins=True)
    if ids and tag.group is not None:
        return Claim(tag.key, tag.name, ids[-1], group)
    if ids and tag_key(tag.name) in adopted:
        return Claim(tag.key, tag.name, ids[0], group, is_adopted=True)
    return None


def problem_of(tag: OurTag, listing: TagList, taken: Collection[str], home: str) -> str:
    """Say why a tag on which we have no claim cannot be made; "" if it can."""
    if ids_named(tag.name, listing, taken):
        return f"{_FOREIGN} {_ADOPT}"
    if is_named(tag.name, listing):
        return _NO_ID
    return "" if tag.group or home else _NO_GROUP
