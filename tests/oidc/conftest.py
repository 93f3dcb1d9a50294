"""Fixtures: a provider that a test may spoil, and a dashboard that signs people in there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from harmony.oidc import provider as known_providers
from tests.oidc.fake import CLIENT_ID, CLIENT_SECRET, FakeProvider, fake_provider

SETTINGS = "/settings/single-sign-on"


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    known_providers.forget()
    with fake_provider() as provider:
        yield provider


@pytest.fixture
def typed(provider: FakeProvider) -> dict[str, str]:
    """The form of the settings as somebody fills it in."""
    return {
        "name": "Example ID",
        "issuer": provider.issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "scopes": "openid profile",
        "claim_path": "groups",
        "rules": "harmony-admins = administrator\nharmony-operators = operator",
        "certificate": "",
        "edition": "0",
    }


@pytest.fixture
def administrator(signed_in: FlaskClient, typed: dict[str, str]) -> FlaskClient:
    """The local administrator, who has saved the provider."""
    answer = signed_in.post(SETTINGS, data=typed)
    assert answer.status_code == 303, answer.get_data(as_text=True)
    return signed_in


@pytest.fixture
def visitor(administrator: FlaskClient) -> FlaskClient:
    """A browser of somebody who is not signed in."""
    return administrator.application.test_client()
