"""Fetching numbered pages ahead with a few threads, handing them out in order, stopping at the real end."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from harmony.uem.errors import Incomplete
from harmony.uem.records import DevicePage

MAX_PAGES = 4000

_FetchPage = Callable[[int], DevicePage | None]


def pages_in_order(fetch: _FetchPage, fetchers: int, eager: bool) -> Iterator[DevicePage]:
    """Pages 0, 1, 2 … until `fetch` answers None; raises what `fetch` raises, or Incomplete.

    A short page is no end: page sizes above the UEM's cap are cut silently. `eager` fetches the second page
    beside the first; without it the first goes alone, so that a wrong password is tried only once.
    """
    pool = ThreadPoolExecutor(fetchers, thread_name_prefix="uem-page")
    try:
        yield from _Ahead(pool, fetch, fetchers, 2 if eager else 1).pages()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class _Ahead:
    def __init__(self, pool: ThreadPoolExecutor, fetch: _FetchPage, fetchers: int, horizon: int) -> None:
        self._pool = pool
        self._fetch = fetch
        self._fetchers = fetchers
        self._horizon = horizon
        self._next = 0
        self._promised: int | None = None
        self._waiting: deque[Future[DevicePage | None]] = deque()
        self._seen: dict[int, int] = {}

    def pages(self) -> Iterator[DevicePage]:
        self._fill()
        while self._waiting:
            page = self._waiting.popleft().result()
            if page is None:
                return
            self._refuse_repeated(page)
            self._horizon = max(self._horizon, self._expected(page))
            self._fill()
            yield self._with_largest_total(page)
        raise Incomplete(f"The UEM sent {MAX_PAGES} pages and no end.")

    def _fill(self) -> None:
        last = min(self._horizon, MAX_PAGES)
        while self._next < last and len(self._waiting) < 2 * self._fetchers:
            self._waiting.append(self._pool.submit(self._fetch, self._next))
            self._next += 1

    def _expected(self, page: DevicePage) -> int:
        """Return the number of pages to ask for after this page, with the one that proves the end."""
        following = page.number + 2
        if page.total is None or page.total <= 0:
            return following + self._fetchers - 1
        rows = len(page.devices) + len(page.skipped)
        # Only a first page tells the size the UEM really uses; the last one is short by nature.
        return max(following, math.ceil(page.total / rows) + 1) if page.number == 0 else following

    def _with_largest_total(self, page: DevicePage) -> DevicePage:
        """Return the page with the most that was promised so far.

        When a device leaves behind the reader, Total falls and another device slips between two pages: the
        last Total alone would make that look like a complete list.
        """
        known = [total for total in (self._promised, page.total) if total is not None]
        self._promised = max(known, default=None)
        return replace(page, total=self._promised)

    def _refuse_repeated(self, page: DevicePage) -> None:
        """Raises Incomplete when the ids are those of an earlier page: the UEM ignores the page number."""
        ids = sorted([d.external_id for d in page.devices] + [s.external_id or "" for s in page.skipped])
        fingerprint = hash(tuple(ids))
        if fingerprint in self._seen:
            earlier = self._seen[fingerprint]
            raise Incomplete(f"The UEM sent the same devices as page {earlier} and as page {page.number}.")
        self._seen[fingerprint] = page.number
