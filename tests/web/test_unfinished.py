"""Pages that are left, or sent after the session has ended, keep what was typed (rung S, real TLS)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from harmony.clock import now, steady
from harmony.db import db, write
from harmony.models import Integration, KeptForm, Role, SetupPage, SignInSession
from harmony.security import auth, kept_forms, sessions
from harmony.security.users import create_user
from tests.canaries import watch
from tests.conftest import ADMINISTRATOR, PASSWORD
from tests.web.walking import Walk, form_of

pytestmark = pytest.mark.usefixtures("uem")

SECRET = "typed-canary-0123456789"
OTHER, OTHER_PASSWORD = "kim", "forty blue herons near Turku"
# Buttons alone: nothing is typed where they are, so nothing has to be kept.
BUTTONS = {
    "demo_device.unregister", "devices.delete", "devices.restore", "devices.delete_all",
    "devices.restore_all", "protection.new_code", "protection.reset", "integrations.create",
    "integrations.cancel", "integrations.pause", "integrations.resume", "integrations.sync_now",
    "jobs.cancel", "jobs.run_now", "holds.approve", "holds.dismiss", "verification.preview",
    "verification.verify_in_force", "leave.discard", "tags.create", "tags.push", "tags.read_back",
    "access.sign_out", "notices.test", "message_settings.remove",
    "message_settings.remove_channel", "messages.retry", "messages.cancel", "exceptions.end_app",
    "exceptions.end_risk", "shortcuts.switch", "connectors.rotate", "connectors.revoke", "undo.undo",
    "proxy.remove", "caution.end", "sign_on_settings.remove", "sign_on_settings.save_test",
    "destinations.test", "destinations.pause", "destinations.resume",
    "destinations.rotate", "destinations.replay", "destinations.remove",
    "device_columns.choose", "selection.export",
    "factors.new_recovery_codes", "factors.password", "authenticator.begin", "authenticator.confirm",
    "authenticator.remove", "own_passkeys.options", "own_passkeys.register", "own_passkeys.rename",
    "own_passkeys.remove", "passkey_proof.options", "passkey_proof.confirm", "sign_in_rules.save",
    "selection.reset", "selection.message", "selection.new_codes", "audit.export", "audit.verify",
    "runs.export", "information.export", "policy.preview_csv", "events.export", "apps.export",
    "devices.export", "tags.export", "holds.export",
    "users.act", "users.reset", "own_account.end", "own_account.end_others",
    # Passwords are never kept.
    "own_account.change_password", "confirm.confirm", "api_keys.revoke",
    "event_notifications.create", "event_notifications.rotate", "event_notifications.turn_on",
    "event_notifications.turn_off",
}  # fmt: skip

watch(SECRET)


def page_row(app: Flask, walk: Walk, name: str = "server") -> SetupPage:
    with app.app_context():
        row = db.session.get_one(Integration, walk.id).page(name)
        assert row is not None
        return row


def expire(app: Flask, by: timedelta = sessions.IDLE) -> None:
    """Every session was last seen that long ago."""
    with app.app_context(), write() as session:
        for row in session.query(SignInSession):
            row.seen_at = steady() - by


def sign_in(
    client: FlaskClient, answer: TestResponse, name: str = ADMINISTRATOR, word: str = PASSWORD
) -> str:
    """Sign in at the door that answer leads to, and look at the page behind it."""
    door = answer.headers.get("HX-Redirect") or answer.location
    [target] = parse_qs(urlsplit(door).query)["next"]
    there = client.post("/sign-in", data={"name": name, "password": word, "next": target})
    assert there.location == target
    return client.get(target).get_data(as_text=True)


# --- Finish later, Back, another step


@pytest.mark.parametrize(
    ("page", "typed"),
    [
        ("server", {"display_name": "Kept name", "server_address": "htps:/half typed"}),
        ("server", {"display_name": ""}),
        ("server", {"certificate": "-----BEGIN CERT"}),
        ("synchronization", {"device_interval": "7", "deletion_after": "many"}),
        ("tagging", {"risk_low": "CHKP_TF_ROOTED", "prefix": "p" * 40}),
    ],
)
def test_finish_later_keeps_what_is_wrong_and_shows_it_with_its_errors(
    app: Flask, signed_in: FlaskClient, page: str, typed: dict[str, str]
) -> None:
    walk = Walk.begin(signed_in)
    if page != "server":
        walk.to_synchronization() if page == "synchronization" else walk.to_tagging()
    answer = walk.send(page, "/leave", **typed)
    assert (answer.status_code, answer.location) == (303, "/integrations")
    again = signed_in.get(f"/integrations/{walk.id}/setup", follow_redirects=True)
    text = again.get_data(as_text=True)
    assert again.request.path == walk.href(page)
    assert "These values were left incomplete." in text
    for name, value in typed.items():
        shown = form_of(text)[name]
        assert shown == value or name == "certificate"
    assert "your attention. Your values are kept as you typed them." in text
    # It stays so until it is put right.
    assert "These values were left incomplete." in walk.look(page)


def test_finish_later_makes_a_draft_of_what_is_right(signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in)
    walk.send("server", "/leave", display_name="Another")
    assert "Another" in signed_in.get("/integrations").get_data(as_text=True)
    text = walk.look("server")
    assert form_of(text)["display_name"] == "Another"
    assert "were left incomplete" not in text


def test_nothing_typed_is_nothing_kept(app: Flask, signed_in: FlaskClient) -> None:
    """Not even on a page that is still empty, and so not right."""
    walk = Walk.begin(signed_in, "workspace_one")
    before = page_row(app, walk)
    assert walk.send("server", "/leave").location == "/integrations"
    after = page_row(app, walk)
    assert (after.draft, after.typed, after.edition) == (before.draft, None, before.edition)
    assert "needs your attention" not in walk.look("server")


def test_a_secret_typed_on_a_page_that_was_left_is_kept_sealed_and_never_shown(
    app: Flask, signed_in: FlaskClient
) -> None:
    walk = Walk.begin(signed_in, "workspace_one")
    there = {"server_address": "https://127.0.0.1:9", "token_region": "other"}
    there |= {"token_other": "https://127.0.0.1:9/token", "client_secret": SECRET}
    walk.send("server", "/leave", **there)
    row = page_row(app, walk)
    assert row.typed is not None
    assert SECRET not in row.typed
    text = walk.look("server")
    assert SECRET not in text
    assert "Saved" in text.partition('id="field-client_secret"')[2].partition("</div>")[0]
    answer = walk.send("server", "/verify", client_id="me", display_name="Mine")
    assert "Enter the Client Secret" not in answer.get_data(as_text=True)
    row = page_row(app, walk)
    assert row.typed is None
    assert row.draft["client_secret"].startswith("v")


@pytest.mark.parametrize(
    "moved", [{"server_address": "https://127.0.0.1:8"}, {"token_other": "https://127.0.0.1:8/token"}]
)
def test_a_kept_secret_is_not_sent_to_other_addresses(signed_in: FlaskClient, moved: dict[str, str]) -> None:
    walk = Walk.begin(signed_in, "workspace_one")
    there = {"server_address": "https://127.0.0.1:9", "token_region": "other"}
    walk.send("server", "/leave", **there, token_other="https://127.0.0.1:9/token", client_secret=SECRET)
    answer = walk.send("server", "/verify", client_id="me", display_name="Mine", **moved)
    assert answer.status_code == 422
    assert "Enter the Client Secret" in answer.get_data(as_text=True)


def test_a_cleared_secret_is_cleared_of_the_page_that_was_left_too(
    app: Flask, signed_in: FlaskClient
) -> None:
    walk = Walk.begin(signed_in, "workspace_one")
    walk.send("server", "/leave", client_secret=SECRET)
    assert walk.send("server", "/clear?field=client_secret").status_code == 200
    assert "Leave empty to keep" not in walk.look("server")


def test_another_step_of_the_stepper_keeps_the_page_too(signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in).to_synchronization()
    page = walk.look("synchronization")
    assert f'formaction="/integrations/{walk.id}/setup/synchronization/leave?to=server"' in page
    answer = walk.send("synchronization", "/leave?to=server", device_interval="11")
    assert answer.location == walk.href("server")
    assert form_of(walk.look("synchronization"))["device_interval"] == "11"


def test_back_from_an_edit_keeps_it_beside_what_is_in_force_until_it_is_discarded(
    app: Flask, signed_in: FlaskClient
) -> None:
    walk = Walk.begin(signed_in).to_deployment().finish()
    assert "Discard changes" not in walk.look("synchronization")
    answer = walk.send("synchronization", "/leave", device_interval="7")
    assert answer.location == f"/integrations/{walk.id}"
    assert "are kept, but not in force" in signed_in.get(answer.location).get_data(as_text=True)
    text = walk.look("synchronization")
    assert form_of(text)["device_interval"] == "7"
    row = page_row(app, walk, "synchronization")
    assert row.applied is not None
    assert row.applied["device_interval"] == 60
    assert signed_in.get(walk.href("tagging")).status_code == 200
    walk.send("synchronization", "/leave", device_interval="120")
    assert signed_in.get(walk.href("tagging")).status_code == 303
    assert "Discard changes" in walk.look("synchronization")
    signed_in.post(walk.href("synchronization") + "/discard")
    text = walk.look("synchronization")
    assert form_of(text)["device_interval"] == "60"
    assert "Discard changes" not in text
    assert signed_in.get(walk.href("tagging")).status_code == 200


def test_leaving_a_page_that_somebody_else_saved_meanwhile_loses_neither(signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in)
    values = walk.values("server")
    walk.send("server", display_name="Theirs")
    values["display_name"] = "Mine"
    answer = signed_in.post(walk.href("server") + "/leave", data=values)
    assert answer.status_code == 409
    assert form_of(answer.get_data(as_text=True))["display_name"] == "Mine"
    assert form_of(walk.look("server"))["display_name"] == "Theirs"


@pytest.mark.parametrize(
    ("page", "act"),
    [
        *(("server", act) for act in ("verify", "clear", "leave", "discard")),
        ("tagging", "create"),
        ("deployment", "token"),
    ],
)
def test_reload_after_a_refused_form_leads_back_to_the_page(
    signed_in: FlaskClient, page: str, act: str
) -> None:
    walk = Walk.begin(signed_in)
    assert signed_in.get(f"{walk.href(page)}/{act}").location == walk.href(page)


# --- the session has ended


FORMS: dict[str, tuple[str, str, Mapping[str, str]]] = {
    "policy": ("/settings/policy", "/settings/policy", {"inactive_days": "31", "silent_days": "12"}),
    "server": ("server", "", {"display_name": "After lunch", "server_address": "https://half"}),
    "synchronization": ("synchronization", "/verify", {"device_interval": "240", "app_interval": "ten"}),
    "tagging": ("tagging", "/verify?then=next", {"risk_high": "On fire", "prefix": "MINE_"}),
    "leave": ("server", "/leave", {"display_name": "Left signed out"}),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("swept", [False, True])
def test_what_was_sent_after_the_session_ended_is_there_after_sign_in(
    app: Flask, signed_in: FlaskClient, name: str, swept: bool
) -> None:
    page, suffix, typed = FORMS[name]
    if page.startswith("/"):
        here, there = page, suffix
    else:
        walk = Walk.begin(signed_in)
        if page != "server":
            walk.to_synchronization() if page == "synchronization" else walk.to_tagging()
        here, there = walk.href(page), walk.href(page) + suffix
    values = form_of(signed_in.get(here).get_data(as_text=True))
    for field, value in typed.items():
        values[field] = value
    expire(app)
    if swept:
        with app.app_context():
            sessions.sweep(steady())
    answer = signed_in.post(there, data=values)
    assert answer.status_code == 303
    assert "What you typed is kept for an hour" in signed_in.get(answer.location).get_data(as_text=True)
    text = sign_in(signed_in, answer)
    assert "You were signed out before this was sent." in text
    for field, value in typed.items():
        assert form_of(text)[field] == value
    # Looking is not saving, and the address without the mark shows what is stored.
    stored = form_of(signed_in.get(here).get_data(as_text=True))
    assert any(stored[field] != value for field, value in typed.items())


def test_a_secret_sent_after_the_session_ended_is_kept_sealed_and_need_not_be_typed_again(
    app: Flask, signed_in: FlaskClient
) -> None:
    walk = Walk.begin(signed_in, "workspace_one")
    values = walk.values("server")
    values.update({"display_name": "Mine", "server_address": "https://127.0.0.1:9", "client_id": "me"})
    values.setlist("token_region", ["other"])
    values["token_other"], values["client_secret"] = "https://127.0.0.1:9/token", SECRET
    for name in ("display_name", "server_address", "client_id"):
        values[name] = values.getlist(name)[-1]
    expire(app)
    answer = signed_in.post(walk.href("server") + "/verify", data=values)
    with app.app_context():
        [row] = db.session.query(KeptForm)
        assert SECRET not in row.sealed
    text = sign_in(signed_in, answer)
    assert SECRET not in text
    again = signed_in.post(walk.href("server") + "/leave", data=form_of(text))
    assert again.status_code == 303
    assert page_row(app, walk).draft["client_secret"] != ""


def test_with_htmx_the_form_is_kept_as_well(app: Flask, signed_in: FlaskClient) -> None:
    walk = Walk.begin(signed_in)
    values = walk.values("server")
    values["display_name"] = "Boosted"
    expire(app)
    headers = {"HX-Request": "true", "HX-Boosted": "true"}
    answer = signed_in.post(walk.href("server") + "/verify", data=values, headers=headers)
    assert answer.status_code == 401
    assert form_of(sign_in(signed_in, answer))["display_name"] == "Boosted"


def test_of_a_button_alone_the_sign_in_page_does_not_say_that_something_was_typed(
    app: Flask, signed_in: FlaskClient
) -> None:
    expire(app)
    answer = signed_in.post("/settings/messages/texts/en/reset")
    page = signed_in.get(answer.location).get_data(as_text=True)
    assert "What you typed" not in page
    assert "nothing was done. Sign in and press the button again." in page


def test_another_user_never_sees_it(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        create_user(OTHER, OTHER_PASSWORD, Role.ADMINISTRATOR, now())
    values = {"version": "0", "inactive_days": "33", "silent_days": "12", "silent_risk": "0"}
    expire(app)
    answer = signed_in.post("/settings/policy", data=values)
    text = sign_in(signed_in, answer, OTHER, OTHER_PASSWORD)
    assert 'value="33"' not in text
    assert "is not shown" in text


@pytest.mark.parametrize("token", ["hrmns_unknown", None])
def test_nothing_is_kept_of_somebody_who_was_never_signed_in(
    app: Flask, client: FlaskClient, token: str | None
) -> None:
    if token:
        client.set_cookie("harmony", token)
    assert client.post("/settings/policy", data={"inactive_days": "33"}).status_code == 303
    with app.app_context():
        assert db.session.query(KeptForm).count() == 0


def test_nothing_is_kept_that_another_site_sent(app: Flask, signed_in: FlaskClient) -> None:
    expire(app)
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert (
        signed_in.post("/settings/policy", data={"inactive_days": "33"}, headers=foreign).status_code == 403
    )
    with app.app_context():
        assert db.session.query(KeptForm).count() == 0


def test_it_is_kept_for_an_hour_and_of_each_user_the_newest_few(app: Flask, signed_in: FlaskClient) -> None:
    expire(app)
    for days in range(20, 20 + kept_forms.MOST_PER_USER + 2):
        answer = signed_in.post("/settings/policy", data={"inactive_days": str(days)})
    with app.app_context():
        assert db.session.query(KeptForm).count() == kept_forms.MOST_PER_USER
        kept_forms.sweep(steady() + kept_forms.KEPT_FOR)
        assert db.session.query(KeptForm).count() == 0
    assert "is not shown" in sign_in(signed_in, answer)


def test_after_days_it_is_not_known_whose_it_was(app: Flask, signed_in: FlaskClient) -> None:
    expire(app, sessions.REMEMBERED)
    assert signed_in.post("/settings/policy", data={"inactive_days": "33"}).location == "/sign-in"


def test_every_form_there_is_says_on_which_page_it_is(app: Flask) -> None:
    """One that is added next is either a button alone, or its values survive the end of a session."""
    marked = set()
    for rule in app.url_map.iter_rules():
        if "POST" in (rule.methods or ()) and not auth.is_public(app, rule.endpoint):
            view: Any = app.view_functions[rule.endpoint]
            if auth.FORM in view.__dict__:
                marked.add(rule.endpoint)
                assert view.__dict__[auth.FORM][0] in app.view_functions
            else:
                assert rule.endpoint in BUTTONS
    assert {"wizard.save", "policy.save", "apps.edit_exception", "removal.remove"} <= marked
