"""A browser behind a proxy that serves the dashboard below /harmony, another application elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

PREFIX = "/harmony"
OTHER = b"Another application answers here."
_OWN_HOST = re.compile(r"https?://localhost(?!/harmony(?![\w-])|:\d)")


class PrefixProxy:
    """Cut the prefix off and say so in a header, as `location /harmony/ { proxy_pass …/; }` of nginx does."""

    def __init__(self, application: Any) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if not path.startswith(PREFIX + "/"):
            start_response("502 Bad Gateway", [("Content-Type", "text/plain")])
            return [OTHER]
        environ |= {"PATH_INFO": path.removeprefix(PREFIX), "HTTP_X_FORWARDED_PREFIX": PREFIX}
        return self._application(environ, start_response)


class _Attributes(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.extend((tag, name, value) for name, value in attrs if value)


def attributes(page: str) -> list[tuple[str, str, str]]:
    """Every attribute of a page: tag, name, value."""
    reader = _Attributes()
    reader.feed(page)
    return reader.found


def links(page: str) -> list[str]:
    """The addresses of its links and of what htmx fetches by itself, without their fragment."""
    return [
        value.partition("#")[0]
        for tag, name, value in attributes(page)
        if (tag == "a" and name == "href") or name == "hx-get"
    ]


def outside(answer: TestResponse) -> Iterator[str]:
    """What in an answer leads out of the prefix: attributes, headers, cookies, whole addresses."""
    for name in ("Location", "HX-Redirect", "HX-Location", "HX-Push-Url", "HX-Replace-Url"):
        if (value := answer.headers.get(name)) and not value.startswith(PREFIX + "/"):
            yield f"{name}: {value}"
    for cookie in answer.headers.getlist("Set-Cookie"):
        if not re.search(rf"; Path={PREFIX}(/|;|$)", cookie):
            yield f"Set-Cookie: {cookie.partition('=')[0]}"
    if answer.mimetype not in {"text/html", "application/json"}:
        return
    text = answer.get_data(as_text=True)
    yield from (text[found.start() :][:80] for found in _OWN_HOST.finditer(text))
    for tag, name, value in attributes(text):
        # What a script is told is JSON, with addresses within.
        within = re.findall(r'"(/[^"]*)"', value) if value.startswith(("{", "[")) else []
        if any(one.startswith("/") and not one.startswith(PREFIX + "/") for one in (value, *within)):
            yield f'<{tag} {name}="{value}">'


class PrefixedBrowser(FlaskClient):
    """Asks for `/devices` at `/harmony/devices`, and fails for every answer that leads out of the prefix.

    `Location` is given back without the prefix, so that what walks at the root can walk here.
    """

    def open(self, path: str = "/", *args: Any, **kwargs: Any) -> TestResponse:
        address = path if path.startswith(PREFIX + "/") else PREFIX + path
        answer = super().open(address, *args, **kwargs)
        assert OTHER not in answer.get_data(), address
        led_out = list(outside(answer))
        assert led_out == [], address
        if "Location" in answer.headers:
            answer.headers["Location"] = answer.headers["Location"].removeprefix(PREFIX)
        return answer
