"""Rung S: every form that is sent after the session has ended is filled again after sign-in."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from wtforms import Form, PasswordField

from harmony import create_app
from harmony.clock import now, steady
from harmony.config import Settings
from harmony.db import db, write
from harmony.jobs.queue import queue_of
from harmony.models import App, KeptForm, PolicyRecord, Role
from harmony.protection import policy
from harmony.protection.policy import Grounds
from harmony.security import auth, kept_forms, passwords
from harmony.security.credentials import NEVER_ECHOED
from harmony.security.users import create_user
from harmony.web.shared.typed import ConsoleForm
from tests.canaries import WatchedClient, watch
from tests.conftest import ADMINISTRATOR, CHEAP, PASSWORD, announced
from tests.stored import store
from tests.web.reading import look
from tests.web.test_unfinished import expire, sign_in
from tests.web.walking import Walk

SECRET = "given-back-canary-0123456789"
KINDS = ("webhook", "syslog", "http", "file")
AGAIN = "What you typed is here again"
MAIL = {"host": "mail.example", "port": "587", "security": "starttls", "sender": "a@example.com"}
FILE = {"name": "Pile", "format": "syslog", "events": "y", "least_severity": "information", "start": "now"}
HOOK = {"kind": "chat", "name": "Hook", "url": "https://127.0.0.1:9/hook"}
# What each endpoint's form is sent to, and the page it is on where that is another address.
FORMS = [
    ("sign_on_settings.save", "/settings/single-sign-on", ""),
    ("sign_on_settings.test", "/settings/single-sign-on/test", "/settings/single-sign-on"),
    ("message_texts.edit", "/settings/messages/texts/en", ""),
    ("message_texts.preview", "/settings/messages/texts/en/preview", "/settings/messages/texts/en"),
    ("users.invite", "/settings/users/new", ""),
    ("users.save_roles", "/settings/users/roles", ""),
    ("users.change_access", "/settings/users/2", ""),
    ("wizard.save", "/integrations/1/setup/server", ""),
    ("wizard.save", "/integrations/1/setup/deployment", ""),
    ("policy.ask_preview", "/settings/policy/preview", "/settings/policy"),
    ("api_keys.create", "/settings/api-keys", "/settings/api-keys/new"),
    ("exceptions.save_risk", "/settings/exceptions/risks/ROOTED", ""),
    ("removal.remove", "/integrations/1/remove", ""),
    *(("destinations.add", f"/settings/destinations/new/{kind}", "") for kind in KINDS),
    ("destinations.save", "/settings/destinations/1/edit", ""),
    ("destinations.replay_since", "/settings/destinations/1/replay", "/settings/destinations/1"),
    ("connectors.add", "/settings/connectors", ""),
    ("message_settings.save", "/settings/messages/settings", ""),
    ("message_settings.test_mail", "/settings/messages/settings/test", "/settings/messages/settings"),
    ("message_settings.add_channel", "/settings/messages/settings/channels", "/settings/messages/settings"),
    ("message_settings.save_channel", "/settings/messages/settings/channels/1", ""),
    ("demo_device.register", "/demo/device/register", "/demo/device"),
    ("apps.edit_exception", "/apps/1/exception", "/apps/1"),
    ("notices.save", "/settings/notices", ""),
    ("proxy.save", "/settings/proxy", ""),
    ("app_configuration.save", "/integrations/1/app-configuration", ""),
]  # fmt: skip
# Forms that are not walked through here, each with its reason.
ELSEWHERE = {
    "message_texts.reset": "a button of the form of message_texts.edit",
    "registration_messages.send_all": "a button alone",
    "registration_messages.send": "buttons alone, one for each channel",
    "wizard.verify": "the form of wizard.save; test_unfinished",
    "wizard.clear": "the form of wizard.save",
    "wizard.create_tags": "the form of wizard.save",
    "wizard.new_token": "the form of wizard.save",
    "wizard.android_enterprise_groups": "a part of the form of wizard.save",
    "policy.save": "the form of policy.ask_preview, once confirmed; test_unfinished",
    "leave.leave": "the form of wizard.save; test_unfinished",
    "token.rotate": "the form of wizard.save",
    "token.end_overlap": "the form of wizard.save",
    "holds.approve": "only while a deletion is held; test_holds",
    "leaving.save": "choices alone, and only while tags are on devices",
    "message_settings.test_channel": "the form of message_settings.test_mail, on the page of an SMS gateway",
    "demo_device.check_in": "only with a device in the hand; test_demo_device",
}
# Hidden by the page's script or tied to another field, so that it cannot be chosen at will.
UNCHANGED = {"edition", "version", "seen", "kept", "offered"}

watch(SECRET)


@dataclass
class Control:
    """A field of a form as a browser shows it."""

    kind: str
    value: str = ""
    options: list[str] = field(default_factory=list)
    chosen: list[str] = field(default_factory=list)


class FormOf(HTMLParser):
    """The fields of the form of a page that is sent to `action`."""

    def __init__(self, action: str) -> None:
        super().__init__()
        self.action, self.found = action, False
        self.fields: dict[str, Control] = {}
        self._form: dict[str, Control] = {}
        self._select = self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = {}
        is_form_without_action = tag == "form" and "action" not in has
        if is_form_without_action or self.action in (has.get("action"), has.get("formaction")):
            self.fields, self.found = self._form, True
        if tag == "select":
            self._select = has.get("name", "")
            self._form.setdefault(self._select, Control("select"))
        elif tag == "option" and self._select:
            self._choice(self._select, "select", has.get("value", ""), "selected" in has)
        elif tag == "textarea":
            self._area = has.get("name", "")
            self._form[self._area] = Control("textarea")
        elif tag == "input" and "name" in has:
            self._input(has)

    def _input(self, has: dict[str, str]) -> None:
        kind = has.get("type", "text")
        if kind in {"checkbox", "radio"}:
            self._choice(has["name"], kind, has.get("value", "on"), "checked" in has)
        elif kind != "file":
            self._form[has["name"]] = Control(kind, has.get("value", ""))

    def _choice(self, name: str, kind: str, value: str, chosen: bool) -> None:
        control = self._form.setdefault(name, Control(kind))
        control.options.append(value)
        if chosen:
            control.chosen.append(value)

    def handle_data(self, data: str) -> None:
        if self._area:
            self._form[self._area].value += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""


def fields_of(page: str, action: str) -> dict[str, Control]:
    reader = FormOf(action)
    reader.feed(page)
    assert reader.found, action
    return reader.fields


def other_than(name: str, control: Control) -> list[str]:
    """Values that nothing but a person can have put there."""
    if control.kind == "hidden" or name in UNCHANGED:
        return [control.value]
    if control.kind == "password":
        return [SECRET]
    if control.kind == "checkbox":
        return [option for option in control.options if option not in control.chosen]
    if control.kind in {"radio", "select"}:
        others = [option for option in control.options if option not in control.chosen]
        return (others or control.options)[:1]
    if control.kind == "date":
        return ["2031-05-06"]
    return ["37"] if control.kind == "number" else [f"typed {name}"]


def shown(control: Control) -> list[str]:
    if control.kind in {"checkbox", "radio"}:
        return control.chosen
    if control.kind == "select":
        return control.chosen or control.options[:1]
    return [control.value.strip()]


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Path:
    """A data folder with an administrator and one row of everything, made once: the way there is long."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("furnished"), demo=True, backup_hours=0)
    assert settings.database_file
    shutil.copyfile(migrated_file, settings.database_file)
    app = create_app(settings)
    app.test_client_class = WatchedClient
    with pytest.MonkeyPatch.context() as patch, announced(settings):
        patch.setattr(passwords, "_hasher", CHEAP)
        furnish(app)
    queue_of(app).storage.close()
    with app.app_context():
        db.engine.dispose()
    return settings.data_dir


def furnish(app: Flask) -> None:
    with app.app_context():
        create_user(ADMINISTRATOR, PASSWORD, Role.ADMINISTRATOR, now())
    browser = signed_in_at(app)
    walk = Walk.begin(browser).to_deployment().finish()
    browser.post("/settings/messages/settings", data=MAIL)
    browser.post("/settings/messages/settings/channels", data=HOOK)
    browser.post("/settings/destinations/new/file", data=FILE)
    with app.app_context():
        store(walk.id, 2, start=900)
        create_user("kim", PASSWORD, Role.VIEWER, now())
        with write() as session:
            row = App(platform="android", identifier="com.maps", version="1", name="Maps", name_key="maps")
            row.first_seen_at = now()
            session.add(row)
        grounds = Grounds("A drill", None)
        policy.save(PolicyRecord(risks={"ROOTED": 1}), 0, "lee", now(), grounds)


def signed_in_at(app: Flask) -> FlaskClient:
    browser = app.test_client()
    assert browser.post("/sign-in", data={"name": ADMINISTRATOR, "password": PASSWORD}).status_code == 303
    return browser


@pytest.fixture
def settings(furnished: Path, tmp_path: Path) -> Settings:
    """Settings on a copy of the furnished folder."""
    return Settings(data_dir=shutil.copytree(furnished, tmp_path / "data"), demo=True, backup_hours=0)


@pytest.fixture
def console(app: Flask) -> FlaskClient:
    """The administrator of a dashboard that has one row of everything."""
    return signed_in_at(app)


@pytest.mark.parametrize(("endpoint", "action", "page"), FORMS, ids=[form[1] for form in FORMS])
def test_what_was_typed_is_in_the_form_again(
    app: Flask, console: FlaskClient, endpoint: str, action: str, page: str
) -> None:
    page = page or action
    assert app.url_map.bind("localhost").match(action, "POST")[0] == endpoint
    before = fields_of(look(console, page), action)
    typed = {name: other_than(name, control) for name, control in before.items()}
    assert any(shown(control) != typed[name] for name, control in before.items())
    expire(app)
    text = sign_in(console, console.post(action, data=typed))
    assert AGAIN in text
    assert SECRET not in text
    after = fields_of(text, action)
    for name, values in typed.items():
        assert shown(after[name]) == ([""] if name in NEVER_ECHOED else values), name


@pytest.mark.parametrize(
    ("action", "secret"),
    [
        ("/settings/messages/settings", "password"),
        ("/settings/proxy", "password"),
        ("/settings/single-sign-on", "client_secret"),
        ("/settings/destinations/new/webhook", "url"),
        ("/settings/destinations/new/http", "token"),
    ],
)
def test_no_secret_is_kept_and_the_page_says_so(
    app: Flask, console: FlaskClient, action: str, secret: str
) -> None:
    fields = fields_of(look(console, action), action)
    assert fields[secret].kind == "password"
    typed = {name: control.value for name, control in fields.items() if control.kind == "text"}
    expire(app)
    answer = console.post(action, data=typed | {secret: SECRET})
    with app.app_context():
        [row] = db.session.query(KeptForm)
        found = kept_forms.find(row.id, row.user_id, urlsplit(action).path, steady())
        assert found is not None
        assert SECRET not in str(found)
    assert "Type passwords, keys and secret addresses once more" in sign_in(console, answer)


def test_every_field_that_hides_what_is_typed_has_a_name_that_is_not_kept(app: Flask) -> None:
    """A secret under a name that nobody listed would be kept, sealed, and shown to nobody."""
    forms = list(ConsoleForm.__subclasses__())
    for form in forms:
        forms.extend(form.__subclasses__())
        for name, unbound in vars(form).items():
            kind = getattr(unbound, "field_class", object)
            assert not issubclass(kind, PasswordField) or name in NEVER_ECHOED, (form, name)
    assert len(forms) > 15


def test_every_form_of_the_console_takes_what_was_kept(app: Flask) -> None:
    """The wizard and the policy look for it themselves; before sign-in there is nobody to keep it for."""
    plain = {form.__module__.removeprefix("harmony.web.") for form in Form.__subclasses__()}
    ours = {name for name in plain if not name.startswith(("wizard.", "wtforms."))}
    assert ours == {"shared.typed", "policy.forms", "own_account.forms", "account.forms"}


def test_the_page_does_not_claim_to_show_what_it_does_not(app: Flask, console: FlaskClient) -> None:
    expire(app)
    answer = console.post("/settings/messages/texts/en/reset", data={"unknown": "typed"})
    text = sign_in(console, answer)
    assert AGAIN not in text
    assert "You were signed out before this was sent. Nothing was done: do it again." in text


def test_a_form_that_is_given_back_still_knows_which_edition_it_is_about(
    app: Flask, console: FlaskClient
) -> None:
    fields = fields_of(look(console, "/settings/messages/settings"), "/settings/messages/settings")
    expire(app)
    stale = {"edition": str(int(fields["edition"].value) + 7), "host": "typed.example"}
    text = sign_in(console, console.post("/settings/messages/settings", data=stale))
    again = fields_of(text, "/settings/messages/settings")
    assert (again["host"].value, again["edition"].value) == ("typed.example", stale["edition"])


def test_every_form_there_is_is_walked_through_or_named(app: Flask) -> None:
    marked = {name for name, view in app.view_functions.items() if auth.FORM in getattr(view, "__dict__", {})}
    assert marked == {form[0] for form in FORMS} | set(ELSEWHERE)
