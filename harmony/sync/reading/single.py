"""Reads single devices from the UEM, a few calls at once, each as a page of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from harmony.uem.client import UemClient
from harmony.uem.device_failures import ANSWERED
from harmony.uem.errors import NotFound, UemError
from harmony.uem.records import DevicePage, SkippedRow, UemDevice

# The status of a device that is enrolled no more, without regard to case. The UEM still answers for some.
LEFT = frozenset({"unenrolled", "deviceretired", "unenrolledbyfeedbackservice", "devicenotfound"})


def single_devices(client: UemClient, external_ids: Sequence[str]) -> Iterator[DevicePage]:
    """Yield a page for each id, in their order: empty if the UEM has no such enrolled device.

    A device that the UEM answered about with something else comes as a row that could not be read, unless it
    did so about every one. Raises UemError then, and where no answer came: no matter of one device.
    """
    pool = ThreadPoolExecutor(client.parallel(), thread_name_prefix="uem-device")
    waiting: deque[tuple[str, Future[UemDevice | SkippedRow]]] = deque()
    ids, was_read = iter(external_ids), False
    error: UemError | None = None
    try:
        for number in range(len(external_ids)):
            while len(waiting) < 2 * client.parallel() and (id_ := next(ids, None)) is not None:
                waiting.append((id_, pool.submit(client.device, id_)))
            external_id, answer = waiting.popleft()
            try:
                page, was_read = _page(number, answer), True
            except ANSWERED as refused:
                error = refused
                page = DevicePage(number, (), (SkippedRow(external_id, refused.sentence[:256]),), None)
            yield page
        if error is not None and not was_read:
            raise error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _page(number: int, answer: Future[UemDevice | SkippedRow]) -> DevicePage:
    try:
        device = answer.result()
    except NotFound:
        return DevicePage(number, (), (), None)
    if isinstance(device, SkippedRow):
        return DevicePage(number, (), (device,), None)
    has_left = device.enrollment_status.casefold().replace(" ", "") in LEFT
    return DevicePage(number, () if has_left else (device,), (), None)
