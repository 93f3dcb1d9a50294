"""The OpenAPI document of the public API, held honest by schemathesis over a real socket (rung S)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from werkzeug.serving import make_server

from harmony.api.blueprint import LIMITS
from harmony.api.limits import ApiLimits, RatePolicy
from harmony.api.problems import PROBLEMS
from harmony.db import db
from harmony.device_api.rate_limit import Buckets
from harmony.models import DeviceStatus, Risk, Role
from tests.api.program import new_key
from tests.builders import a_choice, an_integration
from tests.protect.stored import found
from tests.sampling import sample
from tests.stored import a_hold, a_run, devices, protect

PHASES = {"EXAMPLES", "COVERAGE", "FUZZING", "STATEFUL_TESTING"}
# An id of nothing, or an action that cannot be done now, is no fault of what was sent.
ACCEPTANCES = ["2xx", "304", "404", "409", "422"]
REJECTIONS = ["400", "401", "403", "404", "405", "409", "413", "415", "422", "429"]
WIDE = 10**6


@pytest.fixture
def key(app: Flask) -> str:
    """A key that may do everything, on a fleet that has something of all there is."""
    with app.app_context():
        integration_id = an_integration(a_choice("570", deletion_after=1, deletion_threshold=20))
        a_hold(integration_id, 10, 6)
        ids = [device.id for device in devices(integration_id)]
        protect(ids[9], DeviceStatus.ACTIVE, Risk.HIGH)
        found(ids[9], "ROOTED", Risk.HIGH)
        a_run(integration_id)
        key = new_key(Role.ADMINISTRATOR)[1]
        db.session.remove()
    return key


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """The application behind a real socket, without a limit."""
    policy = RatePolicy("requests", Buckets(WIDE, WIDE))
    app.extensions[LIMITS] = ApiLimits(policy, policy, Buckets(WIDE, WIDE))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def explored(address: str, key: str, examples: int) -> tuple[Counter[tuple[str, int]], list[str], set[str]]:
    """How often which address answered what, what schemathesis has to complain of, and its phases."""
    config = SchemathesisConfig.from_dict(
        {
            "generation": {"max-examples": examples},
            "seed": 7,
            "checks": {
                "negative_data_rejection": {"expected-statuses": REJECTIONS},
                "positive_data_acceptance": {"expected-statuses": ACCEPTANCES},
            },
        }
    )
    schema = schemathesis.openapi.from_url(f"{address}/api/v1/openapi.json", config=config)

    @schema.auth(refresh_interval=None)
    class Key:
        """The same key for every call."""

        def get(self, _case: Any, _context: Any) -> str:
            return key

        def set(self, case: Any, shown: str, _context: Any) -> None:
            case.headers["Authorization"] = f"Bearer {shown}"

    answers: Counter[tuple[str, int]] = Counter()
    complaints, phases = [], set()
    for happening in from_schema(schema).execute():
        if isinstance(happening, events.PhaseStarted):
            phases.add(happening.phase.name.name)
        if isinstance(happening, events.NonFatalError | events.FatalError):
            complaints.append(str(vars(happening) if hasattr(happening, "__dict__") else happening))
        if isinstance(happening, events.ScenarioFinished):
            _read(happening.recorder, answers, complaints)
    return answers, complaints, phases


def _read(recorder: Any, answers: Counter[tuple[str, int]], complaints: list[str]) -> None:
    for case_id, interaction in recorder.interactions.items():
        if interaction.response is not None:
            answers[recorder.cases[case_id].value.path, interaction.response.status_code] += 1
    for case_id, checks in recorder.checks.items():
        case = recorder.cases[case_id].value
        failed = [check for check in checks if check.failure_info and not _is_told_in_words(case, check.name)]
        asked = f"{case.method} {case.path} {case.query} {case.headers}"
        complaints += [f"{asked}: {check.name}: {check.failure_info.failure}" for check in failed]


def _is_told_in_words(case: Any, check: str) -> bool:
    """Whether only words say what is valid: a list gives its cursors, a posture has one identifier."""
    return check == "positive_data_acceptance" and ("cursor" in (case.query or {}) or case.path == "/posture")


@pytest.mark.soak
def test_no_request_gets_an_answer_that_is_not_in_the_document(address: str, key: str) -> None:
    answers, complaints, phases = explored(address, key, sample(3, 8))
    assert complaints == []
    assert phases >= PHASES
    assert not [status for _, status in answers if status >= 500]
    lists = {"/devices", "/findings", "/events", "/apps", "/integrations", "/runs", "/holds", "/users"}
    assert {(path, 200) for path in lists | {"/policy", "/tags"}} <= answers.keys()


def test_every_refusal_there_is_stands_in_the_document(client: FlaskClient) -> None:
    document = client.get("/api/v1/openapi.json").get_data(as_text=True)
    described = {code for code in PROBLEMS if f"`{code}`" in document}
    assert described == PROBLEMS.keys() - {"not_allowed"}


def test_every_address_stands_in_the_document(app: Flask, client: FlaskClient) -> None:
    document = client.get("/api/v1/openapi.json").json
    assert document is not None
    rules = {
        str(rule).removeprefix("/api/v1").replace("<int:row_id>", "{id}")
        for rule in app.url_map.iter_rules()
        if str(rule).startswith("/api/v1/")
    }
    assert rules == set(document["paths"])
