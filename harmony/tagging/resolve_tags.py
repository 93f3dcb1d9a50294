"""Finds the tags of ours in the UEM by their names, and makes what is missing.

The row says that we are about to make a tag before the UEM is asked to. Whoever finds one of that name later
knows that it is ours, even when the worker died before the answer came. Whichever answer gives the id of a
tag, it is written down once others agree.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import partial

from harmony.clock import now
from harmony.db import write
from harmony.models import UemTag
from harmony.models.configuration import Tagging
from harmony.tagging import outcome as tagging_outcome
from harmony.tagging import tag_row as change
from harmony.tagging.evidence import Claim, TagVerdict
from harmony.tagging.links import Beat
from harmony.tagging.managed_tags import OurTag, tags_of
from harmony.tagging.names import tag_key
from harmony.tagging.placing import claim_of, problem_of
from harmony.tagging.proving import FINAL, Prover
from harmony.tagging.read_back import forget
from harmony.uem.client import UemClient
from harmony.uem.errors import Forbidden, MalformedAnswer, NotFound, RequestRefused, UemError
from harmony.uem.records import Tag, TagList

_BY_HAND = "Or make the tag in the console and adopt it on the Tagging page."


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
        self.prover = Prover(client, self._listing)
        self._ahead: Future[TagList] | None = None
        self._lists: dict[str, TagList] = {}

    @contextmanager
    def looking(self, *, whole: bool) -> Iterator[None]:
        """Read the tags of the group beside the body, if they will be needed; the UEM's time is not ours."""
        unknown = any(tag.external_id is None and not tag.problem for tag in tags_of(self._id))
        ask = self.group is not None and (whole or unknown)
        with ThreadPoolExecutor(1, thread_name_prefix="uem-tag") as pool:
            self._ahead = pool.submit(self._client.tags, self.group) if ask and self.group else None
            yield

    def find(self, needed: Collection[str], time: datetime, *, whole: bool, again: bool = False) -> None:
        """Look for the tags that are due, with `whole` for all; one that is surely gone is made anew.

        With `again` only for those without an id. Raises UemError; that the account may not make tags is only
        said beside the tag.
        """
        every = [tag for tag in tags_of(self._id) if tag.external_id is not None or tag.key in needed]
        due = [tag for tag in every if whole or _is_due(tag, time, again=again)]
        if not due:
            return
        self._prove(due, self._listing(due), time)
        missing = [tag for tag in tags_of(self._id) if tag.external_id is None and tag.key in needed]
        looked_for = [
            tag
            for tag in missing
            if (whole or _is_due(tag, time, again=again)) and tag.key not in self.prover.unconfirmed
        ]
        # That there is no tag at all is seldom true.
        self._listing(tag for tag in looked_for if not self._list_for(tag).tags)
        self._place(looked_for, time)

    def missing(self, keys: Collection[str], time: datetime) -> None:
        """The UEM did not know the ids of these tags when it was asked who carries them. Raises UemError."""
        every = tags_of(self._id)
        tags = [tag for tag in every if tag.key in keys and tag.external_id is not None]
        if tags:
            self._carry_out(self.prover.prove_missing(tags, time, all_tags=every), time)

    def uncertain(self) -> list[str]:
        """Say which tags have no certain id, if any."""
        names = sorted(tag.name for tag in tags_of(self._id) if tag.key in self.prover.unconfirmed)
        return [tagging_outcome.unconfirmed(names)] if names else []

    def _prove(self, due: Sequence[OurTag], listing: TagList, time: datetime) -> None:
        every = tags_of(self._id)
        tags = [tag for tag in due if tag.external_id is not None]
        verdicts, listing = self.prover.prove(tags, listing, time, all_tags=every)
        self._carry_out(verdicts, time)
        for tag in every:
            if tag.former_id not in {None, tag.external_id} and tag.external_id is not None:
                self._take_back(tag, listing)

    def _carry_out(self, verdicts: Mapping[str, TagVerdict], time: datetime) -> None:
        unproven = {tag.key for tag in tags_of(self._id) if not tag.proven}
        for key, verdict in verdicts.items():
            if verdict in {TagVerdict.GONE, TagVerdict.RENAMED}:
                self._change(key, change.forget_id)
                forget(self._id, key, time, self._beat)
            elif verdict is TagVerdict.OURS and key in unproven:
                self._change(key, change.confirm_id)

    def _take_back(self, tag: OurTag, listing: TagList) -> None:
        """A tag that was taken for gone, and made anew, is there after all: it is taken off the devices."""
        former = [seen for seen in listing.tags if seen.external_id == tag.former_id]
        if former and all(tag_key(seen.name) == tag_key(tag.name) for seen in former):
            with write() as session:
                self._beat(session)
                change.split_former(session, self._id, tag.key, now())

    def _listing(self, tags: Iterable[OurTag]) -> TagList:
        """The tags of every group in which one of these is or belongs."""
        found = TagList()
        for group in sorted({group for tag in tags if (group := tag.group or self.group)}):
            found = found.extended(self._tags_in(group))
        return found

    def _tags_in(self, group: str) -> TagList:
        """A group that is gone has no tags; that of the account must be there."""
        ahead, self._ahead = self._ahead, None
        try:
            found = ahead.result() if ahead and group == self.group else self._client.tags(group)
        except (NotFound, RequestRefused):
            if group == self.group:
                raise
            found = TagList()
        self._lists[group] = found
        return found

    def _list_for(self, tag: OurTag) -> TagList:
        """The tags, as last listed, of the group in which it belongs."""
        return self._lists.get(tag.group or self.group or "", TagList())

    def _place(self, tags: Sequence[OurTag], time: datetime) -> None:
        """Find tags without an id in the lists, say why one cannot be used, and make the others."""
        taken, claims, absent = self._taken(), list[Claim](), list[OurTag]()
        home, adopted = self.group or "", set(map(tag_key, self._tagging.adopted))
        for tag in tags:
            claim = claim_of(tag, self._list_for(tag), taken, home, adopted)
            problem = problem_of(tag, self._list_for(tag), taken, home)
            if claim is not None:
                claims.append(claim)
            elif problem:
                self._trouble(tag.key, problem, time)
            else:
                absent.append(tag)
        self._believe(claims)
        self._make(self.prover.absent(absent, home, taken))

    def _taken(self) -> set[str]:
        return {tag.external_id for tag in tags_of(self._id) if tag.external_id is not None}

    def _believe(self, claims: Sequence[Claim]) -> None:
        """Write down the ids that other answers agree with; the next run looks for the others."""
        for claim in self.prover.confirm(claims, self._taken()):
            take = change.accept_given_id if claim.is_adopted else change.record_id
            since = None
            if claim.is_new:
                self.made, since = self.made + 1, now()
                forget(self._id, claim.key, since, self._beat)
            id_, group = claim.external_id, claim.group
            self._change(claim.key, partial(take, external_id=id_, group=group, empty_since=since))

    def _make(self, tags: Sequence[OurTag]) -> None:
        """Make them, several at once. Raises the first UemError, once every answer has been written down."""
        group = {tag.key: tag.group or self.group or "" for tag in tags}
        for key, where in group.items():
            self._change(key, partial(change.note_creation, group=where))
        with ThreadPoolExecutor(self._client.parallel(), thread_name_prefix="uem-tag") as pool:
            making = [(tag, pool.submit(self._client.create_tag, tag.name, group[tag.key])) for tag in tags]
        answers = [(tag, self._answer(tag, future)) for tag, future in making]
        errors = [answer for _, answer in answers if isinstance(answer, UemError)]
        if not any(isinstance(error, FINAL) for error in errors):
            created = [(tag, answer) for tag, answer in answers if isinstance(answer, Tag)]
            self._believe(
                [
                    Claim(tag.key, tag.name, answer.external_id, group[tag.key], is_new=True)
                    for tag, answer in created
                ]
            )
        if errors:
            raise errors[0]

    def _answer(self, tag: OurTag, future: Future[Tag]) -> Tag | UemError | None:
        """The tag that was made, if it was; an error that is not about this tag alone is the caller's."""
        try:
            return future.result()
        except (Forbidden, NotFound, RequestRefused) as refusal:
            self._trouble(tag.key, f"{refusal.sentence} {refusal.advice} {_BY_HAND}", now())
        except MalformedAnswer:
            self.prover.unconfirmed.add(tag.key)
        except UemError as error:
            return error
        return None

    def _trouble(self, key: str, sentence: str, time: datetime) -> None:
        self._change(key, lambda row: change.record_problem(row, sentence, time))

    def _change(self, key: str, change: Callable[[UemTag], None]) -> None:
        with write() as session:
            self._beat(session)
            row = session.get(UemTag, (self._id, key))
            if row is not None:
                change(row)


def _is_due(tag: OurTag, time: datetime, *, again: bool) -> bool:
    """One with a problem waits for a day, or for somebody who asks; one that may come back does not."""
    if tag.external_id is not None:
        return not again and (not tag.proven or tag.doubted_at is not None)
    return not tag.problem or tag.former_id is not None or tag.is_due(time)
