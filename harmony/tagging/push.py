"""Pushes batches to the UEM, several at once, and writes down what is sent and what became of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import NamedTuple

from harmony.tagging.call_size import TOO_LARGE, CallSize
from harmony.tagging.plan import Batch
from harmony.uem.client import UemClient
from harmony.uem.errors import UemError
from harmony.uem.records import BulkOutcome


class Answered(NamedTuple):
    """A batch and what the UEM said of it."""

    batch: Batch
    outcome: BulkOutcome


# About to be sent, and answered; one short write for both.
_Note = Callable[[Sequence[Batch], Sequence[Answered]], None]
_TagIds = Callable[[str], str]


def push(
    client: UemClient, tag_id: _TagIds, batches: Iterator[Batch], note: _Note, size: CallSize | None = None
) -> None:
    """Send the batches in their order, as many at once as the client may; `note` comes before and after each.

    A call that is declined as a whole is halved, down to a single device. Raises the first other UemError,
    once what was under way has been answered and noted.
    """
    lanes = client.parallel()
    with ThreadPoolExecutor(lanes, thread_name_prefix="uem-tag") as pool:
        _Push(client, tag_id, batches, note, size or CallSize(), pool, lanes).run()


class _Push:
    """`again` are the pieces of declined calls, which go first; they were noted with the call."""

    def __init__(  # noqa: PLR0917 - what `push` is given, and its pool
        self,
        client: UemClient,
        tag_id: _TagIds,
        batches: Iterator[Batch],
        note: _Note,
        size: CallSize,
        pool: ThreadPoolExecutor,
        lanes: int,
    ) -> None:
        self._client, self._tag_id, self._batches, self._note = client, tag_id, batches, note
        self._size, self._pool, self._lanes = size, pool, lanes
        self._again: deque[Batch] = deque()
        self._under_way: dict[Future[BulkOutcome], Batch] = {}
        self._trouble: UemError | None = None

    def run(self) -> None:
        answered: list[Answered] = []
        while True:
            calls, fresh = self._next_calls()
            if fresh or answered:
                self._note(fresh, answered)
            self._under_way |= {self._pool.submit(self._send, call): call for call in calls}
            if not self._under_way:
                break
            answered = self._answered()
            if self._trouble is not None:
                self._call_back()
        if self._trouble is not None:
            raise self._trouble

    def _next_calls(self) -> tuple[list[Batch], list[Batch]]:
        """The calls to send now, and the batches they come from that were not noted before."""
        calls: list[Batch] = []
        fresh: list[Batch] = []
        # A few more than lanes, so that none is idle while we write.
        room = 0 if self._trouble else 2 * self._lanes - len(self._under_way)
        while len(calls) < room and (batch := self._take(fresh)) is not None:
            call, *rest = self._size.pieces(batch)
            self._again.extendleft(reversed(rest))
            calls.append(call)
        return calls, fresh

    def _take(self, fresh: list[Batch]) -> Batch | None:
        if self._again:
            return self._again.popleft()
        batch = next(self._batches, None)
        if batch is not None:
            fresh.append(batch)
        return batch

    def _send(self, batch: Batch) -> BulkOutcome:
        change = self._client.tag_devices if batch.add else self._client.untag_devices
        return change(self._tag_id(batch.key), batch.external_ids)

    def _answered(self) -> list[Answered]:
        """Wait until there is news, and return what was answered."""
        answered = []
        for future in wait(self._under_way, return_when=FIRST_COMPLETED).done:
            batch = self._under_way.pop(future)
            try:
                answered.append(Answered(batch, future.result()))
                self._size.accept()
            except UemError as error:
                answered += self._declined(batch, error)
        return answered

    def _declined(self, batch: Batch, error: UemError) -> list[Answered]:
        """Halve a call that was declined as a whole; of a single device that is an answer."""
        if error.status not in TOO_LARGE:
            self._trouble = self._trouble or error
            return []
        pieces = self._size.decline(batch)
        self._again.extendleft(reversed(pieces))
        if self._size.is_hopeless:
            self._trouble = self._trouble or error
        unclear = dict.fromkeys(batch.external_ids, error.status)
        return [] if pieces else [Answered(batch, BulkOutcome(unclear=unclear))]

    def _call_back(self) -> None:
        """What has not left yet stays here."""
        for future in [future for future in self._under_way if future.cancel()]:
            del self._under_way[future]
