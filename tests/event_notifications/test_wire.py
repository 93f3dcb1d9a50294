"""Events as UEMs spell them, and bodies that are none (rung: pure)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmony.event_notifications.wire import EventKind, UnreadableEvent, read_event
from tests.event_notifications.posting import NEWER, OLDER

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


def read(event: dict[str, Any], **changes: Any) -> Any:
    return read_event(json.dumps(event | changes).encode())


def test_the_newer_spelling() -> None:
    event = read(NEWER)
    assert (event.external_id, event.kind) == ("4711", EventKind.COMPROMISED)
    assert event.happened_at == datetime(2026, 1, 16, 9, 13, 59, 572012, tzinfo=UTC)


def test_the_older_spelling() -> None:
    event = read(OLDER)
    assert (event.external_id, event.kind) == ("4711", EventKind.UNENROLLED)
    assert event.happened_at == datetime(2014, 1, 6, 9, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("spelled", "number", "kind"),
    [
        ("Enrollment Complete", 148, EventKind.ENROLLED),
        ("MDMEnrollmentComplete", 170, EventKind.ENROLLED),
        ("break mdm confirmed", 0, EventKind.UNENROLLED),
        ("Delete Device Requested", 662, EventKind.DELETED),
        ("Device Organization Group Changed", 178, EventKind.GROUP),
        ("A name of tomorrow", 642, EventKind.NAME),
        ("A name of tomorrow", 9999, None),
        (None, None, None),
    ],
)
def test_the_type_decides_and_the_number_is_a_hint(spelled: object, number: object, kind: object) -> None:
    assert read(NEWER, EventType=spelled, EventId=number).kind == kind


@pytest.mark.parametrize("time", [None, "", "0001-01-01T00:00:00", "/Date(9e9)/", "soon", 5, "/Date(-1)/"])
def test_a_time_that_says_nothing_is_no_reason_to_refuse_an_event(time: object) -> None:
    assert read(NEWER, EventTime=time).happened_at is None


@pytest.mark.parametrize("digits", ["", ".5", ".59720", ".572012", ".5720125"])
def test_any_number_of_digits_in_the_fraction(digits: str) -> None:
    found = read(NEWER, EventTime=f"2026-01-16T09:13:59{digits}Z").happened_at
    assert found.replace(microsecond=0) == datetime(2026, 1, 16, 9, 13, 59, tzinfo=UTC)


def test_repeats_have_one_digest_whatever_their_spelling() -> None:
    first = read(NEWER, EventType="Compromised Status Changed", DeviceId=4711)
    second = read(NEWER, EventType="CompromisedStatusChanged", DeviceId="04711")
    assert first.digest(NOON) == second.digest(NOON + timedelta(days=1))
    without = read(NEWER, EventTime=None)
    assert without.digest(NOON) == without.digest(NOON + timedelta(seconds=59))
    assert without.digest(NOON) != without.digest(NOON + timedelta(minutes=1))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<Eventlog/>", b"{", b'{"DeviceId": 0}', b'{"DeviceId": "a"}', b'{"DeviceId": 1.5}',
             b'{"DeviceId": true}', b"\xff\xfe", b"[" * 20_000],
)  # fmt: skip
def test_a_body_that_names_no_device_is_no_event(body: bytes) -> None:
    with pytest.raises(UnreadableEvent):
        read_event(body)


JSON = st.recursive(st.none() | st.text() | st.integers(), st.lists)
NAMES = ("DeviceId", "EventTime", "EventType", "EventId")


@given(st.binary(max_size=300) | JSON.map(lambda value: json.dumps(dict.fromkeys(NAMES, value)).encode()))
def test_whatever_arrives_is_an_event_or_refused(body: bytes) -> None:
    try:
        event = read_event(body)
    except UnreadableEvent:
        return
    assert event.external_id.isdecimal()
