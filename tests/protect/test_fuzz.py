"""The device API under bodies of every size, encoding and kind of character (rung H, on a file)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harmony.db import db
from harmony.device_api.errors import ERRORS
from harmony.device_api.rate_limit import Buckets, Limits
from harmony.device_api.routes import DeviceApi
from harmony.models import Finding, InstalledApp, Protection, Registration
from tests.invariants import check_invariants, quick_invariants, what_is_known
from tests.protect.agent import TOKEN, an_open_integration
from tests.sampling import sample

REGISTER, CHECK_IN, UNREGISTER = "/protect/v1/register", "/protect/v1/check-in", "/protect/v1/unregister"
OFTEN = settings(
    max_examples=sample(25, 1000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

# Every category of Unicode, with the characters that broke something somewhere.
CATEGORIES = st.sampled_from(
    ["Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp", "Mn", "Me", "Pd", "Sm", "So", "Nd", "Lu", "Lo"]
)
LETTERS = st.characters() | CATEGORIES.flatmap(lambda category: st.characters(categories=[category]))
SIZES = st.sampled_from([1, 63, 64, 65, 128, 129, 256, 257, 1025])
TEXTS = (
    st.text(LETTERS, max_size=40)
    | st.builds(lambda letter, size: letter * size, LETTERS, SIZES)
    | st.sampled_from(
        ["ROOTED", "rooted", "UDID0", "{DeviceUid}", "hmkey_x", TOKEN, "AAAA-AAAA-AAAA-AAAA", "\ufdfa" * 128]
    )
)
NUMBERS = st.integers() | st.floats() | st.sampled_from([2**63, -(2**63) - 1, 10**400, 0, -1])
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)


def objects(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(names), VALUES, max_size=len(names))


def lists_of(entries: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    short = st.sampled_from(["code", "identifier"]).map(lambda name: {name: "com.a"}) | st.none()
    repeated = st.builds(lambda entry, times: [entry] * times, short, st.sampled_from([201, 1001]))
    return st.lists(entries | VALUES, max_size=5) | repeated


REPORTS = st.fixed_dictionaries(
    {"findings": lists_of(objects("code", "subject")) | VALUES},
    optional={
        "apps": lists_of(objects("identifier", "version", "name")) | VALUES,
        "os_version": VALUES, "client_version": VALUES, "device_time": VALUES, "mood": VALUES,
    },
)  # fmt: skip
REGISTRATIONS = st.fixed_dictionaries(
    {
        "udid": VALUES | st.just("UDID1"), "platform": VALUES | st.just("android"),
        "request_id": VALUES | st.uuids().map(str),
    },
    optional={
        "token": VALUES | st.just(TOKEN), "code": VALUES, "model": VALUES,
        "profile": VALUES | st.just("work"),
        "os_version": VALUES, "client_version": VALUES, "serial": VALUES, "device_key": VALUES,
    },
)  # fmt: skip
ENCODINGS = st.sampled_from(
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "utf-7"]
)
HEADERS = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=300)


@pytest.fixture
def database() -> str:
    """A file, as the product has it."""
    return "sqlite"


@pytest.fixture
def agent_key(context: Flask) -> Iterator[str]:
    """The key of UDID0, with nothing to bound how often it is used; what must hold is asked at the end."""
    context.testing = False
    an_open_integration(3, auto_addition=True)
    context.extensions["harmony.protect"] = DeviceApi(
        limits=Limits(*(Buckets(10**6, 10**6) for _ in range(4)))
    )
    known = what_is_known()
    key = registered(context.test_client())
    yield key
    check_invariants(known)


def registered(client: FlaskClient) -> str:
    body = {"token": TOKEN, "udid": "UDID0", "platform": "android", "request_id": str(uuid4())}
    answer = client.post(REGISTER, json=body)
    assert answer.json is not None
    return str(answer.json["device_key"])


def posted(context: Flask, path: str, body: bytes, key: str = "", *, kind: str = "application/json") -> Any:
    """What the API answers: success, or a refusal that is in its catalogue; never an error of its own."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    answer = context.test_client().post(path, data=body, headers=headers, content_type=kind)
    assert answer.status_code < 500, answer.get_data(as_text=True)
    if answer.status_code >= 400:
        assert answer.json is not None
        assert ERRORS[answer.json["error"]][0] == answer.status_code
    what_was_written_is_sound()
    return answer


def what_was_written_is_sound() -> None:
    """Quick invariants; the highest open finding is the risk; no text that PostgreSQL cannot hold."""
    quick_invariants()
    db.session.rollback()
    open_risks: dict[int, int] = {}
    for finding in db.session.query(Finding).filter(Finding.closed_at.is_(None)):
        open_risks[finding.device_id] = max(open_risks.get(finding.device_id, 0), finding.risk)
        assert "\0" not in finding.subject
        finding.subject.encode()
    for protection in db.session.query(Protection):
        assert protection.risk == open_risks.get(protection.device_id, 0)
    live = db.session.query(Registration).filter(Registration.ended_at.is_(None)).all()
    assert len({registration.key_hash for registration in live}) == len(live)
    assert db.session.query(InstalledApp).count() <= 2000
    db.session.rollback()


@OFTEN
@given(REPORTS, ENCODINGS)
def test_any_report_is_read_or_refused(context: Flask, agent_key: str, report: Any, encoding: str) -> None:
    text = json.dumps(report, ensure_ascii=len(str(report)) % 2 == 0)
    posted(
        context,
        CHECK_IN,
        text.encode(encoding, "surrogatepass" if "utf" in encoding else "replace"),
        agent_key,
    )


@OFTEN
@given(REPORTS)
def test_a_threat_counts_whatever_stands_beside_it(context: Flask, agent_key: str, report: Any) -> None:
    beside = report["findings"] if isinstance(report["findings"], list) else []
    body = json.dumps(report | {"findings": [*beside, {"code": "ROOTED"}]}).encode()
    answer = posted(context, CHECK_IN, body, agent_key)
    assert (answer.status_code, answer.json.get("risk")) == (200, "high")


@OFTEN
@given(REGISTRATIONS)
def test_any_registration_is_made_or_refused(context: Flask, agent_key: str, asked: Any) -> None:
    posted(context, REGISTER, json.dumps(asked).encode())
    answer = posted(context, CHECK_IN, b'{"findings": []}', agent_key)
    assert answer.status_code == 200, "somebody else's registration ended this one"


@OFTEN
@given(
    st.sampled_from([REGISTER, CHECK_IN, UNREGISTER]), st.binary(max_size=300), st.tuples(HEADERS, HEADERS)
)
def test_any_bytes_are_refused(
    context: Flask, agent_key: str, path: str, body: bytes, headers: tuple[str, str]
) -> None:
    key, kind = headers
    posted(context, path, body, key or "x", kind=kind or "application/json")
    posted(context, path, body, "hmkey_" + key)
