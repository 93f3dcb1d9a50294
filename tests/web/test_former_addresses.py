"""Pages of the Settings menu are at one kind of address, and former addresses lead there (rung: shell)."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from tests.web.reading import look
from tests.web.test_unfinished import expire, sign_in

KEPT = {"/integrations", "/audit"}  # promised to the outside


def test_every_entry_of_settings_is_below_settings(signed_in: FlaskClient) -> None:
    menu = look(signed_in, "/devices").split('<ul class="menu-panel">')[1].split("</ul>")[0]
    addresses = set(re.findall(r'<a href="([^"]+)"', menu))
    assert len(addresses) > 10
    assert {address for address in addresses if not address.startswith("/settings/")} == KEPT
    for address in KEPT:
        assert signed_in.get(f"/settings{address}?page=2").location == f"{address}?page=2"


@pytest.mark.parametrize(
    ("former", "now"),
    [
        ("/users", "/settings/users"),
        ("/users/3?from=mail", "/settings/users/3?from=mail"),
        ("/messages/settings", "/settings/messages/settings"),
        ("/settings/integrations/1/setup/server", "/integrations/1/setup/server"),
    ],
)
def test_a_former_address_leads_on_for_good_with_its_query(
    signed_in: FlaskClient, former: str, now: str
) -> None:
    answer = signed_in.get(former)
    assert (answer.status_code, answer.location) == (308, now)


@pytest.mark.parametrize(
    "former",
    [
        "/users/..%2f..%2f..%2fwiki", "/users/%2e%2e/%2e%2e/wiki", "/destinations/new/..", "/users/./3",
        "/users/%3fq=1", "/destinations/%25zz", "/users/nothing/here", "/settings/audit/%2e%2e/wiki",
    ],
)  # fmt: skip
def test_a_former_address_leads_only_to_a_page_that_is_there(signed_in: FlaskClient, former: str) -> None:
    answer = signed_in.get(former)
    assert (answer.status_code, answer.location) == (404, None)


@pytest.mark.parametrize(
    ("former", "now"),
    [
        ("/destinations/new/%25zz", "/settings/destinations/new/%25zz"),
        ("/destinations/new/%3fq=1?page=2", "/settings/destinations/new/%3Fq%3D1?page=2"),
        ("/destinations/new/%23caf%C3%A9", "/settings/destinations/new/%23caf%C3%A9"),
    ],
)
def test_what_is_escaped_in_a_former_address_stays_so(signed_in: FlaskClient, former: str, now: str) -> None:
    answer = signed_in.get(former)
    assert (answer.status_code, answer.location) == (308, now)


def test_reload_of_a_refused_form_leads_to_no_other_address_than_that_of_its_page(
    signed_in: FlaskClient,
) -> None:
    assert signed_in.get("/settings/exceptions/risks/%3fq=1/end").location == (
        "/settings/exceptions/risks/%3Fq%3D1"
    )
    assert signed_in.get("/settings/exceptions/risks/../end").location is None


def test_a_form_of_a_former_address_that_was_sent_after_the_session_ended_is_kept(
    signed_in: FlaskClient,
) -> None:
    expire(signed_in.application)
    answer = signed_in.post("/users/new", data={"name": "Kim of Turku"})
    text = sign_in(signed_in, answer)
    assert "You were signed out before this was sent." in text
    assert 'value="Kim of Turku"' in text


def test_a_form_of_an_address_that_never_was_is_not_kept(signed_in: FlaskClient) -> None:
    expire(signed_in.application)
    for address in ("/connectors/nothing", "/users/%2e%2e/connectors", "/messages/3"):
        assert signed_in.post(address, data={"name": "Head office"}).location == "/sign-in"


def test_a_form_of_a_page_that_was_open_during_the_upgrade_still_arrives(signed_in: FlaskClient) -> None:
    sent = signed_in.post("/connectors", data={"name": "Head office"}, follow_redirects=True)
    assert sent.status_code == 200
    assert "Head office" in look(signed_in, "/settings/connectors")


def test_a_former_address_asks_who_is_not_signed_in_to_sign_in(client: FlaskClient) -> None:
    assert client.get("/users/1").location == "/sign-in?next=/users/1"


def test_an_address_that_never_was_is_not_found(signed_in: FlaskClient) -> None:
    assert signed_in.get("/settings/nothing").status_code == 404
    assert signed_in.get("/settings/users/999999").status_code == 404
