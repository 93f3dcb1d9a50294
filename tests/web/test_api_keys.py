"""Settings > API keys: create, show once, list, revoke (rung R)."""

from __future__ import annotations

import re

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from harmony.clock import now
from harmony.db import db, write
from harmony.models import ApiKey, Device, Role
from harmony.security.key_format import PATTERN
from harmony.security.users import create_user
from tests.builders import an_integration
from tests.stored import store
from tests.web.reading import look

PAGE = "/settings/api-keys"
FORM = {"name": "VPN gateway", "acts_for": "", "role": "viewer", "lifetime": "90", "reach": "all"}


def row_of(app: Flask) -> ApiKey:
    with app.app_context():
        return db.session.scalars(select(ApiKey)).one()


def created(client: FlaskClient, **changes: str) -> str:
    """The key as the page shows it this once."""
    answer = client.post(PAGE, data=FORM | changes)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert answer.headers["Cache-Control"] == "no-store"
    found = re.search(PATTERN, answer.get_data(as_text=True))
    assert found
    return found.group()


def test_a_key_is_shown_once_and_opens_the_api(app: Flask, signed_in: FlaskClient) -> None:
    key = created(signed_in)
    row = row_of(app)
    for path in (PAGE, f"{PAGE}/{row.id}"):
        page = look(signed_in, path)
        assert key not in page
        assert row.start in page
    assert 89 <= (row.expires_at - now()).days <= 90
    answer = app.test_client().get("/api/v1/devices", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200


def test_a_revoked_key_opens_nothing(app: Flask, signed_in: FlaskClient) -> None:
    key = created(signed_in)
    path = f"{PAGE}/{row_of(app).id}"
    assert signed_in.post(f"{path}/revoke").status_code == 303
    assert "it opens nothing from now on" in look(signed_in, path)
    assert "Revoked" in look(signed_in, PAGE)
    assert signed_in.post(f"{path}/revoke").status_code == 303
    assert "was revoked already" in look(signed_in, path)
    answer = app.test_client().get("/api/v1/devices", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 401


def test_a_key_can_act_for_a_user(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        user_id = create_user("kim", "forty blue herons near Turku", Role.VIEWER, now()).id
    created(signed_in, acts_for=str(user_id), role="operator", hides_personal_data="y")
    row = row_of(app)
    assert (row.user_id, row.role, row.hides_personal_data) == (user_id, "operator", True)
    assert "kim" in look(signed_in, PAGE)


def test_a_key_can_be_limited_to_device_groups(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        store(an_integration(), 1)
        with write() as session:
            session.execute(update(Device).values(group_id="571", group_name="Sales"))
    created(signed_in, reach="some", scope="1:571")
    row = row_of(app)
    assert row.scope == ["1:571"]
    assert "Sales" in look(signed_in, f"{PAGE}/{row.id}")
    answer = signed_in.post(PAGE, data=FORM | {"reach": "some"})
    assert (answer.status_code, "at least one device group" in answer.get_data(as_text=True)) == (422, True)


def test_what_is_typed_wrong_is_said_and_kept(app: Flask, signed_in: FlaskClient) -> None:
    answer = signed_in.post(PAGE, data=FORM | {"name": "", "lifetime": "365"})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "Give the key a name." in page
    assert re.search(r'<option selected value="365">', page)
    for changes in ({"role": "root"}, {"acts_for": "99"}, {"lifetime": "9999"}, {"name": "x" * 49}):
        assert signed_in.post(PAGE, data=FORM | changes).status_code == 422
    with app.app_context():
        assert db.session.scalars(select(ApiKey)).all() == []


def test_a_page_without_a_key_says_what_keys_are_for(signed_in: FlaskClient) -> None:
    assert "No API key yet" in look(signed_in, PAGE)
    assert signed_in.get(f"{PAGE}/7").status_code == 404
