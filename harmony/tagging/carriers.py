"""Reads who carries a tag, and looks again when an answer contradicts much of what is known."""

from __future__ import annotations

from typing import NamedTuple

from harmony.tagging import outcome as tagging_outcome
from harmony.tagging.evidence import is_believable
from harmony.tagging.managed_tags import tags_of
from harmony.tagging.read_back import compared
from harmony.tagging.run_context import RunContext
from harmony.uem.client import UemClient
from harmony.uem.records import Carriers


class Look(NamedTuple):
    """The ids of the devices that carry a tag; what a list does not name is off the tag if it `is_whole`.

    A list without unreadable rows that contradicts us twice `is_complete`, and yet not whole.
    """

    ids: tuple[str, ...]
    is_whole: bool
    is_complete: bool


def look(work: RunContext, client: UemClient, key: str, external_id: str) -> Look:
    """Ask the UEM who carries the tag; what is odd about the answer goes into `work`.

    Raises UemError: NotFound when there is no such tag.
    """
    carriers = client.tagged_devices(external_id)
    count = compared(work.id, key, carriers.ids)
    if is_believable(carriers, count.missing, count.known):
        return Look(carriers.ids, is_whole=True, is_complete=True)
    again = client.tagged_devices(external_id)
    after = compared(work.id, key, again.ids)
    is_whole = is_believable(again, after.missing, after.known)
    name = next((tag.name for tag in tags_of(work.id) if tag.key == key), key)
    work.doubts.append(_sentence(name, carriers, again, count if is_whole else after, is_whole=is_whole))
    if not is_whole:
        work.doubtful.add(key)
    return Look(again.ids, is_whole, not again.unreadable)


def _sentence(name: str, first: Carriers, again: Carriers, count: tuple[int, int], *, is_whole: bool) -> str:
    known, missing = count
    if again.unreadable or (is_whole and first.unreadable):
        return tagging_outcome.carriers_odd(name, again.unreadable or first.unreadable)
    return tagging_outcome.carriers_wrong(name, missing, known, again=not is_whole)
