"""Secrets that must never come out: every page and log line of the whole suite is searched for them."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.markup import as_shown

CANARIES: set[str] = set()


def watch(*secrets: str) -> None:
    """From now on, finding one of these anywhere is a failure."""
    CANARIES.update(secrets)


@contextmanager
def watched(*secrets: str) -> Iterator[None]:
    """Watch secrets that nothing knows after this block: thousands would slow every search down."""
    added = set(secrets) - CANARIES
    watch(*secrets)
    try:
        yield
    finally:
        CANARIES.difference_update(added)


def found_in(text: str) -> list[str]:
    """The first characters of each secret that stands in `text`; never the whole of it."""
    return [secret[:4] + "…" for secret in CANARIES if secret in text]


class ShownResponse(TestResponse):
    """An answer with the HTML that a browser would show, so that no test depends on a template's layout.

    It is worked out for whoever reads it: of most answers only the status is looked at.
    """

    _is_as_sent = True

    def get_data(self, as_text: bool = False) -> Any:
        """Return the body; of HTML as a browser would show it."""
        if self._is_as_sent and self.mimetype == "text/html" and not self.headers.get("Content-Encoding"):
            self._is_as_sent = False
            self.set_data(as_shown(super().get_data().decode()))
        return super().get_data(as_text)

    data = property(get_data)  # type: ignore[assignment]

    def as_sent(self) -> bytes:
        """Return the body as it came."""
        return super().get_data()


class WatchedClient(FlaskClient):
    """A test client that searches whatever comes out of the application, headers included."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.response_wrapper = ShownResponse

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        answer = super().open(*args, **kwargs)
        assert isinstance(answer, ShownResponse)
        body = answer.as_sent()
        if answer.headers.get("Content-Encoding") == "gzip" and body:
            body = gzip.decompress(body)
        text = f"{answer.headers}\n{body.decode('utf-8', 'replace')}"
        assert not found_in(text), f"{answer.request.path} shows a secret: {found_in(text)}"
        return answer


class Watcher(logging.Handler):
    """Searches every log line of every logger, with its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.leaks: list[str] = []
        self.setFormatter(logging.Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Remember where a secret was logged; the line itself would only spread it."""
        if leaked := found_in(self.format(record)):
            self.leaks.append(f"{record.name} line {record.lineno}: {leaked}")
