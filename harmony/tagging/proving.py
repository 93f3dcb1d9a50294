"""Proves tags of ours against the UEM: looks again at contradictions, forgets only what is surely gone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime

from harmony.tagging import evidence
from harmony.tagging.evidence import Looks, Seen, Verdict
from harmony.tagging.ours import OurTag
from harmony.uem.client import UemClient
from harmony.uem.errors import NotFound, TooLarge
from harmony.uem.records import TagList

LookAt = Callable[[Iterable[OurTag]], TagList]


class Prover:
    """What the looks of one run found out.

    `doubtful` are the keys of tags that are kept although answers contradict them; those in `disputed` are
    not written in this run. `contradictions` counts tags whose second look put the first one right.
    """

    def __init__(self, client: UemClient, look_at: LookAt) -> None:
        self._client = client
        self._look_at = look_at
        self.doubtful: set[str] = set()
        self.disputed: set[str] = set()
        self.contradictions = 0

    def prove(
        self, tags: Sequence[OurTag], first: TagList, now: datetime, *, all_tags: Sequence[OurTag]
    ) -> tuple[dict[str, Verdict], TagList]:
        """Decide about tags that have an id, by a list of tags; `all_tags` are those to be among.

        Returns the verdicts by key and the list that counts: a fresh one, if the first contradicted us.
        Raises UemError.
        """
        before = {tag.key: evidence.seen(tag.external_id or "", tag.name, first) for tag in tags}
        suspects = [tag for tag in tags if before[tag.key] is not Seen.OURS]
        if not suspects:
            return dict.fromkeys(before, Verdict.OURS), first
        second = self._look_at(tags)
        said = {tag.key: self._judge(tag, before[tag.key], second) for tag in tags}
        return self._settle(said, suspects, now, all_tags), second

    def prove_missing(
        self, tags: Sequence[OurTag], now: datetime, *, all_tags: Sequence[OurTag]
    ) -> dict[str, Verdict]:
        """Decide about tags whose ids the UEM did not know when asked for their carriers. Raises UemError."""
        listing = self._look_at(tags)
        said = {}
        for tag in tags:
            by_name = evidence.seen(tag.external_id or "", tag.name, listing)
            said[tag.key] = evidence.verdict(Looks(by_name, by_name, self._exists(tag)), proven=tag.proven)
        return self._settle(said, tags, now, all_tags)

    def _judge(self, tag: OurTag, first: Seen, second: TagList) -> Verdict:
        again = evidence.seen(tag.external_id or "", tag.name, second)
        exists = self._exists(tag) if first is again is Seen.ABSENT and tag.proven else None
        return evidence.verdict(Looks(first, again, exists), proven=tag.proven)

    def _settle(
        self, said: dict[str, Verdict], suspects: Collection[OurTag], now: datetime, every: Sequence[OurTag]
    ) -> dict[str, Verdict]:
        proven = [tag.key for tag in every if tag.external_id is not None and tag.proven]
        since = {tag.key: tag.doubted_at for tag in every if tag.doubted_at is not None}
        moved = {tag.key for tag in every if not tag.proven}
        kept = {key: verdict for key, verdict in said.items() if key not in moved}
        decided = said | evidence.believed(kept, proven, since, now)
        self.doubtful |= {key for key, verdict in decided.items() if verdict in DOUBTS}
        self.disputed |= {key for key, verdict in decided.items() if verdict is Verdict.DISPUTED}
        self.contradictions += sum(decided[tag.key] is Verdict.OURS for tag in suspects)
        return decided

    def _exists(self, tag: OurTag) -> bool:
        try:
            self._client.tagged_devices(tag.external_id or "")
        except NotFound:
            return False
        except TooLarge:
            return True
        return True


DOUBTS = {Verdict.DOUBTFUL, Verdict.DISPUTED}
