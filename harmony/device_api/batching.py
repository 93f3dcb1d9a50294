"""Lets what arrives together be written together: one thread does the work of all that wait meanwhile.

A commit costs more than what a check-in writes, and while a sync holds the writer's turn dozens arrive.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Generic, TypeVar

from sqlalchemy.exc import OperationalError

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True)
class _Place(Generic[Item, Result]):
    """A place in the line: what to do, what came of it. `called` once it is done, or its turn to lead."""

    item: Item
    called: Event = field(default_factory=Event)
    done: bool = False
    result: Result | None = None
    error: Exception | None = None


class Gathering(Generic[Item, Result]):
    """`work` gets the items of every thread that waits and returns a result for each, in their order.

    Who comes while nobody works leads: it does what waits, then calls everybody whom it served, and one of
    those who came meanwhile to lead next.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Result]]) -> None:
        self._work = work
        self._line: list[_Place[Item, Result]] = []
        self._led = False
        self._lock = Lock()

    def submit(self, item: Item) -> Result:
        """The result for `item`. Raises what `work` raised for it."""
        place: _Place[Item, Result] = _Place(item)
        with self._lock:
            self._line.append(place)
            waits, self._led = self._led, True
        if waits:
            place.called.wait()
        if not place.done:
            self._lead()
        if place.error is not None:
            raise place.error
        return place.result  # type: ignore[return-value]  # None only where `work` returned it

    def _lead(self) -> None:
        with self._lock:
            line, self._line = self._line, []
        try:
            self._carry_out(line)
        finally:
            with self._lock:
                following = self._line[:1]
                self._led = bool(following)
            for place in (*following, *line):
                place.called.set()

    def _carry_out(self, line: Sequence[_Place[Item, Result]]) -> None:
        try:
            for place, result in zip(line, self._work([one.item for one in line]), strict=True):
                place.result = result
        except OperationalError as error:
            # Whoever cannot reach the database would only wait for it again.
            for place in line:
                place.error = error
        except Exception as error:
            if len(line) > 1:
                # One that cannot be done must not take the others with it.
                for place in line:
                    self._carry_out([place])
            else:
                line[0].error = error
        for place in line:
            place.done = True
