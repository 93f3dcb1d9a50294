"""What a log line looks like: time in UTC, level, logger, message."""

from __future__ import annotations

import logging
import sys
import time

FORMAT = "%(asctime)sZ %(levelname)-7s %(name)s: %(message)s"


def configure(level: str) -> None:
    """Write everything to standard error, quiet about the chatter of libraries."""
    formatter = logging.Formatter(FORMAT, datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("huey", "alembic"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))
    # It warns for every request that waits for a thread.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    # It quotes what a broken server sent; our own errors say what happened, without the server's bytes.
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
