"""Credentials of an earlier version are bound to the server Verify proved, or forgotten. Rung: shell."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from harmony.db import db, write
from harmony.models import Integration, IntegrationState
from harmony.models.configuration import SERVER, ServerDetails, from_row, to_row
from harmony.security import credentials
from harmony.security.credentials import SECRET_FIELDS, CredentialState, bound_to
from harmony.security.vault import origin_of, vault
from harmony.setup import drafts, secrets
from harmony.setup.wizard_state import WizardState
from tests.builders import an_integration
from tests.database import on_both

OLD, NEW = "https://old.example.com", "https://new.example.com"
TOKEN = "https://token.example.com/connect/token"

database = on_both


def as_before(id_: int, *fields: str, **changes: Any) -> dict[str, Any]:
    """Server Details with these secrets in the seal of the earlier version."""
    sealed = {field: vault().seal(f"{field}-canary", bound_to(id_, field)) for field in fields}
    known = {"display_name": "Test UEM", "server_address": OLD, "token_address": TOKEN, "client_id": "id"}
    return to_row(ServerDetails(**(known | {"username": "api"} | sealed | changes)))


def store(id_: int, draft: dict[str, Any], applied: dict[str, Any] | None, *, verified: bool) -> None:
    with write() as session:
        integration = session.get_one(Integration, id_)
        page, said = integration.page(SERVER), integration.verification(SERVER)
        assert page is not None
        assert said is not None
        page.draft, page.applied, said.passed = draft, applied, verified
        said.digest = drafts.digest(draft) if verified else "another"


def read(id_: int) -> tuple[Integration, ServerDetails, ServerDetails]:
    integration = db.session.get_one(Integration, id_)
    page = integration.page(SERVER)
    assert page is not None
    return integration, from_row(ServerDetails, page.draft), from_row(ServerDetails, page.applied)


def test_what_is_in_force_goes_on_and_stays_verified(context: Flask) -> None:
    id_ = an_integration()
    row = as_before(id_, "client_secret")
    store(id_, row, row, verified=True)
    assert secrets.check() == []
    integration, draft, applied = read(id_)
    assert SERVER in WizardState(integration).verified
    assert not WizardState(integration).has_unsaved_changes(SERVER)
    assert credentials.unseal(id_, applied, "client_secret") == "client_secret-canary"
    assert origin_of(draft.client_secret) == f"{OLD} and https://token.example.com"
    assert secrets.check() == []
    assert read(id_)[1:] == (draft, applied), "a second start changes nothing"


def test_a_secret_that_is_not_in_use_is_forgotten_because_nobody_knows_whose_it_is(context: Flask) -> None:
    id_ = an_integration()
    row = as_before(id_, *SECRET_FIELDS)
    store(id_, row, row, verified=True)
    assert secrets.check() == []
    integration, draft, _applied = read(id_)
    assert (draft.password, draft.api_key) == ("", "")
    assert SERVER in WizardState(integration).verified


@pytest.mark.parametrize("oauth", [True, False])
def test_a_draft_that_kept_a_secret_while_its_address_moved_cannot_open_it_there(
    context: Flask, oauth: bool
) -> None:
    id_ = an_integration()
    force = as_before(id_, *SECRET_FIELDS, use_oauth2=oauth)
    store(id_, force | {"server_address": NEW}, force, verified=False)
    assert secrets.check() == []
    _integration, draft, applied = read(id_)
    assert credentials.usable(id_, applied)
    assert {credentials.state(id_, draft, field) for field in credentials.fields_in_use(draft)} == {
        CredentialState.FOREIGN
    }
    other = [field for field in SECRET_FIELDS if field not in credentials.fields_in_use(draft)]
    assert {credentials.state(id_, draft, field) for field in other} == {CredentialState.ABSENT}


def test_a_draft_that_was_verified_elsewhere_with_the_secret_in_force_must_be_verified_again(
    context: Flask,
) -> None:
    id_ = an_integration()
    force = as_before(id_, "password", "api_key", use_oauth2=False)
    store(id_, force | {"server_address": NEW}, force, verified=True)
    assert secrets.check() == []
    integration, draft, _applied = read(id_)
    assert SERVER not in WizardState(integration).verified
    assert credentials.state(id_, draft, "password") is CredentialState.FOREIGN


@pytest.mark.parametrize(
    ("verified", "state"), [(True, CredentialState.USABLE), (False, CredentialState.ABSENT)]
)
def test_a_draft_that_was_never_in_force_keeps_what_verify_proved(
    context: Flask, verified: bool, state: CredentialState
) -> None:
    id_ = an_integration(state=IntegrationState.DRAFT)
    store(id_, as_before(id_, "client_secret"), None, verified=verified)
    assert secrets.check() == []
    integration, draft, _ = read(id_)
    assert credentials.state(id_, draft, "client_secret") is state
    assert (SERVER in WizardState(integration).verified) is verified
