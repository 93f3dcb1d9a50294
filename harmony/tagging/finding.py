"""Finds the tags of ours in the UEM by their names, and makes what is missing.

The row says that we are about to make a tag before the UEM is asked to. Whoever finds one of that name later
knows that it is ours, even when the worker died before the answer came.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import partial

from harmony.clock import now
from harmony.db import write
from harmony.models import UemTag
from harmony.models.configuration import Tagging
from harmony.tagging.desire import Beat
from harmony.tagging.names import OLD
from harmony.tagging.observe import observe
from harmony.tagging.ours import OurTag, tags_of
from harmony.uem.client import UemClient
from harmony.uem.errors import Forbidden, NotFound, RequestRefused, UemError
from harmony.uem.records import Tag

FOREIGN = "A tag of this name is in the UEM already, and was not made for this integration."
ADOPT = "Adopt it on the Tagging page, or give ours another name there."
NO_GROUP = "No organization group is visible in which the tag could be made."
BY_HAND = "Or make the tag in the console and adopt it on the Tagging page."


class Finder:
    """Looks at one organization group, in which tags are made; `made` counts those."""

    def __init__(
        self, integration_id: int, tagging: Tagging, client: UemClient, group: str | None, beat: Beat
    ) -> None:
        self._id = integration_id
        self._tagging = tagging
        self._client = client
        self.group = group
        self._beat = beat
        self.made = 0
        self._ahead: Future[list[Tag]] | None = None

    @contextmanager
    def looking(self, *, whole: bool) -> Iterator[None]:
        """Read the tags of the group beside the body, if they will be needed; the UEM's time is not ours."""
        unknown = any(tag.external_id is None and not tag.problem for tag in tags_of(self._id))
        ask = self.group is not None and (whole or unknown)
        with ThreadPoolExecutor(1, thread_name_prefix="uem-tag") as pool:
            self._ahead = pool.submit(self._client.tags, self.group) if ask and self.group else None
            yield

    def find(self, needed: Collection[str], moment: datetime, *, whole: bool) -> None:
        """Look for the tags without an id that are due, with `whole` for all; one that is gone is made anew.

        Raises UemError; that the account may not make tags is only said beside the tag.
        """
        every = [tag for tag in tags_of(self._id) if tag.external_id is not None or tag.key in needed]
        due = [tag for tag in every if whole or _is_due(tag, moment)]
        groups = {group for tag in due if (group := tag.group or self.group)}
        seen = [tag for group in sorted(groups) for tag in self._tags_in(group)]
        if groups:
            self._note_lost(due, seen, moment)
        missing = [tag for tag in tags_of(self._id) if tag.external_id is None and tag.key in needed]
        looked_for = [tag for tag in missing if whole or _is_due(tag, moment)]
        self._make([tag for tag in looked_for if not self._placed(tag, seen, moment)])

    def _tags_in(self, group: str) -> list[Tag]:
        """A group that is gone has no tags; that of the account must be there."""
        ahead, self._ahead = self._ahead, None
        try:
            return ahead.result() if ahead and group == self.group else self._client.tags(group)
        except (NotFound, RequestRefused):
            if group == self.group:
                raise
            return []

    def lost(self, key: str, moment: datetime) -> None:
        """The UEM has no such tag any more, or calls it otherwise: it is not ours, and nobody has ours."""
        self._change(key, _lose)
        observe(self._id, key, (), moment, self._beat)

    def _note_lost(self, due: Iterable[OurTag], seen: Iterable[Tag], moment: datetime) -> None:
        names = {tag.external_id: tag.name for tag in seen}
        for tag in due:
            if tag.external_id is not None and names.get(tag.external_id) != tag.name:
                self.lost(tag.key, moment)

    def _placed(self, tag: OurTag, seen: Iterable[Tag], moment: datetime) -> bool:
        """Whether it was found or cannot be used; False when it has to be made."""
        taken = {one.external_id for one in tags_of(self._id)}
        there = [one.external_id for one in seen if one.name == tag.name and one.external_id not in taken]
        group = tag.group or self.group
        if there and tag.group is not None:
            self._change(tag.key, lambda row: _found(row, there[-1]))
        elif there and tag.name in self._tagging.adopted:
            self._change(tag.key, lambda row: _adopt(row, there[0], group))
        elif there:
            self._trouble(tag.key, f"{FOREIGN} {ADOPT}", moment)
        elif group is None:
            self._trouble(tag.key, NO_GROUP, moment)
        else:
            return False
        return True

    def _make(self, tags: Sequence[OurTag]) -> None:
        """Make them, several at once. Raises the first UemError, once every answer has been written down."""
        group = {tag.key: tag.group or self.group or "" for tag in tags}
        for key, where in group.items():
            self._change(key, partial(_ask, group=where))
        with ThreadPoolExecutor(self._client.parallel(), thread_name_prefix="uem-tag") as pool:
            making = [(tag, pool.submit(self._client.create_tag, tag.name, group[tag.key])) for tag in tags]
        trouble = [error for tag, future in making if (error := self._made(tag, future)) is not None]
        if trouble:
            raise trouble[0]

    def _made(self, tag: OurTag, future: Future[Tag]) -> UemError | None:
        """Write down what became of it; an error that is not about this tag alone is the caller's."""
        try:
            external_id = future.result().external_id
        except (Forbidden, NotFound, RequestRefused) as refusal:
            self._trouble(tag.key, f"{refusal.sentence} {refusal.advice} {BY_HAND}", now())
        except UemError as error:
            return error
        else:
            self.made += 1
            observe(self._id, tag.key, (), now(), self._beat)
            self._change(tag.key, partial(_found, external_id=external_id, empty_since=now()))
        return None

    def _trouble(self, key: str, sentence: str, moment: datetime) -> None:
        self._change(key, lambda row: _say(row, sentence, moment))

    def _change(self, key: str, change: Callable[[UemTag], None]) -> None:
        with write() as session:
            self._beat(session)
            row = session.get(UemTag, (self._id, key))
            if row is not None:
                change(row)


def _is_due(tag: OurTag, moment: datetime) -> bool:
    """One with a problem waits for a day, or for somebody who asks."""
    return tag.external_id is None and (not tag.problem or tag.is_due(moment))


def _lose(row: UemTag) -> None:
    row.external_id = row.organization_group_id = row.checked_at = None
    row.adopted, row.problem = False, ""
    if row.key.startswith(OLD):
        row.retired_at = None


def _ask(row: UemTag, group: str) -> None:
    row.organization_group_id, row.problem = group, ""


def _found(row: UemTag, external_id: str, empty_since: datetime | None = None) -> None:
    """Who carries one that was there before has to be looked up; nobody carries one that was just made."""
    row.external_id, row.problem, row.checked_at = external_id, "", empty_since


def _adopt(row: UemTag, external_id: str, group: str | None) -> None:
    _found(row, external_id)
    row.adopted, row.organization_group_id = True, group


def _say(row: UemTag, sentence: str, moment: datetime) -> None:
    row.problem, row.checked_at, row.organization_group_id = sentence[:1024], moment, None
