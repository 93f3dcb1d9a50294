"""Rung R: numbers that no row can have are not found, in every address, query and form there is."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import IntegerConverter

from harmony.web.shared.ids import LARGEST_ID, number
from harmony.web.shared.paging import Cursor
from tests.database import on_both
from tests.sampling import combinations
from tests.web.test_every_route import forms, pages, rules

HUGE = [str(2**63), "9" * 30, "9" * 5000]
ODD = [
    *HUGE,
    "0" * 20 + "9" * 30,
    "-1",
    "-" + "9" * 30,
    "1e400",
    "NaN",
    "\u0661",
    "\u00b2",
    "1_0",
    "",
    "\x00",
]
ID_FIELDS = ("integration", "device", "after", "before", "version", "edition", "hold")
OTHER_FIELDS = ("digest", "devices", "count", "seen", "interval", "silent_days", "name", "q")

database = on_both


def token(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


CURSORS = [
    "9223372036854775808",
    "-1",
    "1.5",
    "1e400",
    "NaN",
    "Infinity",
    "1." + token(b"\xff"),
    "1." + token("\ud800".encode("utf-8", "surrogatepass")),
    "1." + token(b"a\0b"),
    "1." + "a" * 9000,
    "." + token(b"a"),
    "null",
]


def paths_with(app: Flask, value: str) -> Iterator[tuple[str, str]]:
    """Method and address of every view whose address has ids, each of them once replaced by `value`."""
    for rule in rules(app):
        for name, kind in rule._converters.items():
            if isinstance(kind, IntegerConverter):
                filled = re.sub(r"<int:(\w+)>", lambda m, n=name: value if m[1] == n else "1", rule.rule)
                for method in (rule.methods or set()) - {"OPTIONS"}:
                    yield method, re.sub(r"<[^>]+>", "x", filled)


@pytest.mark.parametrize("huge", HUGE, ids=len)
def test_an_id_that_no_row_can_have_is_not_found_in_any_address(
    app: Flask, signed_in: FlaskClient, huge: str
) -> None:
    asked = list(paths_with(app, huge))
    answers = [(method, path, signed_in.open(path, method=method).status_code) for method, path in asked]
    assert len(answers) > 50
    assert [(method, path[:60], status) for method, path, status in answers if status != 404] == []


@pytest.mark.soak
def test_a_query_that_names_no_id_is_ignored_on_every_page(app: Flask, signed_in: FlaskClient) -> None:
    for odd, path in combinations((*ODD[:4], *ODD[8:], *CURSORS), pages(app)):
        status = signed_in.get(path, query_string=dict.fromkeys((*ID_FIELDS, "q"), odd)).status_code
        # The API asks for a key before it looks at anything.
        expected = {401} if path.startswith("/api/v1/") else {200, 302, 303, 404}
        assert status in expected | {200} or path == "/readyz", (path, odd[:20])


@pytest.mark.soak
def test_a_form_with_odd_numbers_is_no_error_of_ours(app: Flask, signed_in: FlaskClient) -> None:
    paths = [path for method, path in forms(app) if method == "POST" and path != "/sign-out"]
    for odd, path in combinations(ODD, paths):
        form = dict.fromkeys((*ID_FIELDS, *OTHER_FIELDS), odd)
        assert signed_in.post(path, data=form).status_code < 500, (path, odd[:20])


@pytest.mark.parametrize(("text", "id_"), [("0", 0), ("7", 7), (str(LARGEST_ID), LARGEST_ID)])
def test_an_id_is_read(text: str, id_: int) -> None:
    assert number(text) == id_


@pytest.mark.parametrize("text", ODD, ids=lambda text: repr(text[:12]))
def test_what_is_no_id_is_nothing(text: str) -> None:
    assert number(text) is None


@pytest.mark.parametrize("text", CURSORS)
def test_a_cursor_that_nobody_wrote_is_the_beginning(text: str) -> None:
    assert Cursor.read(text) is None


@pytest.mark.parametrize(
    "cursor", [Cursor(12, "anna"), Cursor(12, ""), Cursor(12), Cursor(0, "\u4e2d.\u00df")]
)
def test_a_cursor_that_we_wrote_is_read(cursor: Cursor) -> None:
    assert Cursor.read(str(cursor)) == cursor
