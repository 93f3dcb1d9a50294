"""What comes in and what goes out: the call, the answer, and the error bodies of facts 2.2."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from harmony.simulator.faults import Fault
from harmony.simulator.records import DECODE, ENCODE

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
_VERSION = re.compile(r"version\s*=\s*(\d+)")


@dataclass(slots=True)
class Call:
    """One request, its query and header names in lower case."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    args: tuple[str, ...] = ()
    version: int = 1
    faults: dict[str, Fault] = field(default_factory=dict)

    def asked_version(self) -> int | None:
        """The version of the Accept header (facts 1.2), if it names one."""
        found = _VERSION.search(self.headers.get("accept", ""))
        return int(found[1]) if found else None

    def json(self) -> Any:
        """The decoded body; a body that is not JSON is no object either."""
        try:
            return DECODE(self.body)
        except ValueError:
            return None


@dataclass(slots=True)
class Answer:
    """One response; `cut` sends only so many bytes of the body and then hangs up, `drop` sends nothing."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    drop: bool = False

    def json(self) -> Any:
        """The decoded body."""
        return DECODE(self.body)


class Page(NamedTuple):
    """A 0-based page and its size after the silent cap of 500 (facts 5.1, 11.6)."""

    number: int
    size: int

    def of(self, ids: list[int]) -> list[int]:
        """The ids on this page."""
        return ids[self.number * self.size : (self.number + 1) * self.size]


class Refusal(Exception):
    """An answer that ends the call from any depth."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def ok(value: Any) -> Answer:
    """200 with a JSON body."""
    return Answer(200, ENCODE(value))


def nothing() -> Answer:
    """204: no body and no content type (facts 1.3)."""
    return Answer(204)


def error(status: int, code: int, message: str) -> Answer:
    """The error body of facts 2.2."""
    body = {"errorCode": code, "message": message, "activityId": str(uuid.uuid4())}
    return Answer(status, ENCODE(body))


def not_found_page() -> Answer:
    """The ASP.NET page for unknown routes and for ids that are no GUIDs (facts 2.2)."""
    page = (
        b"<!DOCTYPE html>\r\n<html>\r\n<head><title>The resource cannot be found.</title></head>\r\n<body>"
        b"<h1>Server Error in '/Api/Mdm' Application.</h1><h2><i>The resource cannot be found.</i></h2>"
        b"</body>\r\n</html>\r\n"
    )
    return Answer(404, page, HTML)


def number(call: Call, name: str, default: int) -> int:
    """A whole number of the query; 422 for anything else (facts 2.2)."""
    text = call.query.get(name, "")
    if not text:
        return default
    if not text.isdecimal():
        raise Refusal(error(422, 422, f"{name.capitalize()} must be a positive numeric value"))
    return int(text)


def page_of(call: Call, size_name: str = "pagesize") -> Page:
    """The page asked for; sizes above 500, and 0, give 500."""
    size = number(call, size_name, 500)
    asked = 0 if "repeated_page" in call.faults else number(call, "page", 0)
    return Page(asked, min(size or 500, 500))


def envelope(key: str, items: Iterable[bytes], page: Page, total: int) -> Answer:
    """`{"<key>": […], "Page": …, "PageSize": …, "Total": …}` from items already encoded."""
    tail = b'],"Page":%d,"PageSize":%d,"Total":%d}' % (page.number, page.size, total)
    return Answer(200, b'{"%s":[' % key.encode() + b",".join(items) + tail)
