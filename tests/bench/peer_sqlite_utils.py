"""A peer: requests and sqlite-utils' `upsert_all`, keyed by the UEM's id."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from sqlite_utils import Database

from tests.bench.peer_rows import COLUMNS, INDEXES, Page, opened, run


def store(folder: Path, pages: Iterable[Page]) -> int:
    """Keep every row; returns how many there are."""
    database = Database(opened(folder / "sqlite-utils.db"))
    devices = database["device"]
    if not devices.exists():
        devices.create(COLUMNS, pk="id")
        for names in INDEXES:
            devices.create_index(names)
    devices.upsert_all(chain.from_iterable(pages), pk="id")
    database.conn.commit()
    return int(devices.count)


if __name__ == "__main__":
    sys.exit(run(store))
