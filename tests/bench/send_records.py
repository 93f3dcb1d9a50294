"""`python -m tests.bench.send_records FOLDER`: records and delivers events until its input ends.

Three destinations get them: a file (OCSF) and two syslog servers over TCP (RFC 5424, CEF), which are threads
of this process and count what arrives. It says how many were recorded and arrived, and how fast a backlog
left.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import func, select

from harmony.clock import monotonic, now
from harmony.db import db, write
from harmony.models import Destination, FeedRow, Severity, Verb
from harmony.outbound import delivery, destinations
from harmony.outbound.destinations import DestinationValues
from harmony.protection.change import EventLine
from harmony.protection.record import record_events
from tests.bench.dashboard import opened

A_SECOND, TICKS_A_SECOND = 1000, 10
BACKLOG = 20_000
_BATCH = 500


class Sink(threading.Thread):
    """A syslog server that takes everything and counts the messages by their octet counts."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port, self.taken = self._listening.getsockname()[1], 0

    def run(self) -> None:
        """Take one connection after the other."""
        while True:
            connection, _ = self._listening.accept()
            with connection, connection.makefile("rb", 1 << 16) as stream:
                while length := _count_before(stream):
                    stream.read(length)
                    self.taken += 1


def _count_before(stream: BinaryIO) -> int:
    digits = b""
    while (character := stream.read(1)).isdigit():
        digits += character
    return int(digits or 0)


def main(arguments: list[str]) -> int:
    """Say `ready`, record and deliver until told to stop, then leave a backlog and see it go."""
    with opened(Path(arguments[0])), _sinks() as sinks:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        stop = threading.Event()
        threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
        recorded = _record_until(stop)
        _drain()
        _record(BACKLOG)
        began = monotonic()
        _drain()
        seconds = monotonic() - began
        recorded += BACKLOG
        lines = sum(1 for file in Path(arguments[0]).glob("outbound/*") for _ in file.open("rb"))
        waiting = [sink.taken for sink in sinks]
    said = {"recorded": recorded, "in_file": lines, "taken": waiting, "drain_seconds": round(seconds, 3)}
    sys.stdout.write(json.dumps(said) + "\n")
    return 0


@contextmanager
def _sinks() -> Iterator[list[Sink]]:
    sinks = [Sink(), Sink()]
    forms = "syslog", "cef"
    values = [DestinationValues("File", "ocsf", ("event",), "information")]
    for sink, form in zip(sinks, forms, strict=True):
        sink.start()
        place = f"127.0.0.1:{sink.port}"
        values.append(
            DestinationValues(form, form, ("event",), "information", place=place, options={"tls": False})
        )
    for kind, value in zip(("file", "syslog", "syslog"), values, strict=True):
        destinations.add(kind, value, False, "bench", now())
    yield sinks


def _record_until(stop: threading.Event) -> int:
    """Record so many events a second, and deliver between two ticks."""
    recorded, began = 0, monotonic()
    while not stop.is_set():
        due = int((monotonic() - began) * A_SECOND)
        if due > recorded:
            recorded += _record(min(due - recorded, _BATCH))
        delivery.deliver_due(stop.is_set)
        stop.wait(1 / TICKS_A_SECOND)
    return recorded


def _record(count: int) -> int:
    line = EventLine(now(), Verb.DETECTED, Severity.CRITICAL, None, 1, "ROOTED", "Device", "")
    for start in range(0, count, _BATCH):
        with write() as session:
            record_events(session, [line] * min(_BATCH, count - start))
    return count


def _drain() -> None:
    """Deliver until every destination has passed the last line. Raises RuntimeError when one is stuck."""
    newest = db.session.scalar(select(func.max(FeedRow.id))) or 0
    until = monotonic() + 120
    while monotonic() < until:
        delivery.deliver_due()
        if all(row.cursor >= newest for row in _rows()):
            return
    raise RuntimeError(f"destinations do not go on: {[row.reason for row in _rows()]}")


def _rows() -> list[Destination]:
    db.session.rollback()
    return list(db.session.scalars(select(Destination)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
