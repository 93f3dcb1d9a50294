"""`python -m tests.bench.web_writes FOLDER`: a small write every 20 ms until standard input ends.

Open loop: when each write is due was fixed before the first one, so a stall counts for every write that
it delays, as it would for as many people, and not once.
"""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from harmony.audit import audit
from harmony.clock import monotonic, now
from harmony.db import db, write
from tests.bench.dashboard import opened

EVERY_SECONDS = 0.02
WARM_UP = 20


def main(arguments: list[str]) -> int:
    """Say "ready", write, and end with [[due, milliseconds from then to the end of COMMIT, error], …]."""
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    with opened(Path(arguments[0])):
        for _ in range(WARM_UP):
            _one_write()
        # As the product's web process does (ops/web_server.py).
        gc.collect()
        gc.freeze()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        found = _write_until(stop)
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


def _write_until(stop: threading.Event) -> list[tuple[float, float, str]]:
    found = []
    due = monotonic()
    while not stop.is_set():
        due += EVERY_SECONDS
        time.sleep(max(0.0, due - monotonic()))
        error = _one_write()
        found.append((due, (monotonic() - due) * 1000, error))
    return found


def _one_write() -> str:
    """What a button of the dashboard writes at least; the name of the error, if there was one."""
    try:
        with write() as session:
            audit(session, "bench", "Measured", now())
        return ""
    except SQLAlchemyError as error:
        return type(error).__name__
    finally:
        db.session.remove()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
