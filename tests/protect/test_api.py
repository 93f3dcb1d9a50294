"""What the device API answers to what is wrong: every refusal in JSON, floods stopped (rung: shell)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from harmony.clock import now
from harmony.db import write
from harmony.device_api import routes as device_api_routes
from harmony.device_api.batching import GroupCommit
from harmony.device_api.check_in import Answer
from harmony.device_api.decoding import LARGEST_BODY, LARGEST_REPORT
from harmony.device_api.registration import codes
from harmony.device_api.registration import register as registration_register
from harmony.models import SetupPage
from harmony.security.vault import VaultLocked
from tests.protect.agent import ENTERPRISE, Agent, an_open_integration, device_of, refusal
from tests.waiting import wait_for

REGISTER, CHECK_IN = "/protect/v1/register", "/protect/v1/check-in"


@pytest.fixture
def database() -> str:
    """The answers do not depend on it."""
    return "sqlite"


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", REGISTER, 405, "not_allowed"),
        ("OPTIONS", CHECK_IN, 405, "not_allowed"),
        ("POST", "/protect/v1/openapi.json", 405, "not_allowed"),
        ("GET", "/protect/v1/nothing", 404, "not_found"),
        ("POST", "/protect/v1/register/", 404, "not_found"),
    ],
)
def test_an_address_or_method_that_does_not_exist_is_told_in_json(
    agent: Agent, method: str, path: str, status: int, error: str
) -> None:
    answer = agent.client.open(path, method=method)
    assert refusal(answer) == (status, error)
    assert answer.content_type == "application/json"
    assert ("Allow" in answer.headers) is (status == 405)


@pytest.mark.parametrize(
    ("body", "kind", "status", "error"),
    [
        (b"{", "application/json", 400, "malformed"),
        (b"\xff\xfe", "application/json", 400, "malformed"),
        (b'{"a":' + b"[" * 20_000, "application/json", 400, "malformed"),
        (b"{}", "text/plain", 415, "not_json"),
        (b"{}", "application/json", 422, "invalid"),
        (b"[]", "application/json", 422, "invalid"),
        (b" " * (LARGEST_BODY + 1), "application/json", 413, "too_large"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_for_what_it_is(
    agent: Agent, body: bytes, kind: str, status: int, error: str
) -> None:
    assert refusal(agent.client.post(REGISTER, data=body, content_type=kind)) == (status, error)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("udid", 7), ("udid", "x" * 129), ("profile", "other"),
        ("platform", "windows"), ("request_id", "1"), ("code", 7), ("token", "x" * 257),
    ],
)  # fmt: skip
def test_a_value_that_is_not_valid_is_named(agent: Agent, field: str, value: object) -> None:
    answer = agent.register(**{field: value})
    assert refusal(answer) == (422, "invalid")
    assert answer.json is not None
    assert field in answer.json["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"apps": []},
        {"findings": None},
        {"findings": {"code": "ROOTED"}},
        {"findings": "ROOTED", "os_version": "15"},
        [],
        7,
    ],
)
def test_a_report_that_does_not_say_what_is_open_is_refused(agent: Agent, body: object) -> None:
    an_open_integration()
    agent.register()
    assert refusal(agent.client.post(CHECK_IN, json=body, headers=agent.headers))[0] == 422
    assert agent.check_in().json == {"status": "active", "risk": "none", "check_in_seconds": 900}


def test_what_is_not_known_in_a_body_is_ignored(agent: Agent) -> None:
    an_open_integration()
    assert agent.register(colour="red").status_code == 201
    assert agent.check_in(mood={"good": True}).status_code == 200


@pytest.mark.parametrize(
    "shown", ["", "hmkey_", "Bearer", "Bearer nothing", "Bearer hmkey_nobody", "Basic x"]
)
def test_without_a_good_key_nothing_is_taken(agent: Agent, shown: str) -> None:
    answer = agent.client.post(CHECK_IN, json={"findings": []}, headers={"Authorization": shown})
    assert refusal(answer) == (401, "key_unknown")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
@pytest.mark.parametrize("space", [" ", "   "])
def test_the_scheme_of_a_key_has_no_case(agent: Agent, scheme: str, space: str) -> None:
    an_open_integration()
    agent.register()
    headers = {"Authorization": f"{scheme}{space}{agent.key}"}
    assert agent.client.post(CHECK_IN, json={"findings": []}, headers=headers).status_code == 200
    assert agent.client.post("/protect/v1/unregister", headers=headers).status_code == 204


def test_a_database_that_is_busy_is_told_to_every_device_of_the_batch(agent: Agent) -> None:
    an_open_integration()
    agent.register()
    begun, go_on, batches = Event(), Event(), []

    def work(reports: Sequence[object]) -> Sequence[Answer]:
        batches.append(len(reports))
        begun.set()
        go_on.wait(10)
        raise OperationalError("", {}, Exception("database is locked"))

    app = agent.client.application
    desk = app.extensions["harmony.protect"] = device_api_routes.DeviceApi(reports=GroupCommit(work))

    def check_in() -> TestResponse:
        return Agent(app.test_client(), key=agent.key).check_in()

    with ThreadPoolExecutor(9) as threads:
        first = threads.submit(check_in)
        assert begun.wait(10)
        others = [threads.submit(check_in) for _ in range(8)]
        wait_for(lambda: len(desk.reports._queue) == 8, "a batch of eight")
        go_on.set()
        answers = [future.result() for future in (first, *others)]
    assert batches == [1, 8]
    assert [refusal(answer) for answer in answers] == [(503, "unavailable")] * 9
    assert {answer.headers["Retry-After"] for answer in answers} == {"5"}


def test_only_a_registered_device_sends_a_large_body(agent: Agent) -> None:
    an_open_integration()
    agent.register()
    large = b'{"findings": [], "mood": "' + b"x" * LARGEST_BODY + b'"}'
    too_large = b" " * (LARGEST_REPORT + 1)

    def answer(body: bytes, headers: dict[str, str]) -> tuple[int, str] | int:
        sent = agent.client.post(CHECK_IN, data=body, headers=headers, content_type="application/json")
        return 200 if sent.status_code == 200 else refusal(sent)

    stranger = {"Authorization": "Bearer hmkey_nobody"}
    assert answer(large, agent.headers) == 200
    assert answer(too_large, agent.headers) == (413, "too_large")
    assert answer(large, stranger) == (401, "key_unknown")
    assert agent.client.post(REGISTER, data=large, content_type="application/json").status_code == 413


def test_a_page_of_another_site_can_do_nothing(agent: Agent) -> None:
    answer = agent.client.post(REGISTER, json={}, headers={"Sec-Fetch-Site": "cross-site"})
    assert refusal(answer) == (403, "refused")


def test_a_flood_of_reports_is_stopped_and_the_device_told_when_to_come_back(agent: Agent) -> None:
    an_open_integration(devices=2)
    agent.register()
    calm = Agent(agent.client, udid="UDID1")
    calm.register()
    answers = [agent.check_in(*["ROOTED"] * (number % 2)) for number in range(40)]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert refusal(answers[-1]) == (429, "too_many")
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert calm.check_in().status_code == 200


def test_guessing_is_stopped_by_address_and_does_not_stop_the_devices_behind_it(agent: Agent) -> None:
    an_open_integration()
    agent.register()
    guesses = [Agent(agent.client, key=f"hmkey_{number}").check_in() for number in range(80)]
    assert {answer.status_code for answer in guesses} == {401, 429}
    assert refusal(agent.register(token="hmtoken_guessed"))[0] == 429
    assert agent.check_in().status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": "hmtoken_guessed"}, {"token": None, "code": "AAAA-AAAA-AAAA-AAAA"}, {},
        {"device_key": "hmkey_guessed"},
        {"profile": "work"}, {"platform": "ios"}, {"udid": "UDID-0", "token": "hmtoken_guessed"},
    ],
)  # fmt: skip
def test_what_others_say_of_a_device_never_keeps_it_out(agent: Agent, wrong: dict[str, object]) -> None:
    an_open_integration(devices=2)
    agent.register()
    agent.check_in()
    thief = Agent(agent.client)
    answers = {thief.register(**wrong).status_code for _ in range(90)}
    assert answers <= {401, 409, 429}
    code = codes.issue_code(device_of("UDID0").id, "kim", now())
    assert agent.register(token=None, code=code).status_code == 201
    assert agent.register(device_key=agent.key).status_code == 201
    assert Agent(agent.client, udid="UDID1").register().status_code == 201


@pytest.mark.parametrize(("tries", "status"), [(9, 201), (10, 401)])
def test_a_code_named_for_ten_other_devices_is_void(agent: Agent, tries: int, status: int) -> None:
    an_open_integration(devices=2)
    code = codes.issue_code(device_of("UDID1").id, "kim", now())
    agent.register(token=None, code=code, udid="{DeviceUid}")
    answers = [agent.register(token=None, code=code) for _ in range(tries)]
    assert {refusal(answer) for answer in answers} == {(401, "code_unknown")}
    answer = Agent(agent.client, udid="UDID1").register(token=None, code=code)
    assert answer.status_code == status
    if status == 401:
        assert refusal(answer) == (401, "code_void")


def test_a_code_of_one_profile_registers_no_other_and_is_not_used_up(agent: Agent) -> None:
    an_open_integration(choice=ENTERPRISE)
    device_id = device_of("UDID0").id
    work, personal = (codes.issue_code(device_id, "kim", now(), name) for name in ("work", "personal"))
    for _ in range(20):
        assert refusal(agent.register(token=None, code=work, profile="personal")) == (409, "profile_differs")
    assert agent.register(token=None, code=work, profile="work").status_code == 201
    assert Agent(agent.client).register(token=None, code=personal, profile="personal").status_code == 201


def test_a_device_that_keeps_registering_is_told_to_wait_and_no_other_is(agent: Agent) -> None:
    an_open_integration(devices=2)
    agent.register()
    answers = [agent.register(device_key=agent.key) for _ in range(30)]
    assert [answer.status_code for answer in answers[:19]] == [201] * 19
    assert refusal(answers[-1]) == (429, "too_many")
    assert agent.check_in().status_code == 200
    assert Agent(agent.client, udid="UDID1").register().status_code == 201
    code = codes.issue_code(device_of("UDID0").id, "kim", now())
    assert agent.register(token=None, code=code).status_code == 201


def test_an_address_that_floods_registrations_is_told_to_wait(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_open_integration()
    monkeypatch.setattr(device_api_routes, "monotonic", lambda: 1000.0)
    answers = [agent.client.post(REGISTER, json={}).status_code for _ in range(601)]
    assert answers == [422] * 600 + [429]
    other = {"REMOTE_ADDR": "198.51.100.9"}
    assert agent.client.post(REGISTER, json={}, environ_base=other).status_code == 422


@pytest.mark.parametrize(
    ("raised", "status", "error"),
    [
        (OperationalError("", {}, Exception("disk I/O error")), 503, "unavailable"),
        (VaultLocked(), 503, "unavailable"),
        (ZeroDivisionError(), 500, "internal"),
    ],
)
def test_an_error_of_our_own_is_told_in_json_without_a_trace(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, raised: Exception, status: int, error: str
) -> None:
    def fail(*_args: object) -> None:
        raise raised

    monkeypatch.setattr(registration_register, "register", fail)
    agent.client.application.testing = False
    answer = agent.register()
    assert refusal(answer) == (status, error)
    assert "division" not in answer.get_data(as_text=True)


def test_a_token_whose_seal_does_not_open_is_no_wrong_token(agent: Agent) -> None:
    id_ = an_open_integration()
    with write() as session:
        page = session.get_one(SetupPage, (id_, "deployment"))
        page.applied = page.applied | {"token": "v1.00000000.AAAA"}
    assert refusal(agent.register()) == (503, "unavailable")


def test_the_api_sets_no_cookie_and_asks_nobody_to_sign_in(client: FlaskClient) -> None:
    answer = client.post(REGISTER, data="{}", content_type="application/json")
    assert "Set-Cookie" not in answer.headers
    assert client.get("/protect/v1/nothing").status_code == 404
    assert json.loads(client.get("/protect/v1/openapi.json").data)["openapi"] == "3.1.0"
    assert device_api_routes.PREFIX == "/protect/v1"
