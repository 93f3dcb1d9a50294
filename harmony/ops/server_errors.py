"""Answers of the web server itself, before or instead of the application: 400, 408, 413, 431, 500, 501."""

from __future__ import annotations

import msgspec
from waitress.parser import HTTPRequestParser
from waitress.task import ErrorTask
from waitress.utilities import BadRequest

from harmony.device_api.decoding import JSON
from harmony.device_api.errors import by_status
from harmony.device_api.schemas import Problem
from harmony.security.auth import is_api_path
from harmony.security.bare_page import bare_page
from harmony.security.headers import own_headers

_SENTENCES = {
    400: ("Bad request", "The request could not be understood."),
    408: ("Too slow", "The request did not arrive in time. Send it again."),
    413: ("Too large", "The request is larger than this dashboard accepts. Send less at once."),
    431: ("Too large", "The header fields of the request are longer than this dashboard accepts."),
    500: ("Something went wrong", "Harmony ran into an internal error. Nothing was half saved."),
    501: ("Not possible here", "The request is encoded in a way that this dashboard does not know."),
}


class RequestTimeout(BadRequest):
    """The request was not complete in time."""

    code = 408
    reason = "Request Timeout"


class RequestParser(HTTPRequestParser):
    """Answer 400 where the parser of waitress raises: a length of 5,000 digits, an unclosed `http://[`."""

    def received(self, data: bytes) -> int:
        """Take bytes from the connection. Return how many belong to this request."""
        try:
            return int(super().received(data))
        except ValueError:
            self.error = BadRequest("")
            self.completed = True
            return len(data)


class ServerError(ErrorTask):
    """Answer with a sentence of our own and the headers that every answer has, and close.

    waitress would quote the request and name itself.
    """

    def execute(self) -> None:
        """Write the answer."""
        code = self.request.error.code
        kind, body = error_body(code, getattr(self.request, "path", ""))
        self.channel.is_refused = True
        self.status = f"{code} {self.request.error.reason}"
        own = own_headers(is_https=self.channel.server.is_https)
        self.response_headers.extend([("Content-Type", kind), *own.items()])
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


def error_body(code: int, path: str, why: str | None = None) -> tuple[str, bytes]:
    """Return content type and body: JSON where programs ask, else a page; `why` replaces the sentence."""
    title, sentence = _SENTENCES.get(code, _SENTENCES[400 if code < 500 else 500])
    sentence = why or sentence
    if is_api_path(path):
        return JSON, msgspec.json.encode(Problem(error=by_status(code), message=sentence))
    return "text/html; charset=utf-8", bare_page(title, sentence)
