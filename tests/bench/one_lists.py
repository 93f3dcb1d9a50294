"""`python -m tests.bench.one_lists FOLDER ROUNDS`: the pages of a synced fleet, in this process.

Every device gets Protect, every third a finding, each an event; the index of searches is filled first.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sqlalchemy import bindparam, text

from harmony.clock import monotonic, now
from harmony.db import UtcDateTime, db, write
from harmony.sync import indexing
from harmony.web.devices.queries import ORDERS
from tests.bench.dashboard import opened
from tests.bench.pages import asked
from tests.bench.process import say
from tests.bench.protected import protect

_EVENTS = text(
    "INSERT INTO event (at, severity, vector, factor, verb, device_id, integration_id, detail) "
    "SELECT :at, 'information', 'Device', '', 'installed', id, integration_id, '' FROM device"
).bindparams(bindparam("at", type_=UtcDateTime()))


def main(arguments: list[str]) -> int:
    """Ask for every page so many times; end with {"pages": {name: [milliseconds]}}."""
    folder, rounds = Path(arguments[0]), int(arguments[1])
    with opened(folder) as app:
        began = monotonic()
        protect()
        with write() as session:
            session.execute(_EVENTS, {"at": now()})
        indexing.catch_up(lambda: False)
        if db.engine.dialect.name == "postgresql":
            with write() as session:
                session.execute(text("ANALYZE"))
        prepared = monotonic() - began
        found = asked(app, rounds, is_wanted)
    say(prepared, pages={name: [round(ms, 2) for ms in took] for name, took in found.items()})
    return 0


def is_wanted(name: str) -> bool:
    """Every order of all devices, and every filter in the usual order: the others are as long."""
    kind, *more = name.split(".")
    return kind != "devices" or more[0] == "all" or more[1] == next(iter(ORDERS))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
