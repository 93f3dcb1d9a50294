"""What the API does, and that an action that is sent twice is done once (rung R)."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from harmony.api import idempotency
from harmony.api.idempotency import StoredAnswer
from harmony.api.problems import ApiProblem
from harmony.clock import now
from harmony.db import db, write
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import ApiAnswer, AuditEntry, HoldState, Integration, IntegrationState, Role
from harmony.models.api_key import ANSWERS_KEPT
from harmony.worker import retention
from tests.api.program import Program, new_key, problem_of
from tests.builders import a_choice, an_integration
from tests.database import on_both
from tests.stored import a_hold

database = on_both


@pytest.fixture
def integration_id(context: Flask) -> int:
    return an_integration(a_choice("570", deletion_after=1, deletion_threshold=20), due=None)


@pytest.fixture
def program(app: Flask) -> Program:
    return Program.with_role(app, Role.OPERATOR)


def state_of(integration_id: int) -> str:
    db.session.rollback()  # what was read before is not read again
    return str(db.session.get_one(Integration, integration_id).state)


def entries(what: str) -> list[str]:
    return list(db.session.scalars(select(AuditEntry.who).where(AuditEntry.what == what)))


def test_sync_pause_and_resume(program: Program, integration_id: int) -> None:
    assert program.post(f"/integrations/{integration_id}/sync").json["done"]
    assert (integration_id, JobKind.DEVICES) in lease.due(now())
    assert program.post(f"/integrations/{integration_id}/pause").json["done"]
    assert state_of(integration_id) == IntegrationState.PAUSED
    refused = program.post(f"/integrations/{integration_id}/sync")
    assert problem_of(refused) == "not_possible"
    assert "Resume it" in refused.json["detail"]
    assert not program.post(f"/integrations/{integration_id}/pause").json["done"]
    assert program.post(f"/integrations/{integration_id}/resume").json["done"]
    assert state_of(integration_id) == IntegrationState.ACTIVE
    assert entries("Paused") == entries("Resumed") == ["API key sales"]


def test_a_viewer_does_nothing(app: Flask, integration_id: int) -> None:
    viewer = Program.with_role(app, Role.VIEWER)
    for action in ("sync", "pause", "resume"):
        answer = viewer.post(f"/integrations/{integration_id}/{action}")
        assert (answer.status_code, problem_of(answer)) == (403, "not_permitted")
    assert state_of(integration_id) == IntegrationState.ACTIVE


def test_a_removed_or_unknown_integration_is_not_found(program: Program, integration_id: int) -> None:
    with write() as session:
        session.get_one(Integration, integration_id).state = IntegrationState.HIDDEN
    for id_ in (integration_id, 10**17):
        assert problem_of(program.post(f"/integrations/{id_}/pause")) == "not_found"


def test_a_hold_is_approved_by_the_list_that_was_read(program: Program, integration_id: int) -> None:
    hold_id = a_hold(integration_id, 10, 6).id
    db.session.remove()
    read = program.read(f"/holds/{hold_id}/list")
    assert (read["devices"], len(read["device_ids"])) == (6, 6)
    asked = {"devices": read["devices"], "digest": read["digest"]}
    for wrong in (asked | {"devices": 5}, asked | {"digest": "0" * 64}):
        assert problem_of(program.post(f"/holds/{hold_id}/approve", wrong)) == "list_changed"
    assert program.post(f"/holds/{hold_id}/approve", asked).json["done"]
    db.session.remove()
    hold = program.read(f"/holds/{hold_id}")
    assert (hold["state"], hold["decided_by"]) == (HoldState.APPROVED, "API key sales")
    assert problem_of(program.post(f"/holds/{hold_id}/approve", asked)) == "not_possible"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{", "malformed"),
        ("[]", "invalid"),
        ('{"devices": "6", "digest": "x"}', "invalid"),
        ('{"devices": 6}', "invalid"),
        ('{"devices": 6, "digest": "' + "0" * 64 + '", "more": 1}', "invalid"),
        (b"\xff\xfe{}", "malformed"),
    ],
)
def test_a_body_that_is_no_approval_is_refused(program: Program, body: Any, code: str) -> None:
    headers = {"Authorization": f"Bearer {program.key}", "Content-Type": "application/json"}
    answer = program.client.post("/api/v1/holds/1/approve", data=body, headers=headers)
    assert problem_of(answer) == code
    answer = program.client.post(
        "/api/v1/holds/1/approve", data=body, headers=headers | {"Content-Type": "text/plain"}
    )
    assert problem_of(answer) == "not_json"


def test_the_first_answer_is_given_again_and_nothing_is_done_twice(
    program: Program, integration_id: int
) -> None:
    path = f"/integrations/{integration_id}/pause"
    first = program.post(path, Idempotency_Key="one")
    again = program.post(path, Idempotency_Key="one")
    assert (again.status_code, again.get_data()) == (200, first.get_data())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert not program.post(path, Idempotency_Key="two").json["done"]
    assert entries("Paused") == ["API key sales"]


def test_a_refusal_is_given_again_as_well(program: Program, integration_id: int) -> None:
    program.post(f"/integrations/{integration_id}/pause")
    path = f"/integrations/{integration_id}/sync"
    assert problem_of(program.post(path, Idempotency_Key="k")) == "not_possible"
    program.post(f"/integrations/{integration_id}/resume")
    again = program.post(path, Idempotency_Key="k")
    assert (problem_of(again), again.headers["Idempotency-Replayed"]) == ("not_possible", "true")


def test_a_key_that_was_used_for_something_else_is_refused(
    app: Flask, program: Program, integration_id: int
) -> None:
    program.post(f"/integrations/{integration_id}/pause", Idempotency_Key="one")
    other = program.post(f"/integrations/{integration_id}/resume", Idempotency_Key="one")
    assert (other.status_code, problem_of(other)) == (422, "key_reused")
    assert state_of(integration_id) == IntegrationState.PAUSED
    somebody = Program.with_role(app, Role.OPERATOR)
    assert somebody.post(f"/integrations/{integration_id}/resume", Idempotency_Key="one").json["done"]


@pytest.mark.parametrize("key", ["", " ", "x" * 129, "\xe4", "a b"])
def test_a_key_that_no_header_should_have_is_refused(program: Program, key: str) -> None:
    assert problem_of(program.post("/integrations/1/pause", Idempotency_Key=key)) == "parameter"


def test_a_second_request_waits_while_the_first_is_under_way(context: Flask) -> None:
    action = idempotency.sent(new_key()[0], "k", b"pause")
    seen: list[str] = []

    def meanwhile() -> None:
        with context.app_context(), pytest.raises(ApiProblem) as caught:
            idempotency.answer(action, lambda: StoredAnswer(200, b"again"), now())
        seen.append(caught.value.code)

    def act() -> StoredAnswer:
        other = threading.Thread(target=meanwhile)
        other.start()
        other.join()
        return StoredAnswer(200, b"first")

    assert idempotency.answer(action, act, now()).body == b"first"
    assert seen == ["in_progress"]
    assert idempotency.answer(action, act, now()).is_replayed


def test_what_failed_by_our_own_error_or_died_is_done_again(context: Flask) -> None:
    action = idempotency.sent(new_key()[0], "k", b"pause")

    def fail() -> StoredAnswer:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        idempotency.answer(action, fail, now())
    assert idempotency.answer(action, lambda: StoredAnswer(200, b"done"), now()).body == b"done"
    with write() as session:
        session.execute(update(ApiAnswer).values(status=None, at=now() - ANSWERS_KEPT / 2))
    assert idempotency.answer(action, lambda: StoredAnswer(200, b"anew"), now()).body == b"anew"


def test_answers_are_kept_for_a_day(context: Flask) -> None:
    action = idempotency.sent(new_key()[0], "k", b"pause")
    idempotency.answer(action, lambda: StoredAnswer(200, b"first"), now() - ANSWERS_KEPT)
    assert idempotency.answer(action, lambda: StoredAnswer(200, b"new"), now()).body == b"new"
    assert retention.forget_answers(now()) == 1
    assert db.session.scalar(select(func.count()).select_from(ApiAnswer)) == 0


def test_a_page_of_another_site_does_nothing(program: Program, integration_id: int) -> None:
    answer = program.post(f"/integrations/{integration_id}/pause", Origin="https://evil.example")
    assert (answer.status_code, problem_of(answer)) == (403, "refused")
    assert state_of(integration_id) == IntegrationState.ACTIVE
