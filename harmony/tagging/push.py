"""Pushes batches to the UEM, several at once, and writes down what is sent and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import NamedTuple

from harmony.tagging.plan import Batch
from harmony.uem.client import UemClient
from harmony.uem.errors import UemError
from harmony.uem.records import BulkOutcome


class Answered(NamedTuple):
    """A batch and what the UEM said of it."""

    batch: Batch
    outcome: BulkOutcome


# About to be sent, and answered; one short write for both.
Note = Callable[[Sequence[Batch], Sequence[Answered]], None]
TagIds = Callable[[str], str]


def push(client: UemClient, tag_id: TagIds, batches: Iterator[Batch], note: Note) -> None:
    """Send the batches in their order, as many at once as the client may; `note` comes before and after each.

    Raises the first UemError, once what was under way has been answered and noted.
    """
    lanes = client.parallel()
    with ThreadPoolExecutor(lanes, thread_name_prefix="uem-tag") as pool:
        under_way: dict[Future[BulkOutcome], Batch] = {}
        answered: list[Answered] = []
        trouble: UemError | None = None
        while True:
            # A few more than lanes, so that none is idle while we write.
            fresh = [] if trouble else list(islice(batches, 2 * lanes - len(under_way)))
            if fresh or answered:
                note(fresh, answered)
            under_way |= {pool.submit(_send, client, tag_id(batch.key), batch): batch for batch in fresh}
            if not under_way:
                break
            answered, failed = _answered(under_way)
            trouble = trouble or failed
            if trouble is not None:
                _call_back(under_way)
    if trouble is not None:
        raise trouble


def _send(client: UemClient, tag_id: str, batch: Batch) -> BulkOutcome:
    change = client.tag_devices if batch.add else client.untag_devices
    return change(tag_id, batch.external_ids)


def _call_back(under_way: dict[Future[BulkOutcome], Batch]) -> None:
    """What has not left yet stays here."""
    for future in [future for future in under_way if future.cancel()]:
        del under_way[future]


def _answered(under_way: dict[Future[BulkOutcome], Batch]) -> tuple[list[Answered], UemError | None]:
    """Wait until there is news: what was answered, and the first error."""
    answered, trouble = [], None
    for future in wait(under_way, return_when=FIRST_COMPLETED).done:
        batch = under_way.pop(future)
        try:
            answered.append(Answered(batch, future.result()))
        except UemError as error:
            trouble = trouble or error
    return answered, trouble
