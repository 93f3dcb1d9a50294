"""Proves tags of ours against the UEM: looks again at contradictions, forgets only what is surely gone.

An id that an answer gives for a tag is proven before it is written down.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import TypeVar

from harmony.tagging import evidence
from harmony.tagging.evidence import Claim, Looks, Seen, TagVerdict
from harmony.tagging.managed_tags import OurTag
from harmony.uem.client import UemClient
from harmony.uem.errors import Closed, NotFound, RateLimited, SignInRefused, TooLarge, UemError
from harmony.uem.records import Carriers, TagList

_LookAt = Callable[[Iterable[OurTag]], TagList]
_T = TypeVar("_T")
_Subject = TypeVar("_Subject")
# Errors that the next call would meet too, or that another call would make worse.
FINAL = (SignInRefused, RateLimited, Closed)


class Prover:
    """The results of the looks of one run.

    `doubtful` are the keys of tags that are kept although answers contradict them; those in `disputed` are
    not written in this run. `contradictions` counts tags whose second look put the first one right.
    `unconfirmed` are the keys of tags whose id is not known, because answers do not agree on it.
    """

    def __init__(self, client: UemClient, look_at: _LookAt) -> None:
        self._client = client
        self._look_at = look_at
        self.doubtful: set[str] = set()
        self.disputed: set[str] = set()
        self.unconfirmed: set[str] = set()
        self.contradictions = 0

    def prove(
        self, tags: Sequence[OurTag], first: TagList, now: datetime, *, all_tags: Sequence[OurTag]
    ) -> tuple[dict[str, TagVerdict], TagList]:
        """Decide about tags that have an id, by a list of tags; `all_tags` are those to be among.

        Returns the verdicts by key and the list that counts: a fresh one, if the first contradicted us or an
        id is not proven yet. Raises UemError.
        """
        before = {tag.key: evidence.seen(tag.external_id or "", tag.name, first) for tag in tags}
        suspects = [tag for tag in tags if before[tag.key] is not Seen.OURS]
        if not suspects and all(tag.proven for tag in tags):
            return dict.fromkeys(before, TagVerdict.OURS), first
        second = self._look_at(tags)
        said = {tag.key: self._judge(tag, before[tag.key], second) for tag in tags}
        return self._settle(said, suspects, now, all_tags), second

    def prove_missing(
        self, tags: Sequence[OurTag], now: datetime, *, all_tags: Sequence[OurTag]
    ) -> dict[str, TagVerdict]:
        """Decide about tags whose ids the UEM did not know when asked for their carriers. Raises UemError."""
        listing = self._look_at(tags)
        said = {}
        for tag in tags:
            by_name = evidence.seen(tag.external_id or "", tag.name, listing)
            said[tag.key] = evidence.verdict(Looks(by_name, by_name, self._exists(tag)), proven=tag.proven)
        return self._settle(said, tags, now, all_tags)

    def confirm(self, claims: Sequence[Claim], taken: Collection[str]) -> list[Claim]:
        """Return the claims that a list of tags, a search by name and, of a new tag, its id agree with.

        `taken` are the ids of our other tags. A look that cannot be had agrees with nothing. Raises `FINAL`.
        """
        groups = sorted({claim.group for claim in claims})
        lists = {group: _answer(partial(self._client.tags, group)) for group in groups}
        found = self._at_once(lambda claim: self._agree(claim, lists[claim.group], taken), claims)
        confirmed = [claim for claim, agreed in zip(claims, found, strict=True) if agreed]
        self.unconfirmed |= {claim.key for claim in claims} - {claim.key for claim in confirmed}
        return confirmed

    def absent(self, tags: Sequence[OurTag], home: str, taken: Collection[str]) -> list[OurTag]:
        """Return those of the tags, which a list lacked, that a search by name does not find either.

        Raises `FINAL`.
        """
        found = self._at_once(lambda tag: self._search(tag.name, tag.group or home), tags)
        denied = {
            tag.key
            for tag, look in zip(tags, found, strict=True)
            if look is not None
            and not evidence.ids_named(tag.name, look, taken)
            and not evidence.is_named(tag.name, look)
        }
        self.unconfirmed |= {tag.key for tag in tags} - denied
        return [tag for tag in tags if tag.key in denied]

    def _agree(self, claim: Claim, listing: TagList | None, taken: Collection[str]) -> bool:
        if listing is None or not evidence.agrees(claim, listing, taken):
            return False
        look = self._search(claim.name, claim.group)
        if look is None or not evidence.agrees(claim, look, taken):
            return False
        # Nobody carries what was made a moment ago.
        ask = partial(self._client.tagged_devices, claim.external_id)
        return not claim.is_new or _answer(ask) == Carriers()

    def _search(self, name: str, group: str) -> TagList | None:
        return _answer(partial(self._client.search_tags, name, group))

    def _at_once(self, look: Callable[[_Subject], _T], subjects: Sequence[_Subject]) -> list[_T]:
        with ThreadPoolExecutor(self._client.parallel(), thread_name_prefix="uem-tag") as pool:
            return list(pool.map(look, subjects))

    def _judge(self, tag: OurTag, first: Seen, second: TagList) -> TagVerdict:
        again = evidence.seen(tag.external_id or "", tag.name, second)
        exists = self._exists(tag) if first is again is Seen.ABSENT and tag.proven else None
        return evidence.verdict(Looks(first, again, exists), proven=tag.proven)

    def _settle(
        self,
        said: dict[str, TagVerdict],
        suspects: Collection[OurTag],
        now: datetime,
        every: Sequence[OurTag],
    ) -> dict[str, TagVerdict]:
        proven = [tag.key for tag in every if tag.external_id is not None and tag.proven]
        since = {tag.key: tag.doubted_at for tag in every if tag.doubted_at is not None}
        moved = {tag.key for tag in every if not tag.proven}
        kept = {key: verdict for key, verdict in said.items() if key not in moved}
        decided = said | evidence.believed(kept, proven, since, now)
        self.doubtful |= {key for key, verdict in decided.items() if verdict in _DOUBTS}
        self.disputed |= {key for key, verdict in decided.items() if verdict is TagVerdict.DISPUTED}
        self.contradictions += sum(decided[tag.key] is TagVerdict.OURS for tag in suspects)
        return decided

    def _exists(self, tag: OurTag) -> bool:
        try:
            self._client.tagged_devices(tag.external_id or "")
        except NotFound:
            return False
        except TooLarge:
            return True
        return True


_DOUBTS = {TagVerdict.DOUBTFUL, TagVerdict.DISPUTED}


def _answer(ask: Callable[[], _T]) -> _T | None:
    """Return the answer of a look, or None when it cannot be had."""
    try:
        return ask()
    except FINAL:
        raise
    except UemError:
        return None
