"""The form of a log line: time in UTC, level, logger, message; or the same as a JSON object."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_FORMAT = "%(asctime)sZ %(levelname)-7s %(name)s: %(message)s"
_JSON = "json"
_fields: ContextVar[dict[str, str | int] | None] = ContextVar("fields", default=None)


class JsonFormatter(logging.Formatter):
    """One object a line, with the fields of what is under way."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record; a traceback is one text within it."""
        said: dict[str, str | int] = {
            "ts": f"{_utc(record.created)}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "msg": record.getMessage(),
            **(_fields.get() or {}),
        }
        if record.exc_info:
            said["exc"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)


def configure(level: str, form: str = "text") -> None:
    """Write everything to standard error, quiet about the chatter of libraries."""
    formatter = JsonFormatter() if form == _JSON else logging.Formatter(_FORMAT, datefmt="%Y-%m-%dT%H:%M:%S")
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


def set_fields(**fields: str | int) -> None:
    """Put these fields into every JSON line of this context, and no others."""
    _fields.set(fields)


@contextmanager
def fields(**fields: str | int) -> Iterator[None]:
    """Put these fields as well into every JSON line that is written within."""
    token = _fields.set({**(_fields.get() or {}), **fields})
    try:
        yield
    finally:
        _fields.reset(token)


def line_of(source: str, text: str) -> str:
    """Return what a part of the product printed as a line of the log: marked, or JSON if that is asked for.

    A part that writes JSON itself is passed on as it is.
    """
    if not any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger().handlers):
        return f"{source}│ {text}"
    if text.startswith("{"):
        return text
    said = {"ts": f"{_utc(time.time())}Z", "level": "INFO", "logger": source.strip(), "msg": text}
    return json.dumps(said, ensure_ascii=False)


def _utc(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
