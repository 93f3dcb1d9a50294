"""Work outside the request: the queue is a doorbell only, what is due stands in the database."""

from __future__ import annotations

import sys

# Huey imports PostgreSQL's driver wherever it is installed: a tenth of every start, also of one on SQLite.
# Where it is needed, `shared_queue` gives it to Huey.
_loaded = sys.modules.get("psycopg")
sys.modules["psycopg"] = None  # type: ignore[assignment]  # so that importing it fails
try:
    import huey.storage  # noqa: F401
finally:
    del sys.modules["psycopg"]
    if _loaded is not None:
        sys.modules["psycopg"] = _loaded
