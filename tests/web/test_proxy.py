"""The page of the outbound proxy. Rung: shell."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from harmony.db import db
from harmony.security import outbound_proxy
from harmony.uem.trust.proxy import Proxy
from tests.canaries import watch

SECRET = "canary of the proxy page"
watch(SECRET)
TYPED = {"host": "proxy.test", "port": "3128", "username": "kim", "password": SECRET, "edition": "0"}


def in_force(client: FlaskClient) -> Proxy | None:
    with client.application.app_context():
        return outbound_proxy.proxy_in_force()


def test_a_proxy_is_saved_and_its_password_never_shown(signed_in: FlaskClient) -> None:
    assert "servers are called directly" in signed_in.get("/settings/proxy").get_data(as_text=True)
    assert signed_in.post("/settings/proxy", data=TYPED).status_code == 303
    assert in_force(signed_in) == Proxy("proxy.test", 3128, "kim", SECRET)
    page = signed_in.get("/settings/proxy").get_data(as_text=True)
    assert "proxy.test" in page
    assert SECRET not in page


def test_the_password_stays_for_the_same_proxy_and_is_asked_for_another(signed_in: FlaskClient) -> None:
    signed_in.post("/settings/proxy", data=TYPED)
    same = TYPED | {"password": "", "edition": "1"}
    assert signed_in.post("/settings/proxy", data=same).status_code == 303
    assert in_force(signed_in) == Proxy("proxy.test", 3128, "kim", SECRET)
    moved = signed_in.post("/settings/proxy", data=same | {"host": "other.test", "edition": "2"})
    assert moved.status_code == 422
    assert "Enter the password of this user for this proxy." in moved.get_data(as_text=True)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("host", "", "Enter the name of the proxy."),
        ("host", "http://proxy.test", "Enter the name alone"),
        ("host", "proxy.test:3128", "Enter the name alone"),
        ("port", "0", "65"),
        ("username", "a:b", "has no colon"),
    ],
)
def test_what_is_wrong_is_told_beside_it(signed_in: FlaskClient, name: str, value: str, says: str) -> None:
    answer = signed_in.post("/settings/proxy", data=TYPED | {name: value})
    assert answer.status_code == 422
    assert says in answer.get_data(as_text=True)
    assert in_force(signed_in) is None


def test_a_save_of_somebody_else_is_not_overwritten_unseen(signed_in: FlaskClient) -> None:
    signed_in.post("/settings/proxy", data=TYPED)
    answer = signed_in.post("/settings/proxy", data=TYPED | {"host": "mine.test"})
    assert answer.status_code == 409
    assert "mine.test" in answer.get_data(as_text=True)


def test_what_is_refused_and_mended_overwrites_no_save_of_somebody_else(signed_in: FlaskClient) -> None:
    before = signed_in.get("/settings/proxy").text
    signed_in.post("/settings/proxy", data=TYPED)
    changed = TYPED | {"host": "mine.test", "edition": edition_of(before)}
    refused = signed_in.post("/settings/proxy", data=changed | {"port": "0"})
    assert refused.status_code == 422
    conflict = signed_in.post("/settings/proxy", data=changed | {"edition": edition_of(refused.text)})
    assert conflict.status_code == 409
    again = signed_in.post("/settings/proxy", data=changed | {"edition": edition_of(conflict.text)})
    assert again.status_code == 303


def edition_of(page: str) -> str:
    found = re.search(r'name="edition" value="(\d+)"', page)
    assert found
    return found[1]


def test_a_removed_proxy_is_gone_with_its_password(signed_in: FlaskClient) -> None:
    signed_in.post("/settings/proxy", data=TYPED)
    assert signed_in.post("/settings/proxy/remove").status_code == 303
    with signed_in.application.app_context():
        assert outbound_proxy.saved_proxy(db.session()) is None
