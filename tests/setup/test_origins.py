"""A stored secret goes to the addresses it was typed for and to no others. Rungs: H, R."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

import msgspec
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from harmony.clock import now
from harmony.db import db, write
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.jobs.uem_client import connection
from harmony.models import Integration, IntegrationState
from harmony.models.configuration import SERVER, ServerDetails, from_row, to_row
from harmony.security.credentials import SECRET_FIELDS, seal_secrets
from harmony.security.keys import new_vault_key
from harmony.security.vault import Vault
from harmony.setup import rotation, secrets
from harmony.setup.verify import verify
from harmony.setup.wizard_state import WizardState
from harmony.sync import job as sync_job
from harmony.uem.http.deadline import Deadline
from harmony.uem.http.exchange import DirectExchange
from harmony.uem.http.request import Request
from harmony.uem.http.response import Answer
from harmony.uem.trust.address import origin_of
from harmony.uem.verify.checks import Observation
from harmony.uem.verify.network import NetworkChecks
from tests.builders import an_integration
from tests.sampling import sample

# Names that differ in host, port and path; one is written in two ways.
SERVERS = ("https://as1.example.com", "https://AS1.example.com:443/API", "https://as2.example.com",
           "https://as1.example.com:8443")  # fmt: skip
TOKENS = ("https://t1.example.com/connect/token", "https://t2.example.com/connect/token",
          "https://as2.example.com/connect/token")  # fmt: skip
ORIGINS = {SERVERS[1]: "https://as1.example.com"}


def origin(url: str) -> str:
    return ORIGINS.get(url, "/".join(url.split("/")[:3]))


@dataclass
class Wire:
    """Every request that would have left, and who may receive which secret."""

    allowed: dict[str, set[str]] = field(default_factory=dict)
    leaks: list[str] = field(default_factory=list)
    seen: int = 0
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def typed(self, kind: str, server: str, token: str) -> str:
        """A new secret, typed beside these addresses."""
        secret = f"{kind}-secret-{next(self.numbers)}"
        self.allowed[secret] = {origin(token)} if kind == "client_secret" else {origin(server)}
        if kind == "client_secret":
            # What it buys may go to the server it was typed for.
            self.allowed[f"bearer-of-{secret}"] = {origin(server)}
        return secret

    def exchange(self, origin: str, request: Request) -> Answer:
        self.seen += 1
        sent = " ".join([*request.headers.values(), *(request.form or {}).values()])
        if (basic := request.headers.get("Authorization", "")).startswith("Basic "):
            sent += " " + unquote_plus(base64.b64decode(basic[6:]).decode())
        for secret, origins in self.allowed.items():
            if secret in sent.replace(":", " ").split() and origin not in origins:
                self.leaks.append(f"{secret} of {origins} went to {origin}")
        return self.answer(request, sent)

    def answer(self, request: Request, sent: str) -> Answer:
        if request.method == "POST":
            secret = next(word for word in sent.split() if word.startswith("client_secret-secret-"))
            return data({"access_token": f"bearer-of-{secret}", "expires_in": 3600})
        if request.path == "/API/system/info":
            return data({"ProductName": "AirWatch Platform Service", "ProductVersion": "26.2.0.0"})
        if request.path == "/API/system/groups/search" and request.params["page"] == "0":
            return data({"OrganizationGroups": [{"Id": 570, "Name": "Acme", "LgLevel": 0, "Devices": "1"}]})
        if request.path.endswith("/children"):
            return data([{"Id": {"Value": 570}, "Name": "Acme", "Devices": "1"}])
        return Answer(204, {}, b"")


def data(value: Any) -> Answer:
    return Answer(200, {"Content-Type": "application/json"}, msgspec.json.encode(value))


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """A network on which every name exists and every server believes whatever it is sent."""
    wire = Wire()

    def send(exchange: DirectExchange, request: Request, _deadline: Deadline) -> Answer:
        return wire.exchange(exchange.target.address.origin, request)

    monkeypatch.setattr(DirectExchange, "send", send)
    for step in ("check_address", "find_name", "connect", "speak_tls"):
        monkeypatch.setattr(NetworkChecks, step, lambda _self: Observation("It is there."))
    return wire


def in_force(wire: Wire) -> int:
    """An active integration with every secret stored, and in force for the first addresses."""
    with write() as session:  # those of the examples before would read the same groups
        session.execute(update(Integration).values(state=IntegrationState.REMOVED))
    id_ = an_integration()
    typed = {kind: wire.typed(kind, SERVERS[0], TOKENS[0]) for kind in SECRET_FIELDS}
    details = ServerDetails(
        display_name="Test UEM", server_address=SERVERS[0], token_address=TOKENS[0], client_id="id",
        username="api", **typed,
    )  # fmt: skip
    with write() as session:
        page = session.get_one(Integration, id_).page(SERVER)
        assert page is not None
        page.draft = page.applied = to_row(seal_secrets(id_, details))
    assert verify(id_, SERVER)
    return id_


@dataclass
class Person:
    """Somebody with the wizard, the command line and a worker, in any order."""

    app: Flask
    client: FlaskClient
    wire: Wire
    id_: int

    def page(self, server: int, token: int, oauth: bool, typed: frozenset[str], press: str) -> None:
        with self.app.app_context():
            row = db.session.get_one(Integration, self.id_).page(SERVER)
            assert row is not None
            edition = row.edition
        names = SERVERS[server], TOKENS[token]
        form = {
            "display_name": "Test UEM", "server_address": names[0], "token_region": "other",
            "token_other": names[1], "client_id": "id", "username": "api", "edition": edition,
        }  # fmt: skip
        form |= {kind: self.wire.typed(kind, *names) for kind in typed}
        form |= {"use_oauth2": "y"} if oauth else {}
        answer = self.client.post(f"/integrations/{self.id_}/setup/server{press}", data=form)
        assert answer.status_code in {200, 303, 409, 422}

    def clear(self, kind: str) -> None:
        self.client.post(f"/integrations/{self.id_}/setup/server/clear?field={kind}", data={})

    def rotate(self) -> None:
        with self.app.app_context():
            self.app.extensions["harmony.keys"].insert(0, new_vault_key())
            self.app.extensions["harmony.vault"] = Vault(self.app.extensions["harmony.keys"])
            rotation.rotate(dry_run=False)
            secrets.check()

    def sync(self) -> None:
        with self.app.app_context():
            lease.request(self.id_, JobKind.DEVICES, "test", now())
            sync_job.sync(self.id_)

    def verify_in_force(self) -> None:
        self.client.post(f"/integrations/{self.id_}/verify")
        self.client.post(f"/integrations/{self.id_}/preview")


PAGES = st.tuples(
    st.just("page"),
    st.integers(0, len(SERVERS) - 1),
    st.integers(0, len(TOKENS) - 1),
    st.booleans(),
    st.frozensets(st.sampled_from(SECRET_FIELDS)),
    st.sampled_from(["", "/verify", "/verify?then=next"]),
)
OTHERS = st.one_of(
    st.tuples(st.just("clear"), st.sampled_from(SECRET_FIELDS)),
    st.sampled_from([("rotate",), ("sync",), ("verify_in_force",)]),
)


@settings(
    max_examples=sample(8, 250),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(acts=st.lists(st.one_of(PAGES, PAGES, OTHERS), min_size=2, max_size=8))
def test_no_order_of_pages_verifies_and_runs_sends_a_secret_where_it_was_not_typed_for(
    app: Flask, signed_in: FlaskClient, wire: Wire, acts: list[tuple[Any, ...]]
) -> None:
    key = new_vault_key()
    app.extensions["harmony.keys"], app.extensions["harmony.vault"] = [key], Vault((key,))
    with app.app_context():
        person = Person(app, signed_in, wire, in_force(wire))
    for name, *arguments in acts:
        getattr(person, name)(*arguments)
    assert wire.seen > 0
    assert wire.leaks == []


@pytest.mark.parametrize("first_oauth", [True, False])
def test_a_method_switched_after_the_address_moved_finds_its_secrets_locked(
    app: Flask, signed_in: FlaskClient, wire: Wire, first_oauth: bool
) -> None:
    with app.app_context():
        person = Person(app, signed_in, wire, in_force(wire))
    typed = frozenset({"client_secret"} if first_oauth else {"password", "api_key"})
    person.page(2, 1, first_oauth, typed, "")
    before = wire.seen
    with app.app_context():
        row = db.session.get_one(Integration, person.id_).page(SERVER)
        assert row is not None
        assert from_row(ServerDetails, row.draft).server_address == SERVERS[2], "kept, though not verified"
    answer = signed_in.post(
        f"/integrations/{person.id_}/setup/server/verify",
        data={
            "display_name": "Test UEM", "server_address": SERVERS[2], "token_region": "other",
            "token_other": TOKENS[1], "client_id": "id", "username": "api", "edition": row.edition,
        } | ({} if first_oauth else {"use_oauth2": "y"}),
    )  # fmt: skip
    assert answer.status_code == 422
    says = answer.get_data(as_text=True)
    owner = "https://as1.example.com" if first_oauth else "https://as1.example.com and https://t1.example.com"
    for label in ("Password", "API Key") if first_oauth else ("Client Secret",):
        assert f"Enter the {label} again: the saved one belongs to {owner}." in says
    assert (wire.seen, wire.leaks) == (before, [])


def test_back_at_its_own_address_a_secret_need_not_be_typed_again(
    app: Flask, signed_in: FlaskClient, wire: Wire
) -> None:
    with app.app_context():
        person = Person(app, signed_in, wire, in_force(wire))
    person.page(2, 0, True, frozenset({"client_secret"}), "")
    person.page(1, 0, False, frozenset(), "/verify?then=next")
    with app.app_context():
        integration = db.session.get_one(Integration, person.id_)
        assert SERVER in WizardState(integration).verified
        applied = from_row(ServerDetails, integration.page(SERVER).applied)  # type: ignore[union-attr]
        assert origin_of(connection(person.id_, applied).server_url) == origin(SERVERS[0])
    assert wire.leaks == []
