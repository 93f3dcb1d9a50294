"""The OpenAPI document, held honest by schemathesis over a real socket (rung S)."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import jsonschema_rs
import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from werkzeug.serving import make_server

from harmony.db import db
from harmony.device_api.errors import ERRORS
from harmony.device_api.rate_limit import Buckets, Limits
from harmony.device_api.routes import DeviceApi
from harmony.device_ids import is_placeholder
from tests.protect.agent import TOKEN, Agent, an_open_integration

# The phases that run when nobody chooses any.
PHASES = {"EXAMPLES", "COVERAGE", "FUZZING", "STATEFUL_TESTING"}
# A list with an item too many is often a body too large, and is told so before anybody reads it.
REJECTIONS = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429"]


@pytest.fixture
def database() -> str:
    """The answers do not depend on it."""
    return "sqlite"


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """The application behind a real socket, with an open integration and without a throttle."""
    with app.app_context():
        an_open_integration(3, auto_addition=True)
        db.session.remove()
    app.extensions["harmony.protect"] = DeviceApi(limits=Limits(*(Buckets(10**6, 10**6) for _ in range(4))))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def plausible(body: Any) -> Any:
    """Let the right token be among those that are tried, and no UDID be text that identifies nobody."""
    if not isinstance(body, dict):
        return body
    udid = body.get("udid")
    real = {"udid": "UDID0"} if isinstance(udid, str) and is_placeholder(udid) else {}
    return body | real | ({"token": TOKEN} if body.get("token") else {})


def explored(app: Flask, address: str, examples: int) -> tuple[Counter[tuple[str, int]], list[str], set[str]]:
    """How often which address answered what, what schemathesis has to complain of, and its phases."""
    config = SchemathesisConfig.from_dict(
        {
            "generation": {"max-examples": examples},
            "seed": 7,
            "checks": {"negative_data_rejection": {"expected-statuses": REJECTIONS}},
        }
    )
    schema = schemathesis.openapi.from_url(f"{address}/protect/v1/openapi.json", config=config)

    @schema.auth(refresh_interval=None)
    class Key:
        """A key of a device of its own for every call, since a call may end it."""

        def get(self, _case: Any, _context: Any) -> str:
            agent = Agent(app.test_client(), udid=str(uuid4()))
            agent.register()
            return agent.key

        def set(self, case: Any, key: str, _context: Any) -> None:
            case.headers["Authorization"] = f"Bearer {key}"

    @schema.hook
    def map_body(_context: Any, body: Any) -> Any:
        return plausible(body)

    answers: Counter[tuple[str, int]] = Counter()
    complaints, phases = [], set()
    for one in from_schema(schema).execute():
        if isinstance(one, events.PhaseStarted):
            phases.add(one.phase.name.name)
        if isinstance(one, events.NonFatalError | events.FatalError):
            complaints.append(str(vars(one) if hasattr(one, "__dict__") else one))
        if isinstance(one, events.ScenarioFinished):
            _read(one.recorder, answers, complaints, schema.raw_schema)
    return answers, complaints, phases


def _read(recorder: Any, answers: Counter[tuple[str, int]], complaints: list[str], document: Any) -> None:
    for case_id, interaction in recorder.interactions.items():
        if interaction.response is not None:
            answers[recorder.cases[case_id].value.path, interaction.response.status_code] += 1
    for case_id, checks in recorder.checks.items():
        failed = [one for one in checks if one.failure_info]
        if failed and not _is_taken_for_wrong(recorder.cases[case_id].value, failed, document):
            complaints += [f"{one.name}: {one.failure_info.failure}" for one in failed]


def _is_taken_for_wrong(case: Any, failed: list[Any], document: Any) -> bool:
    """Whether a body is only said to violate the document: a rule of items, broken in an empty list."""
    if [one.name for one in failed] != ["negative_data_rejection"] or "/properties/" not in str(
        failed[0].failure_info.failure
    ):
        return False
    name = {"/register": "Register", "/check-in": "CheckIn"}.get(case.path)
    rules = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return name is not None and jsonschema_rs.is_valid(rules, case.body)


def test_no_request_gets_an_answer_that_is_not_in_the_document(app: Flask, address: str) -> None:
    answers, complaints, phases = explored(app, address, 25)
    assert complaints == []
    assert phases >= PHASES
    assert not [status for _, status in answers if status >= 500]
    assert {("/register", 201), ("/check-in", 200), ("/unregister", 204)} <= answers.keys()


def test_every_refusal_there_is_stands_in_the_document(client: FlaskClient) -> None:
    document = client.get("/protect/v1/openapi.json").get_data(as_text=True)
    told = {error for error in ERRORS if f"`{error}`" in document}
    assert told == ERRORS.keys() - {"not_found", "not_allowed"}


def test_the_examples_are_what_the_api_takes(client: FlaskClient, app: Flask) -> None:
    with app.app_context():
        an_open_integration(auto_addition=True)
    document = json.loads(client.get("/protect/v1/openapi.json").data)
    bodies = {
        path: operation["post"]["requestBody"]["content"]["application/json"]["example"]
        for path, operation in document["paths"].items()
        if "requestBody" in operation.get("post", {})
    }
    made = client.post("/protect/v1/register", json=bodies["/register"] | {"token": TOKEN})
    assert made.status_code == 201
    key = {"Authorization": f"Bearer {made.json['device_key']}"}
    assert client.post("/protect/v1/check-in", json=bodies["/check-in"], headers=key).status_code == 200
