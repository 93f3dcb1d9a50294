"""Group commit: write what arrives together at once, because a commit costs more than a check-in writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Generic, TypeVar

from sqlalchemy.exc import OperationalError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(slots=True)
class _Request(Generic[_Item, _Result]):
    """A queued item and its result; `woken` is set once it is done, or is to lead."""

    item: _Item
    woken: Event = field(default_factory=Event)
    done: bool = False
    result: _Result | None = None
    error: Exception | None = None


class GroupCommit(Generic[_Item, _Result]):
    """Call `work` with the items of all waiting threads; it returns a result for each, in their order.

    The first caller becomes the leader: it works on every queued item, wakes their threads, and hands over
    to the first of those queued meanwhile.
    """

    def __init__(self, work: Callable[[Sequence[_Item]], Sequence[_Result]]) -> None:
        self._work = work
        self._queue: list[_Request[_Item, _Result]] = []
        self._leader_active = False
        self._lock = Lock()

    def submit(self, item: _Item) -> _Result:
        """Return the result for `item`. Raises what `work` raised for it."""
        request: _Request[_Item, _Result] = _Request(item)
        with self._lock:
            self._queue.append(request)
            waits, self._leader_active = self._leader_active, True
        if waits:
            request.woken.wait()
        if not request.done:
            self._lead()
        if request.error is not None:
            raise request.error
        return request.result  # type: ignore[return-value]  # None only where `work` returned it

    def _lead(self) -> None:
        with self._lock:
            batch, self._queue = self._queue, []
        try:
            self._carry_out(batch)
        finally:
            with self._lock:
                following = self._queue[:1]
                self._leader_active = bool(following)
            for request in (*following, *batch):
                request.woken.set()

    def _carry_out(self, batch: Sequence[_Request[_Item, _Result]]) -> None:
        try:
            results = self._work([request.item for request in batch])
            for request, result in zip(batch, results, strict=True):
                request.result = result
        except OperationalError as error:
            # Whoever cannot reach the database would only wait for it again.
            for request in batch:
                request.error = error
        except Exception as error:
            if len(batch) > 1:
                # An item that cannot be done must not take the others with it.
                for request in batch:
                    self._carry_out([request])
            else:
                batch[0].error = error
        for request in batch:
            request.done = True
