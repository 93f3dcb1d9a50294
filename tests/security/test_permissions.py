"""Rung R: the table of permissions, and a refusal for every view that a role does not reach."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from harmony.clock import now
from harmony.db import db, write
from harmony.models import Role, RoleSettings, User
from harmony.security import permissions
from harmony.security.auth import principal_for
from harmony.security.permissions import MEANINGS, ROLES, Permission, is_permitted, needed_by, needs
from harmony.security.principal import Principal, group_key
from harmony.security.users import create_user
from tests.conftest import PASSWORD


def principal(role: Role, *groups: str) -> Principal:
    return Principal(1, "kim", role, frozenset(groups) if groups else None)


def sign_in(app: Flask, role: Role, scope: list[str] | None = None) -> FlaskClient:
    """A browser signed in as a new user of that role."""
    with app.app_context():
        create_user(f"kim {role}", PASSWORD, role, now())
        with write() as session:
            session.query(User).filter_by(name=f"kim {role}").update({"scope": scope})
    client = app.test_client()
    answer = client.post("/sign-in", data={"name": f"kim {role}", "password": PASSWORD})
    assert answer.status_code == 303
    return client


def test_each_role_has_what_the_lower_ones_have_and_more() -> None:
    viewer, operator, administrator = (ROLES[role] for role in Role)
    assert viewer < operator < administrator == frozenset(Permission)
    assert set(MEANINGS) == set(Permission)


def test_a_view_without_a_mark_is_closed() -> None:
    def view() -> None: ...

    assert needed_by(view, "GET") is needed_by(view, "HEAD") is Permission.VIEW_ALL
    assert needed_by(view, "POST") is needed_by(view, "PUT") is needed_by(None, "DELETE")
    assert needed_by(view, "POST") is Permission.ADMINISTER
    assert needed_by(needs(Permission.OPERATE)(view), "POST") is Permission.OPERATE


@pytest.mark.parametrize("permission", Permission)
@pytest.mark.parametrize("role", Role)
def test_a_scope_takes_what_is_not_filtered_by_it(role: Role, permission: Permission) -> None:
    allowed = permission in ROLES[role]
    assert is_permitted(principal(role), permission) is allowed
    narrowed = allowed and permission in permissions.WITHIN_SCOPE
    assert is_permitted(principal(role, group_key(1, "7")), permission) is narrowed
    assert not is_permitted(None, permission)


def test_a_refusal_names_the_role_or_the_scope() -> None:
    assert permissions.refusal(principal(Role.VIEWER), Permission.OPERATE) == (
        "This needs the role operator or administrator. Yours is viewer."
    )
    assert "limited to some device groups" in permissions.refusal(
        principal(Role.OPERATOR, "1:7"), Permission.OPERATE_ALL
    )


def test_what_a_role_may_not_do_is_refused_with_a_sentence_and_the_page_is_not_in_the_navigation(
    app: Flask, client: FlaskClient
) -> None:
    viewer = sign_in(app, Role.VIEWER)
    refused = viewer.get("/audit")
    assert refused.status_code == 403
    assert "This needs the role administrator. Yours is viewer." in refused.text
    assert "Ask an administrator if you need it." in refused.text
    assert viewer.post("/integrations/1/sync").status_code == 403
    assert viewer.post("/integrations").status_code == 403
    home = viewer.get("/devices").text
    assert 'href="/devices"' in home
    assert 'href="/audit"' not in home
    assert viewer.get("/nothing-here").status_code == 404


def test_an_operator_operates_and_does_not_administer(app: Flask, client: FlaskClient) -> None:
    operator = sign_in(app, Role.OPERATOR)
    assert operator.post("/integrations/1/sync").status_code == 404
    assert operator.post("/devices/1/restore").status_code in {303, 404}
    assert operator.post("/integrations").status_code == 403


def test_a_scope_closes_what_concerns_all_devices(app: Flask, client: FlaskClient) -> None:
    operator = sign_in(app, Role.OPERATOR, [group_key(1, "7")])
    assert operator.get("/devices").status_code == 200
    refused = operator.get("/integrations")
    assert refused.status_code == 403
    assert "Your access is limited to some device groups" in refused.text
    assert operator.post("/integrations/1/sync").status_code == 403


def test_a_disabled_user_neither_signs_in_nor_goes_on(app: Flask, client: FlaskClient) -> None:
    viewer = sign_in(app, Role.VIEWER)
    with app.app_context(), write() as session:
        session.query(User).filter_by(name="kim viewer").update({"disabled_at": now()})
    assert viewer.get("/devices").status_code == 303
    assert viewer.post("/sign-in", data={"name": "kim viewer", "password": PASSWORD}).status_code == 422


def test_a_role_hides_personal_data_and_an_administrator_sees_everything(context: Flask) -> None:
    with write() as session:
        session.add(RoleSettings(role=Role.VIEWER, hides_personal_data=True))
    viewer = create_user("kim", PASSWORD, Role.VIEWER, now())
    chief = create_user("ada", PASSWORD, Role.ADMINISTRATOR, now())
    chief.scope = [group_key(1, "7")]
    assert principal_for(viewer).hides_personal_data
    assert not principal_for(chief).hides_personal_data
    assert principal_for(chief).scope is None
    db.session.rollback()
