"""Rotation reaches every column that the vault's texts are stored in (rung: shell)."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from flask import Flask
from sqlalchemy import inspect, select, text

from harmony import create_app
from harmony.clock import now
from harmony.config import Settings
from harmony.db import Base, db, write
from harmony.jobs.shared_state import shared_state
from harmony.messages import settings as message_settings
from harmony.messages.settings import MailServerValues
from harmony.models import ChannelKind, Integration, SetupPage, TotpSecret, User
from harmony.models.configuration import SERVER, ServerDetails, to_row
from harmony.oidc import flow, logout, trial
from harmony.oidc import settings as provider_settings
from harmony.oidc.identity import VerifiedIdentity
from harmony.oidc.rules import RuleResult
from harmony.oidc.settings import ProviderSettings
from harmony.oidc.trial import SignOnOutcome
from harmony.outbound import destinations
from harmony.outbound.destinations import DestinationValues
from harmony.security import kept_forms, outbound_proxy, sessions
from harmony.security.credentials import seal_secrets
from harmony.security.factors import totp
from harmony.security.kept_forms import TypedForm
from harmony.security.keys import new_vault_key
from harmony.security.outbound_proxy import ProxyValues
from harmony.security.vault import vault
from harmony.setup import drafts, rotation, secrets
from harmony.setup.rotation import SEALED_COLUMNS, Rotation
from harmony.uem.http.shared_state import Token, TokenKey
from tests.builders import an_integration
from tests.canaries import watch

PACKAGE = Path(__file__).resolve().parents[2] / "harmony"
SECRET = "rotate-every-canary"
TYPED = TypedForm((("client_secret", SECRET), ("display_name", "Half typed")), {"file": b"PEM"})
PROVIDER = ProviderSettings("Example ID", "https://id.test", "client", client_secret=SECRET)
KEY = TokenKey("https://uem.test", "https://token.test/connect/token", "client", SECRET)
SEALED = re.compile(r"v[12]\.[0-9a-f]{8}\.")

# Every function that seals, and the columns that keep what it makes. A new one comes with its row here, and
# its column in `SEALED_COLUMNS`.
SEALING = {
    "security/kept_forms.py:seal": set(),  # for the two below, which say what it is bound to
    "security/kept_forms.py:keep": {"kept_form.sealed"},
    "setup/drafts.py:keep_typed": {"setup_page.typed"},
    "setup/drafts.py:clear_secret": {"setup_page.typed"},
    "setup/drafts.py:new_token": {"setup_page.draft", "setup_page.applied"},
    "setup/token_rotation.py:_seal_former": {"setup_page.draft", "setup_page.applied"},
    "setup/secrets.py:renew_canary": {"vault_canary.sealed"},
    "ops/shared_keys.py:_refuse_others": {"vault_canary.sealed"},
    "setup/legacy_secrets.py:_sealed_for": {"setup_page.draft", "setup_page.applied"},
    "security/credentials.py:seal_secrets": {"setup_page.draft", "setup_page.applied"},
    "messages/settings.py:_sealed": {"mail_server.password"},
    "security/outbound_proxy.py:_sealed": {"outbound_proxy.password"},
    "security/sessions.py:_resealed": {"provider_session.id_token"},
    "messages/settings.py:add_channel": {"message_channel.url"},
    "messages/settings.py:save_channel": {"message_channel.url"},
    "oidc/settings.py:_sealed": {"identity_provider.client_secret"},
    "oidc/flow.py:_store": {"sign_on_flow.sealed"},
    "oidc/trial.py:create": {"sign_on_test.sealed"},
    "oidc/trial.py:record": {"sign_on_test.outcome"},
    "oidc/logout.py:link_session": {"provider_session.id_token"},
    "outbound/destinations.py:_apply": {"destination.url", "destination.secret"},
    "outbound/destinations.py:_renew_secret": {"destination.secret", "destination.former_secret"},
    "jobs/shared_state.py:keep_token": {"access_token.sealed"},
    "security/factors/totp.py:begin": {"totp_secret.sealed", "totp_secret.pending"},
    "web/demo/state.py:keep": set(),  # a cookie, which is given again
    "security/vault.py:reseal": set(),  # what rotation itself calls
}

watch(SECRET)


def under(settings: Settings, *vault_keys: str) -> Flask:
    """The same data under other keys, as after a restart."""
    return create_app(replace(settings, vault_keys=vault_keys))


def fill() -> int:
    """Put a sealed text into every column that can hold one; the integration's id."""
    id_, at = an_integration(), now()
    with write() as session:
        page = session.get_one(SetupPage, (id_, SERVER))
        server = ServerDetails(
            server_address="https://uem.test", token_address="https://token.test", client_secret=SECRET
        )
        page.draft = page.applied = to_row(seal_secrets(id_, server))
        user = User(name="kim", name_key="kim", role="administrator", password_hash="x", created_at=at)
        session.add(user)
        session.flush()
        user_id = user.id
    drafts.keep_typed(id_, SERVER, TYPED, 1)
    assert kept_forms.keep(user_id, "/policy", TYPED, at)
    message_settings.save_mail_server(
        MailServerValues("smtp.test", 587, "starttls", "kim", "kim@uem.test", "", "", password=SECRET),
        0,
        "kim",
        at,
    )
    message_settings.add_channel(ChannelKind.SMS, "Gateway", f"https://gateway.test/?key={SECRET}", "kim", at)
    with write() as session:
        session.add(TotpSecret(user_id=user_id, sealed=vault().seal(SECRET, totp.bound_to(user_id))))
        session.flush()
        totp.begin(session, user_id)
    with write() as session:
        outbound_proxy.put(session, ProxyValues("proxy.test", 3128, "kim", SECRET), 0)
    fill_sign_ons(user_id)
    chosen = DestinationValues(
        "Hook", "webhook", ("event",), "warning", url=f"https://hook.test/?key={SECRET}"
    )
    hook_id, _ = destinations.add("webhook", chosen, False, "kim", at)
    destinations.rotate_secret(hook_id, "kim", at)
    state = shared_state()
    assert state.begin_fetch(KEY, at)
    state.keep_token(KEY, Token("bearer", at, at + timedelta(hours=1)))
    secrets.check()
    return id_


def columns_of_key(key_id: str) -> set[str]:
    """Name every column in which a text is sealed under that key."""
    found = set()
    for table in Base.metadata.tables:
        for column in inspect(db.engine).get_columns(table):
            name = column["name"]
            query = f'SELECT "{name}" FROM "{table}"'  # noqa: S608 - the names of our own columns
            values = db.session.execute(text(query)).scalars()
            if any(f".{key_id}." in str(value) and SEALED.search(str(value)) for value in values):
                found.add(f"{table}.{name}")
    return found


def fill_sign_ons(user_id: int) -> None:
    """Keep the provider, a sign-in under way, a test with its outcome, and a session that began there."""
    at = now()
    with write() as session:
        provider_settings.put(session, PROVIDER, 0)
    flow.keep_address(f"https://id.test/end?id_token_hint={SECRET}", at)
    test_id = trial.create(user_id, PROVIDER, 0, at)
    trial.record(test_id, SignOnOutcome(True, SECRET))
    token = sessions.open_session(db.session.get_one(User, user_id), at)
    logout.link_session(
        token, VerifiedIdentity("https://id.test", "kim-1", "kim", RuleResult(()), {}, f"token of {SECRET}")
    )


def key_id() -> str:
    sealed = db.session.scalars(select(SetupPage.typed).where(SetupPage.typed.is_not(None))).one()
    return str(sealed).split(".")[1]


def registered() -> set[str]:
    return {
        f"{column.class_.__tablename__}.{column.key}"
        for sealed in SEALED_COLUMNS
        for column in sealed.columns
    }


def test_a_rotation_leaves_nothing_under_the_former_key(settings: Settings) -> None:
    old, new = new_vault_key(), new_vault_key()
    with under(settings, old).app_context():
        id_ = fill()
        former = key_id()
        assert columns_of_key(former) == registered()
    with under(settings, new, old).app_context():
        assert rotation.rotate(dry_run=True) == Rotation(renewed=12)
        assert columns_of_key(former) == registered()
        assert rotation.rotate(dry_run=False) == Rotation(renewed=12)
        assert columns_of_key(former) == set()
        assert rotation.rotate(dry_run=False) == Rotation(current=12)
    with under(settings, new).app_context():
        integration = db.session.get_one(Integration, id_)
        assert drafts.typed(integration, SERVER) == TYPED
        [form_id] = db.session.execute(text("SELECT id FROM kept_form")).scalars()
        user_id = db.session.scalars(select(User.id)).one()
        assert kept_forms.find(form_id, user_id, "/policy", now()) == TYPED
        assert shared_state().token(KEY) is None
        assert shared_state().begin_fetch(KEY, now())
        assert secrets.check() == []


def test_what_does_not_open_is_counted_and_left(settings: Settings) -> None:
    old, new = new_vault_key(), new_vault_key()
    with under(settings, old).app_context():
        id_ = fill()
    with under(settings, new).app_context():
        assert rotation.rotate(dry_run=False) == Rotation(locked=12)
    with under(settings, old).app_context():
        assert drafts.typed(db.session.get_one(Integration, id_), SERVER) == TYPED


def test_every_function_that_seals_stores_into_a_column_that_a_rotation_reaches() -> None:
    found = {where for path in PACKAGE.rglob("*.py") for where in _callers_of_seal(path)}
    assert found - SEALING.keys() == set(), "say where the sealed text is stored, and rotate that column"
    assert SEALING.keys() - found == set()
    assert set().union(*SEALING.values()) == registered()


def _callers_of_seal(path: Path) -> set[str]:
    functions = (
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    )
    return {
        f"{path.relative_to(PACKAGE).as_posix()}:{function.name}"
        for function in functions
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] == "seal"
    }
