"""The address that a UEM posts to: sign-in, storing before answering, bounds (rung: R, both databases)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from harmony.clock import now
from harmony.db import db, write
from harmony.event_notifications import inbox, listeners
from harmony.event_notifications.limits import Pace
from harmony.models import AuditEntry, EventListener, Integration, UemEvent
from tests.builders import an_integration
from tests.event_notifications.posting import NEWER, OLDER, listening, post, signed

pytestmark = pytest.mark.usefixtures("context")


def the_listener(integration_id: int) -> EventListener:
    db.session.rollback()
    return db.session.get_one(EventListener, integration_id)


def stored() -> list[tuple[str, str]]:
    db.session.rollback()
    rows = select(UemEvent.external_id, UemEvent.kind).order_by(UemEvent.id)
    return [(external_id, kind) for external_id, kind in db.session.execute(rows)]


def test_an_event_is_stored_and_makes_the_job_due(client: FlaskClient) -> None:
    id_ = an_integration()
    path, secret = listening(id_)
    answer = post(client, path, secret, NEWER)
    assert (answer.status_code, answer.json) == (200, {})
    assert stored() == [("4711", "compromised")]
    planned = db.session.get_one(Integration, id_).sync_job.events_at
    assert planned is not None
    assert planned <= now() + timedelta(seconds=5)


def test_nothing_personal_of_an_event_is_kept(client: FlaskClient) -> None:
    path, secret = listening(an_integration())
    post(client, path, secret, NEWER)
    (row,) = db.session.execute(select(UemEvent.__table__)).all()
    assert not any(word in str(row) for word in ("Ada", "ada", "example.com", "+49", "C02EXAMPLE01"))


def test_repeats_vanish_also_in_the_other_spelling(client: FlaskClient) -> None:
    id_ = an_integration()
    path, secret = listening(id_)
    for changes in ({}, {}, {"EventType": "CompromisedStatusChanged", "DeviceId": "4711"}):
        assert post(client, path, secret, NEWER, **changes).status_code == 200
    assert (len(stored()), the_listener(id_).accepted, the_listener(id_).repeated) == (1, 1, 2)


def test_an_unknown_kind_is_counted_and_kept_out(client: FlaskClient) -> None:
    id_ = an_integration()
    path, secret = listening(id_)
    assert post(client, path, secret, NEWER, EventType="Lunch\u202e Served", EventId=1).status_code == 200
    found = the_listener(id_)
    assert (stored(), found.unknown, found.last_unknown) == ([], 1, "Lunch Served")


@pytest.mark.parametrize("method", ["get", "head"])
def test_test_connection(client: FlaskClient, method: str) -> None:
    id_ = an_integration()
    path, secret = listening(id_)
    assert getattr(client, method)(path, headers=signed(secret)).status_code == 200
    assert the_listener(id_).tested_at is not None


def test_a_wrong_password_is_refused_counted_and_slowed_down_but_not_the_right_one(
    client: FlaskClient,
) -> None:
    id_ = an_integration()
    path, secret = listening(id_)
    wrong = client.post(path, json=NEWER, auth=(secret.user_name, "wrong"))
    assert (wrong.status_code, wrong.headers["WWW-Authenticate"][:5]) == (401, "Basic")
    assert client.post(path, json=NEWER).status_code == 401
    assert {client.post(path, json=NEWER).status_code for _ in range(40)} == {401, 429}
    assert the_listener(id_).refused == 30
    assert post(client, path, secret, NEWER).status_code == 200


def test_an_unknown_address_says_so_to_programs(client: FlaskClient) -> None:
    _, secret = listening(an_integration())
    assert client.post("/hooks/ws1/unknown", json={}, headers=signed(secret)).status_code == 404
    assert client.get("/hooks/unknown").status_code == 404


def test_a_listener_that_is_off_takes_nothing(client: FlaskClient) -> None:
    id_ = an_integration()
    path, secret = listening(id_)
    post(client, path, secret, NEWER)
    assert listeners.switch(id_, False, "kim", now())
    assert post(client, path, secret, OLDER).status_code == 404
    assert db.session.scalar(select(func.count(UemEvent.id)).where(UemEvent.due_at.is_not(None))) == 0
    assert listeners.switch(id_, True, "kim", now())
    assert post(client, path, secret, OLDER).status_code == 200
    whats = db.session.scalars(select(AuditEntry.what).order_by(AuditEntry.id)).all()
    assert [what for what in whats if "event" in what][-2:] == [
        "Turned event notifications off", "Turned event notifications on",
    ]  # fmt: skip


def test_both_passwords_work_for_a_while_after_a_rotation(client: FlaskClient) -> None:
    id_ = an_integration()
    path, former = listening(id_)
    newer = listeners.rotate(id_, "kim", now())
    assert newer is not None
    for secret in (former, newer):
        assert client.get(path, headers=signed(secret)).status_code == 200
    with write() as session:
        session.get_one(EventListener, id_).former_until = now() - timedelta(seconds=1)
    assert client.get(path, headers=signed(former)).status_code == 401
    assert client.get(path, headers=signed(newer)).status_code == 200


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"x" * (64 * 1024 + 1), "application/json", 413),
        (b"[]", "application/json", 400),
        (b"<Eventlog/>", "text/xml", 415),
    ],
)
def test_what_is_no_event_is_counted(
    client: FlaskClient, body: bytes, content_type: str, status: int
) -> None:
    id_ = an_integration()
    path, secret = listening(id_)
    answer = client.post(path, data=body, content_type=content_type, headers=signed(secret))
    assert answer.status_code == status
    assert the_listener(id_).unreadable == 1


def test_more_than_is_kept_is_left_to_a_full_sync(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MOST_WAITING", 2)
    id_ = an_integration()
    path, secret = listening(id_)
    for number in range(1, 5):
        assert post(client, path, secret, NEWER, DeviceId=number).status_code == 200
    assert ([id_ for id_, _ in stored()], the_listener(id_).overflowed) == (["1", "2"], True)


def test_a_pace_allows_a_burst_and_then_so_many_a_second() -> None:
    seconds = [0.0]
    pace = Pace(2, 1.0, lambda: seconds[0])
    assert [pace.wait("a"), pace.wait("a"), pace.wait("a"), pace.wait("b")] == [0, 0, 1.0, 0]
    seconds[0] = 1.0
    assert [pace.wait("a"), pace.wait("a")] == [0, 1.0]


def test_no_password_is_in_its_representation() -> None:
    _, secret = listening(an_integration())
    assert secret.password not in repr(secret)
