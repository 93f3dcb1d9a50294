"""Delivers what waits in the outbox: what is to be added before what is to be removed, High risk first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy.orm import Session

from harmony.clock import monotonic, now
from harmony.db import bulk, write
from harmony.db.id_set import IdSet
from harmony.tagging import outbox
from harmony.tagging.carriers import look
from harmony.tagging.managed_tags import tags_of
from harmony.tagging.plan import Batch, Target, in_order
from harmony.tagging.plan import batches as in_calls
from harmony.tagging.push import Answered, push
from harmony.tagging.run_context import RunContext
from harmony.uem.client import UemClient
from harmony.uem.errors import NotFound, TooLarge

# After so long whoever asks looks whether something more urgent has come up.
_ROUND = timedelta(seconds=20)
_NOTES_PER_CHECKPOINT = 64
_NOT_FOUND = 404

_NAMED = 3

_Unclear = dict[tuple[str, bool], dict[Target, int]]


class Delivery:
    """`late` says whether a round ended for lack of time, with something left.

    `disputed` are the keys of tags that are not written now.
    """

    def __init__(
        self, work: RunContext, client: UemClient, disputed: Callable[[], Collection[str]] = tuple
    ) -> None:
        self._work = work
        self._client = client
        self._disputed = disputed
        self._tags: dict[str, str] = {}
        self._unclear: _Unclear = {}
        self._until = 0.0
        self._notes = 0
        self.late = False

    def deliver(self) -> list[str]:
        """Push for one round; the keys of tags that turned out to be gone from the UEM. Raises UemError."""
        tags = tags_of(self._work.id)
        usable = (tag for tag in tags if tag.proven and tag.key not in self._disputed())
        self._tags = {tag.key: tag.external_id for tag in usable if tag.external_id is not None}
        self._until, self.late = monotonic() + _ROUND.total_seconds(), False
        lost: list[str] = []
        for add in (True, False):
            if not self.late:
                push(
                    self._client, self._tags.__getitem__, self._batches(add=add), self._note, self._work.size
                )
                lost += self._clear_up()
        return lost

    def _batches(self, *, add: bool) -> Iterator[Batch]:
        for key in in_order(self._tags.keys() & set(outbox.open_keys(self._work.id))):
            for batch in in_calls(key, add, outbox.targets(self._work.id, key, add, now())):
                self._work.go_on()
                if monotonic() > self._until:
                    self.late = True
                    return
                yield batch

    def _note(self, fresh: Sequence[Batch], answered: Sequence[Answered]) -> None:
        """Write down, before it is sent and after it was answered."""
        time = now()
        self._work.note_usage(self._client)
        with write(self._work.id) as session:
            for batch, outcome in answered:
                by_id = {target.external_id: target for target in batch.targets}
                unknown = {by_id[id_] for id_ in outcome.unknown}
                unclear = {by_id[id_]: code for id_, code in outcome.unclear.items()}
                well = [target for target in batch.targets if target not in unclear and target not in unknown]
                outbox.done(session, batch.key, batch.add, well)
                self._lost(session, batch.key, batch.add, unknown, time)
                self._unclear.setdefault(batch[:2], {}).update(unclear)
                self._count(batch.add, len(well))
            for batch in fresh:
                outbox.sent(session, batch)
            self._work.renew_lease(session)
        self._notes += 1
        if self._notes % _NOTES_PER_CHECKPOINT == 0:
            bulk.checkpoint()

    def _clear_up(self) -> list[str]:
        """Look who carries the tags of which something was unclear; the keys of those that are gone."""
        unclear, self._unclear = self._unclear, {}
        return [
            key for (key, add), devices in unclear.items() if devices and not self._looked(key, add, devices)
        ]

    def _looked(self, key: str, add: bool, devices: dict[Target, int]) -> bool:
        try:
            found = look(self._work, self._client, key, self._tags[key])
        except NotFound:
            del self._tags[key]
            return False
        except TooLarge:  # nobody can tell; it is tried again
            self._decide(key, add, (), devices)
            return True
        carriers = IdSet()
        carriers.add(found.ids)
        there = [target for target in devices if target.external_id in carriers]
        off = [target for target in devices if target.external_id not in carriers] if found.is_whole else []
        self._decide(key, add, there if add else off, devices)
        return True

    def _decide(self, key: str, add: bool, well: Collection[Target], devices: dict[Target, int]) -> None:
        done = set(well)
        unknown = [target for target in devices if target not in done and devices[target] == _NOT_FOUND]
        why = {
            target: _why(devices[target])
            for target in devices
            if target not in done and target not in unknown
        }
        time = now()
        with write(self._work.id) as session:
            self._work.renew_lease(session)
            outbox.done(session, key, add, list(done))
            self._lost(session, key, add, unknown, time)
            outbox.refused(session, key, add, why, time)
        self._name(key, why)
        self._count(add, len(done))

    def _lost(
        self, session: Session, key: str, add: bool, unknown: Collection[Target], time: datetime
    ) -> None:
        """The UEM says that it does not know these."""
        run_id = self._work.lease.run_id
        dropped, _kept = outbox.unknown(session, key, add, unknown, run_id, time)
        self._work.counts.dropped += dropped

    def _name(self, key: str, declined: Iterable[Target]) -> None:
        names = {tag.key: tag.name for tag in tags_of(self._work.id)}
        for target in islice(declined, max(0, _NAMED - len(self._work.declined))):
            self._work.declined.append(f"{names.get(key, key)} on device {target.external_id}")

    def _count(self, add: bool, done: int) -> None:
        counts = self._work.counts
        counts.added += done if add else 0
        counts.removed += 0 if add else done


def _why(code: int) -> str:
    return f"The UEM declined it (error {code})." if code else "The UEM's answer was unclear."
