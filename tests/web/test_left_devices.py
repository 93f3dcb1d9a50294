"""Before Finish, what removed integrations left is shown (rung: shell)."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from harmony.clock import now
from harmony.db import write
from harmony.models import Integration, IntegrationState
from harmony.sync import lifecycle
from tests.protect.agent import an_open_integration


def a_draft() -> int:
    id_ = an_open_integration(devices=0, token="hmtoken_shown-on-this-page")
    with write() as session:
        session.get_one(Integration, id_).state = IntegrationState.DRAFT
    return id_


def deployment_page(client: FlaskClient, id_: int) -> str:
    answer = client.get(f"/integrations/{id_}/setup/deployment")
    assert answer.status_code == 200, answer.headers.get("Location")
    return answer.get_data(as_text=True)


def test_devices_of_a_removed_integration_are_shown_before_finish(
    context: Flask, signed_in: FlaskClient
) -> None:
    former = an_open_integration(devices=3)
    draft = a_draft()
    assert "Delete existing devices first" not in deployment_page(signed_in, draft)
    lifecycle.remove(former, "kim", now(), keep_devices=True)
    page = deployment_page(signed_in, draft)
    assert "Delete existing devices first" in page
    assert f"/devices?integration={former}" in page
    assert f"/integrations/{former}/remove" in page
