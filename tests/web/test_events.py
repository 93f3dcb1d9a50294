"""The page of events: filters, pages, file, words (rung: shell on a file SQLite)."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import product
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from harmony.db import write
from harmony.models import Event, Severity, Verb
from harmony.protection.catalogue import Vector
from harmony.web.events.queries import FILTERS, NEWEST_FIRST, SEVERITIES, VERBS, events
from harmony.web.shared.filters import Filters
from harmony.web.shared.paging import BEGINNING, PAGE_SIZE, Cursor, Place
from tests.builders import NOON, an_integration
from tests.files import records_of
from tests.protect.stored import enrolled
from tests.stored import plan_of
from tests.web.reading import look, pages_from

DETECTED: dict[str, Any] = {
    "severity": "critical", "verb": "detected", "factor": "ROOTED", "vector": "OS Exploits"
}  # fmt: skip


def note(app: Flask, *lines: dict[str, Any]) -> None:
    with app.app_context(), write() as session:
        for number, line in enumerate(lines):
            session.add(Event(at=NOON + timedelta(seconds=number), **DETECTED | line))
            session.flush()


def shown(page: str) -> list[str]:
    return re.findall(r'<td data-label="Event">([A-Za-z ]+)', page)


def test_every_severity_and_verb_has_its_word() -> None:
    assert set(SEVERITIES) == set(Severity)
    assert set(VERBS) == set(Verb)


def test_an_empty_list_says_what_it_will_hold(signed_in: FlaskClient) -> None:
    page = look(signed_in, "/events")
    assert "Nothing has happened yet" in page
    assert '<form method="get"' not in page


def test_a_line_says_when_how_loud_what_and_where(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        one = an_integration()
        (device,) = enrolled(one)
    note(app, {"device_id": device, "integration_id": one}, {"factor": "NEW_THING", "vector": "Device"})
    page = look(signed_in, "/events")
    assert 'data-state="critical"' in page
    assert "<span>Critical</span>" in page
    assert '<td data-label="Threat factor">Rooted</td>' in page
    assert '<td data-label="Threat factor">NEW_THING</td>' in page
    assert f'<a href="/devices/{device}">Kim&#39;s Pixel 1</a>' in page


def test_it_can_be_narrowed_by_each_filter_and_nonsense_is_none(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        one, two = an_integration(name="One"), an_integration(name="Two")
        first, second = enrolled(one, 2)
    note(
        app,
        {"verb": "detected", "integration_id": one, "device_id": first},
        {"verb": "ended", "severity": "information", "integration_id": one, "device_id": second},
        {"verb": "inactive", "severity": "warning", "vector": "", "factor": "", "integration_id": two},
    )
    for query, expected in {
        "": ["Inactive", "Ended", "Detected"],
        "severity=critical": ["Detected"],
        "event=ended": ["Ended"],
        "vector=OS+Exploits": ["Ended", "Detected"],
        f"integration={two}": ["Inactive"],
        f"device={first}": ["Detected"],
        f"device={second}&severity=information": ["Ended"],
        "severity=loud&event=x&vector=y&integration=z&device=-1&after=%00": ["Inactive", "Ended", "Detected"],
        "device=999": [],
    }.items():
        assert shown(look(signed_in, f"/events?{query}")) == expected, query
    assert "No event matches" in look(signed_in, "/events?event=blocked")
    assert f'name="device" value="{first}"' in look(signed_in, f"/events?device={first}")


def test_every_event_is_on_exactly_one_page_newest_first(app: Flask, signed_in: FlaskClient) -> None:
    note(app, *[{"detail": f"n{number}."} for number in range(PAGE_SIZE * 2 + 3)])
    pages = pages_from(signed_in, "/events?severity=critical")
    seen = [number for page in pages for number in re.findall(r">n(\d+)\.", page)]
    assert [int(number) for number in seen] == list(range(PAGE_SIZE * 2 + 3))[::-1]
    assert "This is the end of the list" in look(signed_in, "/events?after=1")


def test_the_file_has_every_event_of_the_filter_and_no_formula(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        one = an_integration(name="=cmd()")
    note(app, *[{"integration_id": one, "detail": "+1"}] * (PAGE_SIZE + 2), {"verb": "ended"})
    rows = records_of(signed_in.post("/events.csv?event=detected"))
    assert len(rows) == PAGE_SIZE + 2
    assert (rows[0]["threat_factor"], rows[0]["code"], rows[0]["event"]) == ("Rooted", "ROOTED", "Detected")
    assert (rows[0]["detail"], rows[0]["integration"], rows[0]["severity"]) == ("'+1", "'=cmd()", "Critical")


def test_hostile_text_is_shown_as_text(app: Flask, signed_in: FlaskClient) -> None:
    bad = "<script>alert(1)</script>"
    note(app, {"detail": bad, "factor": bad, "vector": bad, "verb": bad, "severity": bad})
    assert "<script>alert" not in look(signed_in, "/events")


def test_a_device_leads_to_its_events(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        (device,) = enrolled(an_integration())
    assert f'href="/events?device={device}"' in look(signed_in, f"/devices/{device}")


FILTERED = [
    Filters(FILTERS),
    Filters(FILTERS, {"severity": "critical"}),
    Filters(FILTERS, {"event": "blocked"}),
    Filters(FILTERS, {"vector": Vector.DEVICE.value}),
    Filters(FILTERS, {"integration": 1}),
    Filters(FILTERS, {"device": 1}),
    Filters(FILTERS, {"device": 1, "event": "blocked"}),
    Filters(FILTERS, {"severity": "critical", "integration": 1}),
]
PLACES = [BEGINNING, Place(after=Cursor(500)), Place(before=Cursor(5))]


def test_no_page_sorts_the_table(app: Flask) -> None:
    with app.app_context():
        plans = [
            (filters, place, plan_of(NEWEST_FIRST.statement(events(filters), place)))
            for filters, place in product(FILTERED, PLACES)
        ]
    wrong = [
        (filters, place, plan)
        for filters, place, plan in plans
        if any("TEMP B-TREE" in line for line in plan) or ("USING INDEX ix_event" in plan[0]) != bool(filters)
    ]
    assert not wrong
