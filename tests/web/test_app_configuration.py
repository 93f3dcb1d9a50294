"""The page of the app configuration and the rotation of the token, as a browser sees them (rung: shell)."""

from __future__ import annotations

import json
import plistlib

from flask import Flask
from flask.testing import FlaskClient

from harmony.db import db
from harmony.models import Integration
from harmony.setup import drafts
from harmony.simulator import certificate
from tests.protect.agent import an_open_integration

# No secret of the other tests: those are looked for on every page, and this one shows it.
TOKEN = "hmtoken_shown-on-this-page"


def test_the_files_hold_the_values_of_the_page(context: Flask, signed_in: FlaskClient) -> None:
    here = f"/integrations/{an_open_integration(token=TOKEN)}/app-configuration"
    page = signed_in.get(here).get_data(as_text=True)
    assert "{DeviceUid}" in page
    assert TOKEN in page
    text = signed_in.get(f"{here}/configuration.plist").get_data()
    assert plistlib.loads(b'<plist version="1.0">' + text + b"</plist>")["token"] == TOKEN
    android = json.loads(signed_in.get(f"{here}/restrictions.json?uem=knox").get_data())
    assert {"key": "mdm_uuid", "valueString": "${DeviceID}"} in android["managedProperty"]
    assert signed_in.get(f"{here}/another.file").status_code == 404


def test_names_are_saved_and_two_keys_never_have_one(context: Flask, signed_in: FlaskClient) -> None:
    id_ = an_open_integration(token=TOKEN)
    here = f"/integrations/{id_}/app-configuration"
    refused = signed_in.post(here, data={"token": "server", "app_id": "com.acme.protect"})
    assert refused.status_code == 422
    assert "Another key has this name." in refused.get_data(as_text=True)
    assert signed_in.post(here, data={"token": "key", "app_id": "com.acme.protect"}).status_code == 303
    assert "<key>key</key>" in signed_in.get(f"{here}/configuration.plist").get_data(as_text=True)
    db.session.rollback()
    deployment = db.session.get_one(Integration, id_).in_force.deployment
    assert (deployment.app_keys, deployment.app_id) == ({"token": "key"}, "com.acme.protect")


def test_a_text_that_is_no_certificate_is_refused_beside_its_field(
    context: Flask, signed_in: FlaskClient
) -> None:
    here = f"/integrations/{an_open_integration(token=TOKEN)}/app-configuration"
    assert signed_in.post(here, data={"app_ca": "nonsense"}).status_code == 422
    assert signed_in.post(here, data={"app_ca": certificate.make().pem}).status_code == 303


def test_rotate_keeps_the_former_token_for_a_while_and_end_now_ends_it(
    context: Flask, signed_in: FlaskClient
) -> None:
    id_ = an_open_integration(token=TOKEN)
    page = f"/integrations/{id_}/setup/deployment"
    assert signed_in.post(f"/integrations/{id_}/token/rotate", data={"overlap": "7"}).status_code == 303
    shown = signed_in.get(page).get_data(as_text=True)
    assert "The former token is accepted until" in shown
    assert TOKEN not in shown
    assert drafts.token(db.session.get_one(Integration, id_)) in shown
    assert signed_in.post(f"/integrations/{id_}/token/end-overlap").status_code == 303
    assert "The former token is accepted until" not in signed_in.get(page).get_data(as_text=True)
    assert signed_in.post(f"/integrations/{id_}/token/rotate", data={"overlap": "999"}).status_code == 422
