"""No address and no form makes an error of ours, whatever is put into it (rung H, on a file SQLite)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.routing import IntegerConverter, Rule

from harmony.apps.inventory import SeenApp
from harmony.db import db, write
from harmony.models import Event, Severity, UemTag, Verb
from harmony.web.apps import queries as app_queries
from harmony.web.audit import queries as audit_queries
from harmony.web.devices import queries as device_queries
from harmony.web.events import queries as event_queries
from harmony.web.runs import queries as run_queries
from tests.builders import NOON, a_choice, an_integration
from tests.protect.stored_apps import list_apps
from tests.sampling import sample
from tests.stored import a_hold, devices

# Of a page that does not say what it takes; the filters of lists are added by themselves.
PARAMETERS = {"after", "before", "only", "kind", "next", "state", "q"} | {
    kind.name
    for kinds in (
        device_queries.FILTERS, app_queries.FILTERS, event_queries.FILTERS, audit_queries.FILTERS,
        run_queries.FILTERS,
    )
    for kind in kinds
}  # fmt: skip
WORDS = [
    "", "0", "1", "-1", "007", "1e9", "9" * 20, "9" * 5000, "0" * 5000 + "1", str(2**63), str(2**63 - 1),
    "\u0661", "\u00b2", "true", "deleted", "missing", "active", "high", "none", "ios", "failed", "snapshot",
    "present", "y", "on", "WyJhIiwxXQ", "WyJhIiwxZTk5XQ", "WyJcdWQ4MDAiLDFd", "W1tbW1tbW1tb",
    "WyJhIixJbmZpbml0eV0", "%", "_", "\\", "'", '"', "\x00", "a\x00b", "\ud7ff", "\ufffe", "\U0010ffff",
    "\u202e", "\u200b", "e\u0301" * 3000, "\ufdfa" * 300, "a" * 12_000, "https://", "https://[::1",
    "http://a:99999999", "//x", "/\\x", "-----BEGIN CERTIFICATE-----\n!", "=1+1", "\r\nSet-Cookie: a=b",
]  # fmt: skip
# No text, and so none of the letters above: what a browser never sends, percent-encoded.
BROKEN = [b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"a\xffb\x00"]
VALUES = st.sampled_from(WORDS) | st.text(max_size=80) | st.integers().map(str)
RAW = (
    VALUES.map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.sampled_from(BROKEN)
    | st.binary(max_size=20)
)
NAMES = sorted(PARAMETERS)
NAMED, FIELD = re.compile(r' name="([a-z_]+)"'), re.compile(r"^    ([a-z_]+) = \w*Field\(", re.MULTILINE)
NUMBERS = st.sampled_from([0, 1, 2**31, 2**63 - 1, 2**63, 10**30]) | st.integers(min_value=0)
SEGMENTS = st.sampled_from([b"risk:high", b"apps", b"tagging", b"x" * 3000]) | RAW.filter(
    lambda word: len(word) < 4000
)
# Every name that a template or a form has.
FIELDS = sorted(
    {name for page in Path("templates").rglob("*.html") for name in NAMED.findall(page.read_text("utf-8"))}
    | {name for form in Path("harmony/web").rglob("*.py") for name in FIELD.findall(form.read_text("utf-8"))}
)
ADDRESSES = st.lists(st.tuples(st.sampled_from(NAMES), RAW), max_size=6)
# These ask another machine, sign out, or are asked by programs, whose bodies have tests of their own.
LEFT_OUT = {
    "wizard.verify", "verification.verify_in_force", "verification.preview", "wizard.create_tags",
    "access.sign_out", "demo_device.register", "demo_device.check_in", "demo_device.unregister",
}  # fmt: skip


FORM = "application/x-www-form-urlencoded"
PAGES = [(1, page) for page in (b"server", b"synchronization", b"tagging", b"deployment")]
Address = list[tuple[str, bytes]]


@pytest.fixture
def full(app: Flask, signed_in: FlaskClient) -> FlaskClient:
    """A browser signed in where every list has rows: the first of each kind has the id 1."""
    with app.app_context():
        id_ = an_integration(a_choice("570", deletion_after=1))
        a_hold(id_, 10, 6)
        first = devices(id_)[0].id
        list_apps(first, SeenApp("com.example.maps", "1", "Maps"))
        with write() as session:
            session.add(UemTag(integration_id=id_, key="risk:high", name="HIGH"))
            said = {
                "severity": Severity.CRITICAL,
                "verb": Verb.DETECTED,
                "device_id": first,
                "integration_id": id_,
            }
            session.add(Event(at=NOON, **said))
        db.session.remove()
    return signed_in


def rules(app: Flask, method: str) -> Iterator[Rule]:
    for rule in app.url_map.iter_rules():
        programs = rule.rule.startswith(("/protect/", "/static/"))
        if method in (rule.methods or ()) and not programs and rule.endpoint not in LEFT_OUT:
            yield rule


def path_of(rule: Rule, number: int, word: bytes) -> str:
    """An address of the rule with these in its places."""
    parts = {
        name: str(number)
        if isinstance(converter, IntegerConverter)
        else quote_from_bytes(word, safe="") or "x"
        for name, converter in rule._converters.items()
    }
    return re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", lambda place: parts[place[1]], rule.rule)


def encoded(pairs: Address) -> str:
    return "&".join(f"{name}={quote_from_bytes(value, safe='')}" for name, value in pairs)


def assert_no_error_of_ours(client: FlaskClient, method: str, path: str, **sent: Any) -> None:
    # As `app.testing` is on, an error of ours is raised here with its traceback.
    answer = client.open(path, method=method, **sent)
    assert answer.status_code < 500 or path.startswith("/readyz"), (path, answer.status)


@given(query=ADDRESSES, number=NUMBERS, word=SEGMENTS)
@settings(max_examples=sample(2, 100), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_address_is_an_error(
    full: FlaskClient, app: Flask, query: Address, number: int, word: bytes
) -> None:
    for rule in rules(app, "GET"):
        for id_, name in ((1, b"server"), (number, word)):
            path = path_of(rule, id_, name)
            assert_no_error_of_ours(full, "GET", f"{path}?{encoded(query)}")


@pytest.mark.parametrize("path", ["/devices", "/apps", "/events", "/audit", "/integrations/1/runs"])
def test_no_value_of_all_filters_is_an_error(full: FlaskClient, path: str) -> None:
    words = [word.encode("utf-8", "surrogatepass") for word in WORDS] + BROKEN
    for word in words:
        assert_no_error_of_ours(full, "GET", f"{path}?{encoded([(name, word) for name in NAMES])}")


PLACES = st.tuples(NUMBERS, SEGMENTS)
SENT = st.lists(st.tuples(st.sampled_from(FIELDS), RAW), max_size=12) | RAW.map(
    lambda value: [(name, value) for name in FIELDS]
)


@given(fields=SENT, place=PLACES)
@settings(max_examples=sample(2, 100), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_form_is_an_error(
    full: FlaskClient, app: Flask, fields: Address, place: tuple[int, bytes]
) -> None:
    """Fields of the product's forms, missing, repeated, or all of them with one value."""
    for rule in rules(app, "POST"):
        for there in PAGES if rule.endpoint.startswith("wizard.") else [(1, b"apps"), place]:
            path = path_of(rule, *there)
            assert_no_error_of_ours(full, "POST", path, data=encoded(fields), content_type=FORM)
