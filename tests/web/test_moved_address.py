"""A wizard page that moved to another server takes no stored secret along. Rung: S, two servers over TLS."""

from __future__ import annotations

import base64

from flask.testing import FlaskClient

from tests.canaries import watch
from tests.faults.certs import a_certificate
from tests.faults.faulty import FaultyServer, answering, http, serving
from tests.web.walking import Walk

PASSWORD, API_KEY, SECRET = "stays-password-1", "stays-key-2", "stays-secret-3"
TOKEN = b'{"access_token": "bearer-of-the-old-server", "expires_in": 3600}'
BASIC = base64.b64encode(f"api:{PASSWORD}".encode())
watch(PASSWORD, API_KEY, SECRET)


def received(server: FaultyServer) -> bytes:
    return b"\n".join(server.requests)


def test_a_password_stays_with_its_server_when_oauth_moved_the_page(signed_in: FlaskClient) -> None:
    made = a_certificate()
    with serving(answering(http()), made) as (old, pem), serving(answering(http(TOKEN)), made) as (new, _):
        walk = Walk.begin(signed_in, "workspace_one")
        typed = {"username": "api", "password": PASSWORD, "api_key": API_KEY}
        pinned = {"self_signed": "y", "certificate": pem}
        walk.verify("server", drop=("use_oauth2",), server_address=old.url, **typed, **pinned)
        assert BASIC in received(old)
        moved = {
            "server_address": new.url,
            "token_region": "other",
            "token_other": new.url,
            "use_oauth2": "y",
        }
        answer = walk.send("server", client_id="id", client_secret=SECRET, **moved)
        assert answer.status_code == 422, "kept, and not verified"
        answer = walk.send("server", "/verify", drop=("use_oauth2",))
        assert answer.status_code == 422
        page = answer.get_data(as_text=True)
        assert f"Enter the Password again: the saved one belongs to {old.url}." in page
        assert f"Enter the API Key again: the saved one belongs to {old.url}." in page
        assert new.requests == []


def test_a_client_secret_and_its_token_stay_when_the_password_moved_the_page(signed_in: FlaskClient) -> None:
    made = a_certificate()
    with serving(answering(http(TOKEN)), made) as (old, pem), serving(answering(http()), made) as (new, _):
        walk = Walk.begin(signed_in, "workspace_one")
        pinned = {"self_signed": "y", "certificate": pem}
        walk.verify(
            "server", server_address=old.url, use_oauth2="y", token_region="other", token_other=old.url,
            client_id="id", client_secret=SECRET, **pinned,
        )  # fmt: skip
        assert SECRET.encode() in received(old)
        assert b"bearer-of-the-old-server" in received(old)
        typed = {"username": "api", "password": PASSWORD, "api_key": API_KEY}
        walk.verify("server", drop=("use_oauth2",), server_address=new.url, **typed)
        assert BASIC in received(new)
        answer = walk.send("server", "/verify", use_oauth2="y")
        assert answer.status_code == 422
        says = f"Enter the Client Secret again: the saved one belongs to {old.url}."
        assert says in answer.get_data(as_text=True)
        assert not [word for word in (SECRET.encode(), b"Bearer") if word in received(new)]
