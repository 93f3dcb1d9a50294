"""Rung R: Settings > Users, invitations, the last administrator, one's own account."""

from __future__ import annotations

import re
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from flask import Flask
from flask.testing import FlaskClient

from harmony.clock import now, steady
from harmony.db import db, write
from harmony.models import AuditEntry, Role, SignInSession, User
from harmony.security import invitations, sessions, user_changes, users
from harmony.security.user_changes import LastAdministrator
from tests.conftest import ADMINISTRATOR, PASSWORD

GOOD = "seven tall giraffes"
LINK = re.compile(r"http://localhost(/invitation/hrmni_[\w-]{43})")


def invited(signed_in: FlaskClient, **form: object) -> str:
    """Invite kim; return the path of the link."""
    answer = signed_in.post(
        "/settings/users/new", data={"name": "kim", "role": "viewer", "reach": "all"} | form
    )
    assert answer.status_code == 200
    [path] = set(LINK.findall(answer.text))
    return str(path)


def user(name: str) -> User:
    found = users.find(name)
    assert found
    return found


def audited() -> list[tuple[str, str]]:
    rows = [(entry.what, entry.detail) for entry in db.session.query(AuditEntry).order_by(AuditEntry.id)]
    db.session.rollback()
    return rows


def test_an_invited_user_chooses_a_password_by_a_link_that_works_once(
    app: Flask, signed_in: FlaskClient
) -> None:
    path = invited(signed_in, role="operator")
    stranger = app.test_client()
    assert "You will sign in as <strong>kim</strong>" in stranger.get(path).text
    assert stranger.post("/sign-in", data={"name": "kim", "password": GOOD}).status_code == 422
    assert stranger.post(path, data={"password": "short"}).status_code == 422
    assert stranger.post(path, data={"password": GOOD}).location == "/sign-in"
    assert stranger.get(path).status_code == stranger.post(path, data={"password": GOOD}).status_code == 404
    assert stranger.post("/sign-in", data={"name": "kim", "password": GOOD}).status_code == 303
    assert stranger.get("/devices").status_code == 200
    assert stranger.get("/settings/users").status_code == 403
    with app.app_context():
        assert ("Invited a user", "kim as operator") in audited()
        assert "hrmni_" not in repr(audited())


def test_a_link_ends_after_three_days_or_with_a_newer_one(app: Flask, signed_in: FlaskClient) -> None:
    first = invited(signed_in)
    with app.app_context():
        token = first.rpartition("/")[2]
        assert invitations.invited(token, now() + invitations.VALID_FOR - timedelta(seconds=9))
        assert invitations.invited(token, now() + invitations.VALID_FOR) is None
        id_ = user("kim").id
    second = signed_in.post(f"/settings/users/{id_}/reset")
    [path] = set(LINK.findall(second.text))
    assert signed_in.get(first).status_code == 404
    assert signed_in.get(str(path)).status_code == 200


def test_one_of_two_who_use_a_link_at_once_wins(app: Flask, signed_in: FlaskClient) -> None:
    token, start, won = invited(signed_in).rpartition("/")[2], Barrier(2), []

    def accept(password: str) -> None:
        with app.app_context():
            start.wait()
            try:
                invitations.accept(token, password, now())
                won.append(password)
            except invitations.InvitationOver:
                pass

    threads = [Thread(target=accept, args=(f"{GOOD} {n}",)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    with app.app_context():
        assert users.authenticate("kim", won[0])


def test_a_form_that_is_wrong_keeps_what_was_typed(signed_in: FlaskClient) -> None:
    answer = signed_in.post(
        "/settings/users/new", data={"name": ADMINISTRATOR, "role": "operator", "reach": "some"}
    )
    assert answer.status_code == 422
    assert "There is a user of that name already." in answer.text
    assert "Choose at least one device group, or all devices." in answer.text
    assert re.search(r'checked[^>]*value="operator"', answer.text)


def test_a_disabled_user_is_signed_out_and_may_come_back(app: Flask, signed_in: FlaskClient) -> None:
    stranger = app.test_client()
    stranger.post(invited(signed_in), data={"password": GOOD})
    stranger.post("/sign-in", data={"name": "kim", "password": GOOD})
    with app.app_context():
        id_ = user("kim").id
    assert signed_in.post(f"/settings/users/{id_}/disable").status_code == 303
    assert stranger.get("/devices").status_code == 303
    assert stranger.post("/sign-in", data={"name": "kim", "password": GOOD}).status_code == 422
    assert "Disabled" in signed_in.get("/settings/users").text
    signed_in.post(f"/settings/users/{id_}/enable")
    assert stranger.post("/sign-in", data={"name": "kim", "password": GOOD}).status_code == 303
    signed_in.post(f"/settings/users/{id_}/sessions")
    assert stranger.get("/devices").status_code == 303


def test_a_role_counts_from_the_next_request_on_and_a_removed_user_is_gone(
    app: Flask, signed_in: FlaskClient
) -> None:
    stranger = app.test_client()
    stranger.post(invited(signed_in), data={"password": GOOD})
    stranger.post("/sign-in", data={"name": "kim", "password": GOOD})
    with app.app_context():
        id_ = user("kim").id
    assert stranger.get("/audit").status_code == 403
    page = signed_in.post(f"/settings/users/{id_}", data={"role": "administrator", "reach": "all"}).location
    assert page == f"/settings/users/{id_}"
    assert stranger.get("/audit").status_code == 200
    assert signed_in.post(f"/settings/users/{id_}/remove").location == "/settings/users"
    assert stranger.get("/audit").status_code == 303
    assert signed_in.get(f"/settings/users/{id_}").status_code == 404
    with app.app_context():
        assert ("Changed a user", "kim: viewer → administrator") in audited()


def test_what_is_saved_is_shown_on_the_form(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        id_, _ = user_changes.invite("kim", Role.OPERATOR, ["7:g1"], "test", now())
    page = signed_in.get(f"/settings/users/{id_}").text
    assert re.search(r'value="7:g1"[^>]*checked', page)
    assert re.search(r'checked[^>]*value="operator"', page)
    signed_in.post("/settings/users/roles", data={"operator": "y"})
    roles = signed_in.get("/settings/users/roles").text
    assert re.search(r'id="operator"[^>]*checked', roles)
    assert not re.search(r'id="viewer"[^>]*checked', roles)


def test_the_last_administrator_stays(app: Flask, signed_in: FlaskClient) -> None:
    invited(signed_in, role="administrator")
    with app.app_context():
        admin, kim = user(ADMINISTRATOR).id, user("kim").id
        # kim has no password yet, and so administers nothing.
        for change in (user_changes.disable, user_changes.remove, user_changes.reset):
            with pytest.raises(LastAdministrator):
                change(admin, "test", now())
    demoted = signed_in.post(f"/settings/users/{admin}", data={"role": "viewer", "reach": "all"})
    assert demoted.status_code == 409
    assert "This is the last administrator who can sign in." in demoted.text
    for what in ("disable", "remove", "reset"):
        assert signed_in.post(f"/settings/users/{admin}/{what}").status_code == 409
    assert signed_in.post(f"/settings/users/{kim}/disable").status_code == 303


def test_ones_own_password_is_changed_with_the_present_one_and_ends_other_sessions(
    app: Flask, signed_in: FlaskClient
) -> None:
    other = app.test_client()
    other.post("/sign-in", data={"name": ADMINISTRATOR, "password": PASSWORD})
    wrong = signed_in.post("/account/password", data={"current": GOOD, "new": GOOD})
    assert wrong.status_code == 422
    assert "This is not your password." in wrong.text
    assert signed_in.post("/account/password", data={"current": PASSWORD, "new": "short"}).status_code == 422
    assert signed_in.post("/account/password", data={"current": PASSWORD, "new": GOOD}).location == "/account"
    assert signed_in.get("/account").status_code == 200
    assert other.get("/account").status_code == 303
    assert other.post("/sign-in", data={"name": ADMINISTRATOR, "password": PASSWORD}).status_code == 422


def test_ones_own_sessions_are_listed_and_ended_and_nobody_elses(app: Flask, signed_in: FlaskClient) -> None:
    firefox = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
    others = [app.test_client() for _ in range(3)]
    for other in others:
        other.post("/sign-in", data={"name": ADMINISTRATOR, "password": PASSWORD}, headers=firefox)
    page = signed_in.get("/account").text
    assert page.count("Firefox on Linux") == 3
    ends = re.findall(r'action="(/account/sessions/[0-9a-f]{16}/end)"', page)
    assert len(ends) == 3
    assert signed_in.post(ends[0]).status_code == 303
    assert signed_in.post(ends[0]).status_code == 404
    assert sorted(other.get("/account").status_code for other in others) == [200, 200, 303]
    signed_in.post("/account/sessions/end-others")
    assert [other.get("/account").status_code for other in others] == [303, 303, 303]
    assert signed_in.get("/account").status_code == 200


def test_what_is_delicate_asks_for_the_password_again_and_keeps_what_was_typed(
    app: Flask, signed_in: FlaskClient
) -> None:
    with app.app_context(), write() as session:
        session.query(SignInSession).update({"reauthenticated_at": steady() - sessions.REAUTHENTICATED})
    typed = {"name": "kim", "role": "operator", "reach": "all"}
    asked = signed_in.post("/settings/users/new", data=typed)
    assert asked.status_code == 303
    assert asked.location.startswith("/account/confirm?next=/settings/users/new%3Fkept%3D")
    page = signed_in.get(asked.location).text
    # The first is that of the switch of the theme.
    next_ = re.findall(r'name="next" value="([^"]+)"', page)[-1].replace("&amp;", "&")
    assert signed_in.post("/account/confirm", data={"next": next_, "password": GOOD}).status_code == 422
    gone_on = signed_in.post("/account/confirm", data={"next": next_, "password": PASSWORD})
    assert gone_on.location == next_
    form = signed_in.get(next_).text
    assert 'value="kim"' in form
    assert "What you typed is here again; nothing was saved yet." in form
    assert signed_in.post("/settings/users/new", data=typed).status_code == 200
    with app.app_context():
        assert ("Confirmed the password", "") in audited()


def test_a_button_leads_back_to_its_page_after_the_password_and_to_no_other_site(
    app: Flask, signed_in: FlaskClient
) -> None:
    with app.app_context(), write() as session:
        session.query(SignInSession).update({"reauthenticated_at": None})
    for referrer, back in (
        ("http://localhost/settings/users/1", "/settings/users/1"),
        ("https://evil.example//x", "/"),
    ):
        asked = signed_in.post("/settings/users/1/sessions", headers={"Referer": referrer})
        assert asked.location == f"/account/confirm?next={back}"
    boosted = signed_in.post(
        "/settings/users/1/sessions", headers={"HX-Request": "true", "HX-Boosted": "true"}
    )
    assert (boosted.status_code, boosted.headers["HX-Redirect"]) == (401, "/account/confirm?next=/")


def test_a_link_from_before_a_reset_by_command_opens_nothing(app: Flask, signed_in: FlaskClient) -> None:
    link = invited(signed_in, name="kim", role="viewer")
    with app.app_context():
        users.set_password("kim", "eleven quiet lanterns over Oslo")
    assert app.test_client().get(link).status_code in {404, 410, 422}


def test_a_password_by_link_switches_the_password_on_again(app: Flask, signed_in: FlaskClient) -> None:
    invited(signed_in, name="kim", role="viewer")
    with app.app_context():
        with write() as session:
            session.get_one(User, user("kim").id).password_off = True
        token = user_changes.reset(user("kim").id, ADMINISTRATOR, now())
        invitations.accept(token, "eleven quiet lanterns over Oslo", now())
        assert users.authenticate("kim", "eleven quiet lanterns over Oslo") is not None
