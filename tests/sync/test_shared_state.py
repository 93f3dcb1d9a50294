"""One token and one wait for all processes, in the rows of either database. Rungs: shell, R."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db, write
from harmony.jobs import lease, server_waits, shared_state
from harmony.jobs.kinds import JobKind, asking_uem
from harmony.jobs.shared_state import FETCH_LEASE, FORGOTTEN_AFTER, DatabaseSharedState
from harmony.jobs.uem_client import token_key
from harmony.models import AccessToken, Integration, JobRun, WaitRow
from harmony.models.configuration import SERVER, ServerDetails, from_row, to_row
from harmony.security.credentials import seal_secrets
from harmony.security.keys import new_vault_key
from harmony.security.vault import Vault
from harmony.setup import apply, drafts
from harmony.sync import job as sync_job
from harmony.sync import lifecycle
from harmony.uem.http.server_wait import asked_for
from harmony.uem.http.shared_state import Token, TokenKey
from tests.builders import NOON, an_integration
from tests.canaries import watch

UEM, TOKENS = "https://uem.test", "https://token.test/connect/token"
SECRET, TEXT = "shared-client-secret", "bearer-that-is-shared"
KEY = TokenKey(UEM, TOKENS, "id", SECRET)
watch(SECRET, TEXT)


@pytest.fixture
def rows(context: Flask) -> DatabaseSharedState:
    return shared_state.shared_state()


def a_token(text: str = TEXT, minutes: int = 48) -> Token:
    return Token(text, NOON, NOON + timedelta(minutes=minutes))


def kept(rows: DatabaseSharedState, key: TokenKey = KEY, token: Token | None = None) -> Token:
    rows.begin_fetch(key, NOON)
    rows.keep_token(key, token or a_token())
    return token or a_token()


def test_a_token_is_kept_sealed_for_the_same_client_of_the_same_server(rows: DatabaseSharedState) -> None:
    token = kept(rows)
    assert rows.token(KEY) == token
    row = db.session.scalars(select(AccessToken)).one()
    assert TEXT not in f"{row.sealed}{row.token}{row.client}"
    assert TEXT not in repr(token)
    assert SECRET not in repr(KEY)


@pytest.mark.parametrize(
    "other",
    [
        TokenKey("https://uem.test:8443", TOKENS, "id", SECRET),
        TokenKey(UEM, "https://other.test/connect/token", "id", SECRET),
        TokenKey(UEM, TOKENS, "id2", SECRET),
        TokenKey(UEM, TOKENS, "id", "another"),
        TokenKey(UEM, TOKENS, f"id{SECRET[0]}", SECRET[1:]),
    ],
)
def test_another_server_service_client_or_secret_gets_no_part_of_it(
    rows: DatabaseSharedState, other: TokenKey
) -> None:
    kept(rows)
    assert rows.token(other) is None


def test_a_row_that_was_copied_to_another_client_does_not_open(rows: DatabaseSharedState) -> None:
    other = TokenKey("https://evil.test", TOKENS, "id", SECRET)
    kept(rows)
    kept(rows, other, a_token("another"))
    with write() as session:
        mine, theirs = (session.get_one(AccessToken, rows_client(rows, key)) for key in (KEY, other))
        theirs.sealed = mine.sealed
    assert rows.token(other) is None
    assert rows.token(KEY) == a_token()


def rows_client(rows: DatabaseSharedState, key: TokenKey) -> str:
    return shared_state.client_of(rows._vault, key)


def test_a_refused_token_is_dropped_and_a_newer_one_stays(rows: DatabaseSharedState) -> None:
    kept(rows)
    kept(rows, token=a_token("newer"))
    rows.drop_token(KEY, TEXT)
    assert rows.token(KEY) == a_token("newer")
    rows.drop_token(KEY, "newer")
    assert rows.token(KEY) is None


@pytest.mark.parametrize(
    ("minutes", "usable"), [(-2, False), (0, True), (47, True), (48, False), (9999, False)]
)
def test_a_token_serves_until_it_is_to_be_renewed_and_not_before_it_was_fetched(
    minutes: int, usable: bool
) -> None:
    assert a_token().usable(NOON + timedelta(minutes=minutes)) is usable


def test_one_process_fetches_while_the_others_wait_but_not_for_a_dead_one(rows: DatabaseSharedState) -> None:
    assert rows.begin_fetch(KEY, NOON)
    assert not rows.begin_fetch(KEY, NOON + FETCH_LEASE / 2)
    assert rows.begin_fetch(KEY, NOON + FETCH_LEASE), "it died with kill -9"
    assert rows.begin_fetch(KEY, NOON - timedelta(hours=1)), "the clock was set back"
    rows.keep_token(KEY, None)
    assert rows.begin_fetch(KEY, NOON), "nothing was to be had; the right is given back"
    assert rows.begin_fetch(TokenKey(UEM, TOKENS, "id2", SECRET), NOON)


def test_nobody_fetches_while_there_is_a_token(rows: DatabaseSharedState) -> None:
    kept(rows)
    assert not rows.begin_fetch(KEY, NOON + timedelta(minutes=47))
    assert rows.begin_fetch(KEY, NOON + timedelta(minutes=48))
    rows.keep_token(KEY, a_token("newer"))
    rows.drop_token(KEY, "newer")
    assert rows.begin_fetch(KEY, NOON)


def test_a_failed_fetch_keeps_the_token_that_is_there(rows: DatabaseSharedState) -> None:
    kept(rows)
    rows.keep_token(KEY, None)
    assert rows.token(KEY) == a_token()


def test_how_the_service_takes_the_client_is_remembered(rows: DatabaseSharedState) -> None:
    assert rows.by_header(KEY) is None
    rows.begin_fetch(KEY, NOON)
    rows.keep_by_header(KEY, True)
    rows.keep_token(KEY, a_token("later"))
    assert rows.by_header(KEY) is True


def test_with_another_vault_key_a_token_is_fetched_anew(rows: DatabaseSharedState, context: Flask) -> None:
    kept(rows)
    context.extensions["harmony.vault"] = Vault((new_vault_key(),))
    assert shared_state.shared_state().token(KEY) is None


def test_what_is_over_is_swept(rows: DatabaseSharedState) -> None:
    kept(rows)
    rows.keep_wait(asked_for(UEM, 60, NOON))
    shared_state.sweep(NOON + timedelta(minutes=10))
    assert rows.wait(UEM) is None
    assert rows.token(KEY) == a_token()
    shared_state.sweep(NOON + timedelta(hours=1))
    assert rows.token(KEY) is None
    assert db.session.scalars(select(AccessToken)).one()
    shared_state.sweep(NOON + FORGOTTEN_AFTER + timedelta(seconds=1))
    db.session.rollback()
    assert not db.session.scalars(select(AccessToken)).all()


def test_a_database_that_fails_costs_no_call(
    rows: DatabaseSharedState, caplog: pytest.LogCaptureFixture
) -> None:
    db.session.execute(db.text("DROP TABLE access_token"))
    db.session.execute(db.text("DROP TABLE server_wait"))
    db.session.commit()
    try:
        assert rows.wait(UEM) is None
        assert rows.token(KEY) is None
        assert rows.begin_fetch(KEY, NOON)
        rows.keep_token(KEY, a_token())
        rows.keep_wait(asked_for(UEM, 60, NOON))
        assert "could not be stored" in caplog.text
    finally:
        db.session.rollback()
        AccessToken.__table__.create(db.engine)  # type: ignore[attr-defined]
        WaitRow.__table__.create(db.engine)  # type: ignore[attr-defined]


def with_oauth(**changes: str) -> int:
    """An integration in force that signs in by OAuth2."""
    id_ = an_integration()
    point(id_, **changes)
    with write() as session:
        page = session.get_one(Integration, id_).page(SERVER)
        assert page is not None
        page.applied = page.draft
    return id_


def point(id_: int, **changes: str) -> None:
    """Type other Server Details, and let Verify pass."""
    known = {"server_address": UEM, "token_address": TOKENS, "client_id": "id", "client_secret": SECRET}
    details = seal_secrets(id_, ServerDetails(display_name="Test UEM", **(known | changes)))  # type: ignore[arg-type]
    with write() as session:
        integration = session.get_one(Integration, id_)
        page, said = integration.page(SERVER), integration.verification(SERVER)
        assert page is not None
        assert said is not None
        page.draft, said.digest = to_row(details), drafts.digest(to_row(details))


def test_new_credentials_in_force_forget_the_token_of_the_old_ones(rows: DatabaseSharedState) -> None:
    id_ = with_oauth()
    kept(rows)
    point(id_)
    apply.save(id_, SERVER, "test", now())
    assert rows.token(KEY) is not None, "the same credentials, typed again"
    point(id_, client_secret="another")
    apply.save(id_, SERVER, "test", now())
    assert rows.token(KEY) is None


def test_a_removed_integration_leaves_no_token(rows: DatabaseSharedState) -> None:
    id_ = with_oauth()
    assert token_key(id_, applied(id_)) == KEY
    kept(rows)
    lifecycle.remove(id_, "test", now(), keep_devices=True)
    assert rows.token(KEY) is None


def applied(id_: int) -> ServerDetails:
    page = db.session.get_one(Integration, id_).page(SERVER)
    assert page is not None
    return from_row(ServerDetails, page.applied)


@pytest.mark.parametrize("origin", [UEM, "https://token.test"])
@pytest.mark.parametrize("quota", [False, True])
def test_nothing_starts_while_the_server_or_its_token_service_asked_to_wait(
    rows: DatabaseSharedState, origin: str, quota: bool
) -> None:
    id_ = with_oauth()
    with write() as session:
        for name in JobKind:
            lease.make_due(session, id_, name, NOON)
    assert lease.request(id_, JobKind.DEVICES, "test", NOON)
    rows.keep_wait(asked_for(origin, 1800, NOON, quota=quota))
    inside, after = NOON + timedelta(minutes=29), NOON + timedelta(minutes=30)
    assert lease.due_of(JobKind.DEVICES, inside) == []
    # What asks no UEM need not wait for it.
    assert {name for _id, name in lease.due(inside)} == set(JobKind) - set(asking_uem())
    assert all(lease.claim(id_, name, "worker", inside) is None for name in asking_uem())
    assert server_waits.standing(db.session(), id_, inside) is not None
    assert lease.due_of(JobKind.DEVICES, after) == [id_]
    assert {name for _id, name in lease.due(after)} == set(JobKind)
    assert lease.claim(id_, JobKind.DEVICES, "worker", after) is not None


def test_a_refresh_waits_too_and_a_clock_that_was_set_back_frees_it(rows: DatabaseSharedState) -> None:
    id_ = with_oauth()
    with write() as session:
        integration = session.get_one(Integration, id_)
        integration.snapshots, integration.sync_job.next_at = 1, NOON + timedelta(hours=1)
        integration.sync_job.refresh_at = NOON - timedelta(hours=2)
    rows.keep_wait(asked_for(UEM, 1800, NOON))
    assert lease.due_of(JobKind.DEVICES, NOON + timedelta(minutes=5)) == []
    assert lease.due_of(JobKind.DEVICES, NOON - timedelta(minutes=5)) == [id_]


def test_an_integration_of_another_server_is_not_kept(rows: DatabaseSharedState) -> None:
    waiting = with_oauth()
    free = with_oauth(server_address="https://other.test")
    rows.keep_wait(asked_for(UEM, 1800, NOON))
    assert lease.due_of(JobKind.DEVICES, NOON) == [free]
    assert waiting != free


def test_a_worker_that_is_told_to_sync_inside_the_wait_calls_nobody_and_opens_no_run(
    rows: DatabaseSharedState,
) -> None:
    id_ = with_oauth()
    rows.keep_wait(asked_for(UEM, 1800, now()))
    assert lease.request(id_, JobKind.DEVICES, "test", now())
    sync_job.sync(id_)
    assert not db.session.scalars(select(JobRun)).all()
    assert db.session.get_one(Integration, id_).sync_job.requested_by == "test", "it is not forgotten"
