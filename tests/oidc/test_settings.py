"""The settings of single sign-on, and the test that tries them (rung: S, over loopback)."""

from __future__ import annotations

import time

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from harmony.clock import steady
from harmony.db import db
from harmony.models import AuditEntry, ExternalIdentity, IdentityProvider, SignOnTest
from harmony.oidc import trial
from harmony.oidc.settings import settings_in_force
from tests.oidc.conftest import SETTINGS
from tests.oidc.fake import CLIENT_SECRET, FakeProvider


def saved(client: FlaskClient) -> IdentityProvider | None:
    with client.application.app_context():
        return db.session.scalar(select(IdentityProvider))


def begin_test(client: FlaskClient, typed: dict[str, str]) -> str:
    answer = client.post(f"{SETTINGS}/test", data=typed)
    assert answer.status_code == 303, answer.get_data(as_text=True)
    return answer.headers["Location"]


def run_test(client: FlaskClient, provider: FakeProvider, page: str) -> str:
    back = client.get(provider.approve(client.get(f"{page}/sign-in").headers["Location"]))
    assert (back.status_code, back.headers["Location"]) == (303, page)
    return client.get(page).get_data(as_text=True)


def test_the_page_shows_the_addresses_for_the_provider_and_never_the_secret(
    administrator: FlaskClient, provider: FakeProvider
) -> None:
    page = administrator.get(SETTINGS).get_data(as_text=True)
    assert "http://localhost/sign-in/provider/callback" in page
    assert "http://localhost/sign-in/provider/logout" in page
    assert provider.issuer in page
    assert "harmony-admins = administrator" in page
    assert CLIENT_SECRET not in page
    with administrator.application.app_context():
        assert settings_in_force().client_secret == CLIENT_SECRET  # type: ignore[union-attr]
        lines = db.session.execute(select(AuditEntry.what, AuditEntry.detail)).all()
    assert ("Changed single sign-on", f"{provider.issuer}, client harmony dashboard, 2 rules") in lines


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("name", "", "Give the provider a name."),
        ("issuer", "", "Enter the issuer"),
        ("issuer", "login.example.com", "is not complete"),
        ("issuer", "https://login.example.com/?a=b", "a question mark"),
        ("issuer", "https://kim:secret@login.example.com", "an @"),
        ("client_id", "", "Enter the client ID."),
        ("client_secret", "", "Enter the secret of this client"),
        ("scopes", "profile email", "openid is one of them"),
        ("scopes", 'openid "x"', "openid is one of them"),
        ("claim_path", "", "Enter the claim"),
        ("rules", "", "Add at least one rule"),
        ("rules", "admins", "Line 1: write a value"),
        ("rules", "\na = viewer\n = operator", "Line 2: write a value"),
        ("rules", "a = king", "Line 1: the role is one of viewer, operator, administrator."),
        ("rules", "a = viewer in Norway", "Line 1: after in stand keys of device groups"),
        ("rules", "a = administrator in 1:570", "Line 1: after in stand keys of device groups"),
        ("certificate", "nonsense", "certificate"),
    ],
)
def test_what_is_wrong_is_said_beside_it_and_nothing_is_saved(
    signed_in: FlaskClient, typed: dict[str, str], name: str, value: str, says: str
) -> None:
    answer = signed_in.post(SETTINGS, data=typed | {name: value})
    assert answer.status_code == 422
    assert says in answer.get_data(as_text=True)
    assert saved(signed_in) is None


def test_the_secret_stays_for_the_same_client_and_is_asked_for_another(
    administrator: FlaskClient, typed: dict[str, str]
) -> None:
    same = typed | {"client_secret": "", "edition": "1", "rules": "a=b = Viewer"}
    assert administrator.post(SETTINGS, data=same).status_code == 303
    row = saved(administrator)
    assert row is not None
    assert row.rules == [{"value": "a=b", "role": "viewer", "groups": []}]
    for change in ({"issuer": "https://other.example"}, {"client_id": "other"}):
        answer = administrator.post(SETTINGS, data=same | {"edition": "2"} | change)
        assert answer.status_code == 422
        assert "Enter the secret of this client at this issuer." in answer.get_data(as_text=True)


def test_a_save_of_somebody_else_is_not_overwritten_unseen(
    administrator: FlaskClient, typed: dict[str, str]
) -> None:
    answer = administrator.post(SETTINGS, data=typed | {"name": "Mine"})
    assert answer.status_code == 409
    assert "Somebody else saved these settings meanwhile." in answer.get_data(as_text=True)


def test_a_pasted_address_of_the_discovery_document_is_cut_to_the_issuer(
    signed_in: FlaskClient, typed: dict[str, str], provider: FakeProvider
) -> None:
    pasted = provider.issuer + "/.well-known/openid-configuration"
    assert signed_in.post(SETTINGS, data=typed | {"issuer": pasted}).status_code == 303
    row = saved(signed_in)
    assert row is not None
    assert row.issuer == provider.issuer


def test_a_test_says_who_one_would_be_and_signs_nobody_in_before_anything_is_saved(
    signed_in: FlaskClient, typed: dict[str, str], provider: FakeProvider
) -> None:
    page = begin_test(signed_in, typed)
    assert "Sign in at Example ID" in signed_in.get(page).get_data(as_text=True)
    shown = run_test(signed_in, provider, page)
    assert "You would be: operator by rule 2." in shown
    assert "sends no auth_time" in shown
    provider.claims = {"auth_time": int(time.time())}
    assert "sends no auth_time" not in run_test(signed_in, provider, page)
    assert "everybody, harmony-operators" in shown
    assert saved(signed_in) is None
    with signed_in.application.app_context():
        assert db.session.scalar(select(ExternalIdentity)) is None
    assert signed_in.get(SETTINGS).status_code == 200  # still the administrator
    assert signed_in.post(f"{page}/save").status_code == 303
    row = saved(signed_in)
    assert row is not None
    assert row.issuer == provider.issuer


def test_a_test_without_rules_shows_which_claims_come(
    signed_in: FlaskClient, typed: dict[str, str], provider: FakeProvider
) -> None:
    page = begin_test(signed_in, typed | {"rules": ""})
    shown = run_test(signed_in, provider, page)
    assert "No rule matches your groups: everybody, harmony-operators." in shown
    assert "preferred_username" in shown
    assert "Save these values" not in shown
    assert signed_in.post(f"{page}/save").status_code == 422


def test_a_test_says_what_failed(
    signed_in: FlaskClient, typed: dict[str, str], provider: FakeProvider
) -> None:
    page = begin_test(signed_in, typed | {"client_secret": "wrong"})
    assert "refused Harmony&#39;s client ID or client secret" in run_test(signed_in, provider, page)
    back = provider.approve(signed_in.get(f"{page}/sign-in").headers["Location"], error="access_denied")
    signed_in.get(back)
    assert "declined or cancelled there" in signed_in.get(page).get_data(as_text=True)


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({"issuer": "https://other.example"}, "The provider calls itself https://other.example, not "),
        ({"token_endpoint": "ftp://x.example/"}, "token_endpoint of the provider is no https:// address."),
        ({"jwks_uri": 7}, "not one of an OpenID provider"),
        ({"end_session_endpoint": "javascript:alert(1)"}, "The end_session_endpoint of the provider"),
        ({"response_types_supported": ["id_token"]}, "does not offer the authorization code flow"),
        ({"code_challenge_methods_supported": ["plain"]}, "does not offer PKCE"),
        ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, "does not take a client secret"),
    ],
)
def test_a_discovery_document_that_does_not_fit_is_said_beside_the_issuer(
    signed_in: FlaskClient,
    typed: dict[str, str],
    provider: FakeProvider,
    metadata: dict[str, object],
    says: str,
) -> None:
    provider.metadata = metadata
    answer = signed_in.post(f"{SETTINGS}/test", data=typed)
    assert answer.status_code == 422
    assert says in answer.get_data(as_text=True)


def test_discovery_follows_no_redirect_and_reads_no_huge_answer(
    signed_in: FlaskClient, typed: dict[str, str], provider: FakeProvider
) -> None:
    path = "/.well-known/openid-configuration"
    for answer, says in (
        ((302, {"Location": "https://evil.example"}, b""), "answered with status 302"),
        ((200, {}, b" " * 300_000), "larger than 256 KiB"),
        ((200, {}, b"<html>"), "not one of an OpenID provider"),
    ):
        provider.spoiled[path] = answer
        page = signed_in.post(f"{SETTINGS}/test", data=typed)
        assert page.status_code == 422
        assert says in page.get_data(as_text=True)


def test_a_test_belongs_to_who_began_it_for_an_hour(
    signed_in: FlaskClient, typed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = begin_test(signed_in, typed)
    assert signed_in.get(f"{SETTINGS}/tests/invented").status_code == 404
    with signed_in.application.app_context():
        [id_] = db.session.scalars(select(SignOnTest.id))
        assert trial.find(id_, steady(), user_id=99) is None
        assert trial.find(id_, steady() + trial.KEPT_FOR) is None
        trial.sweep(steady())
        assert trial.find(id_, steady()) is not None
        trial.sweep(steady() + trial.KEPT_FOR)
    assert signed_in.get(page).status_code == 404


def test_a_removed_provider_has_no_button(administrator: FlaskClient) -> None:
    assert administrator.post(f"{SETTINGS}/remove").status_code == 303
    assert saved(administrator) is None
    visitor = administrator.application.test_client()
    assert "Sign in with Example ID" not in visitor.get("/sign-in").get_data(as_text=True)
