"""How a client is shown to its token service, and where its token may go. Rung: R."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs

import pytest
import responses

from harmony.uem.connection import Connection, OAuth2
from harmony.uem.errors import BlockedByPolicy, SignInRefused, UemError
from harmony.uem.http.client import Transport
from harmony.uem.http.request import Request
from harmony.uem.http.server_wait import ServerWait
from harmony.uem.http.shared_state import NotShared, TokenKey
from harmony.uem.workspace_one.client import WorkspaceOne
from tests.canaries import watch
from tests.uem.test_workspace_one import HOST, INFO, TOKEN, Reply, Seconds, a_token, reply, sent, serve

SECRET = "canary secret+/=:1"
HEADER = "Basic " + base64.b64encode(b"client%3A1:canary+secret%2B%2F%3D%3A1").decode()
watch(SECRET)


class Remembered(NotShared):
    """What a database remembers between two clients, of the token service alone."""

    def __init__(self) -> None:
        self.way: bool | None = None

    def by_header(self, key: TokenKey) -> bool | None:
        return self.way

    def keep_by_header(self, key: TokenKey, by_header: bool) -> None:
        self.way = by_header


@pytest.fixture
def wire() -> Any:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        serve(mock, "/API/system/info", INFO)
        yield mock


def ask(shared: NotShared) -> str:
    client = WorkspaceOne(
        Connection(HOST, OAuth2(TOKEN, "client:1", SECRET), shared=shared), times=Seconds().times()
    )
    return client.system_info().product


def answers(wire: Any, *, header: Reply, form: Reply) -> None:
    """A token service that answers to either way of showing the client."""

    def choose(request: Any) -> Reply:
        return header if "Authorization" in request.headers else form

    wire.add_callback(responses.POST, TOKEN, callback=choose, content_type="application/json")


REFUSED = reply({"error": "invalid_client"}, 401)


@pytest.mark.parametrize("status", [400, 401])
def test_a_service_that_wants_a_header_gets_it_second_and_then_at_once(wire: Any, status: int) -> None:
    answers(wire, header=a_token(), form=reply({"error": "Invalid_Client"}, status))
    shared = Remembered()
    assert ask(shared)
    form, header = sent(wire, "/connect/token")
    assert parse_qs(str(form.body))["client_secret"] == [SECRET]
    assert header.headers["Authorization"] == HEADER
    assert parse_qs(str(header.body)) == {"grant_type": ["client_credentials"]}
    assert ask(shared)
    assert [request.headers.get("Authorization") for request in sent(wire, "/connect/token")[2:]] == [HEADER]


def test_a_service_that_takes_the_form_again_is_remembered_too(wire: Any) -> None:
    answers(wire, header=REFUSED, form=a_token())
    shared = Remembered()
    shared.way = True
    assert ask(shared)
    assert shared.way is False


def test_a_client_that_is_not_known_is_shown_twice_and_nothing_is_remembered(wire: Any) -> None:
    answers(wire, header=REFUSED, form=REFUSED)
    shared = Remembered()
    with pytest.raises(SignInRefused, match="token service refuses the client"):
        ask(shared)
    assert len(sent(wire, "/connect/token")) == 2
    assert shared.way is None


@pytest.mark.parametrize(
    "answer",
    [
        reply({"error": "unauthorized_client"}, 400),
        reply({"error": "invalid_grant"}, 400),
        reply({"error": "account_locked"}, 401),
        reply("", 401),
        reply("<html>Locked</html>", 401),
        reply({"error": "invalid_client"}, 403),
        reply({"error": ["invalid_client"]}, 400),
        reply("invalid_client", 400),
    ],
)
def test_after_any_other_refusal_the_secret_is_not_shown_again(wire: Any, answer: Reply) -> None:
    answers(wire, header=a_token(), form=answer)
    with pytest.raises(UemError):
        ask(Remembered())
    assert len(sent(wire, "/connect/token")) == 1


def test_a_secret_of_one_server_is_never_sent_to_another(wire: Any) -> None:
    answers(wire, header=a_token(), form=a_token())
    client = WorkspaceOne(Connection(HOST, OAuth2(TOKEN, "client", SECRET)), times=Seconds().times())
    client._sign_in.origin = "https://as2.example.com"
    with pytest.raises(BlockedByPolicy, match="belong to another server"):
        client.system_info()
    assert sent(wire, "info") == []


def test_no_transport_sends_what_was_signed_for_another_origin(wire: Any) -> None:
    client = WorkspaceOne(Connection(HOST, OAuth2(TOKEN, "client", SECRET)), times=Seconds().times())
    transport: Transport = client._transport
    for origin in ("http://as1.example.com", f"{HOST}:8443", "https://as2.example.com", ""):
        with pytest.raises(BlockedByPolicy):
            transport.fetch(Request("GET", "/API/system/info", secret_of=origin), lambda answer: answer)
    assert len(wire.calls) == 0


def test_the_wait_of_a_server_is_kept_by_the_one_that_fetches_tokens(wire: Any) -> None:
    """A 429 of the token service binds every process too."""
    kept: list[ServerWait] = []

    class Keeping(Remembered):
        def keep_wait(self, wait: ServerWait) -> None:
            kept.append(wait)

    answers(wire, header=a_token(), form=reply("", 429, **{"Retry-After": "900"}))
    with pytest.raises(UemError):
        ask(Keeping())
    assert [(wait.origin, wait.until - wait.since) for wait in kept] == [
        (TOKEN.removesuffix("/connect/token"), kept[0].until - kept[0].since)
    ]
    assert (kept[0].until - kept[0].since).total_seconds() == 900
