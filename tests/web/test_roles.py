"""Rung R: every route, link, button and command by role and scope; devices out of scope are not there."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from harmony.clock import now
from harmony.db import db, write
from harmony.models import App, Device, InstalledApp, Role, User
from harmony.protection.change import NewFinding
from harmony.security import auth, permissions
from harmony.security.permissions import ROLES, WITHIN_SCOPE, Permission, needed_by
from harmony.security.principal import group_key
from harmony.security.users import create_user
from tests.builders import NOON, an_integration
from tests.conftest import PASSWORD
from tests.protect.stored import change, registered
from tests.web.reading import look
from tests.web.test_every_route import UNSAFE, path_of, rules

OURS, THEIRS = "Nurses", "Directors"
# What only a person may do who is not limited to device groups.
UNLIMITED = frozenset(Permission) - WITHIN_SCOPE


def sign_in(app: Flask, role: Role, scope: list[str] | None = None, name: str = "kim") -> FlaskClient:
    """A browser signed in as a new user."""
    with app.app_context():
        create_user(name, PASSWORD, role, now())
        with write() as session:
            session.query(User).filter_by(name=name).update({"scope": scope})
    client = app.test_client()
    assert client.post("/sign-in", data={"name": name, "password": PASSWORD}).status_code == 303
    return client


@pytest.fixture
def fleet(app: Flask, client: FlaskClient) -> dict[str, int]:
    """Two devices with an app, a finding and events each, in two groups of one integration."""
    with app.app_context():
        integration_id = an_integration()
        ours, theirs = registered(integration_id, 2)
        with write() as session:
            for number, (id_, group) in enumerate(((ours, OURS), (theirs, THEIRS)), 1):
                device = session.get_one(Device, id_)
                device.group_id, device.group_name = f"g{number}", group
                device.name, device.name_key = f"Phone {number}", f"phone {number}"
                app_row = App(
                    platform="android", identifier=f"org.{group.lower()}", version="1", installs=1,
                    name=f"{group} app", name_key=f"{group.lower()} app", search_text=group.lower(),
                    first_seen_at=NOON,
                )  # fmt: skip
                session.add(app_row)
                session.flush()
                session.add(InstalledApp(device_id=id_, profile="device", app_id=app_row.id))
        for id_ in (ours, theirs):
            change(id_, NOON, opened=[NewFinding("device", "ROOTED", "", 3)])
        db.session.remove()
        return {"integration": integration_id, "ours": ours, "theirs": theirs}


def scope_of(fleet: dict[str, int]) -> list[str]:
    return [group_key(fleet["integration"], "g1")]


@pytest.mark.parametrize("is_limited", [False, True], ids=["everything", "scope"])
@pytest.mark.parametrize("role", Role)
def test_every_route_is_refused_or_not_as_the_table_says(
    app: Flask, client: FlaskClient, role: Role, is_limited: bool
) -> None:
    scope = [group_key(1, "7")] if is_limited else None
    browser, able = sign_in(app, role, scope), ROLES[role]
    if is_limited and role is not Role.ADMINISTRATOR:
        able &= WITHIN_SCOPE
    asked = 0
    for rule in rules(app, public=False):
        if rule.endpoint in {"static", "access.sign_out"}:
            continue
        for method in ({"GET"} | UNSAFE) & (rule.methods or set()):
            answer = browser.open(path_of(rule), method=method)
            permission = needed_by(app.view_functions[rule.endpoint], method)
            refused = answer.status_code == 403
            assert refused is (permission not in able), (method, rule.rule, answer.status_code)
            if refused:
                assert "This needs the role" in answer.text or "limited to some device groups" in answer.text
            asked += 1
    assert asked > 100


def targets(page: str) -> Iterator[tuple[str, str]]:
    """Yield method and address of every link and button of a page."""
    for href in re.findall(r'<a\b[^>]*?\bhref="([^"#]+)"', page):
        yield "GET", html.unescape(href)
    for form in re.findall(r"<form\b[^>]*>", page):
        action = re.search(r'action="([^"]+)"', form)
        if action:
            yield ("POST" if 'method="post"' in form else "GET"), html.unescape(action[1])
    for action in re.findall(r'formaction="([^"]+)"', page):
        yield "POST", html.unescape(action)


@pytest.mark.parametrize("is_limited", [False, True], ids=["everything", "scope"])
@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_no_page_offers_what_it_would_refuse(
    app: Flask, fleet: dict[str, int], role: Role, is_limited: bool
) -> None:
    """Follow every link from the overview on; no link and no button leads to a refusal."""
    scope = scope_of(fleet) if is_limited else None
    browser, waiting, seen, wrong = sign_in(app, role, scope), ["/"], {"/"}, set()
    while waiting:
        path = waiting.pop()
        answer = browser.get(path)
        assert answer.status_code in {200, 303}, path
        found = [("GET", answer.location)] if answer.status_code == 303 else list(targets(answer.text))
        for method, address in found if answer.mimetype == "text/html" else ():
            plain = address.partition("?")[0]
            if not _may(app, role, is_limited, plain, method):
                wrong.add((path, method, plain))
            elif method == "GET" and plain not in seen:
                seen.add(plain)
                waiting.append(plain)
    assert not wrong, "\n".join(map(str, sorted(wrong)))
    assert len(seen) > 5


def _may(app: Flask, role: Role, is_limited: bool, path: str, method: str) -> bool:
    """Tell if the table lets this address be asked for; those of no view of ours may."""
    if not path.startswith("/") or path.startswith("/static"):
        return True
    endpoint, _ = app.url_map.bind("localhost").match(path, method)
    permission = needed_by(app.view_functions[endpoint], method)
    limited = is_limited and permission in UNLIMITED
    return auth.is_public(app, endpoint) or (permission in ROLES[role] and not limited)


def test_what_is_delicate_needs_recent_proof_of_who_acts(app: Flask) -> None:
    arguments = {"page": "server"}, {"page": "deployment"}, {}
    asking = {
        name
        for name, view in app.view_functions.items()
        if any(auth.asks_recent_proof(view, given) for given in arguments)
    }
    assert {
        "holds.approve", "removal.remove", "token.rotate", "token.end_overlap", "wizard.new_token",
        "wizard.save", "wizard.show", "app_configuration.show", "app_configuration.download",
        "connectors.add", "connectors.rotate", "connectors.revoke", "message_settings.save",
        "message_settings.remove",
        "message_settings.add_channel", "message_settings.save_channel", "message_settings.remove_channel",
        "proxy.save", "proxy.remove", "users.invite", "users.change_access", "users.reset", "users.act",
        "users.save_roles",
    } <= asking  # fmt: skip


def test_the_documents_have_the_table() -> None:
    text = Path(__file__).parent.parent.parent.joinpath("docs/security.md").read_text("utf-8")
    assert permissions.table() in text


def test_a_device_out_of_scope_is_not_there(app: Flask, fleet: dict[str, int]) -> None:
    browser = sign_in(app, Role.OPERATOR, scope_of(fleet))
    for method, path in _addresses_of(app, fleet["theirs"]):
        assert browser.open(path, method=method).status_code == 404, (method, path)
    assert browser.get(f"/devices/{fleet['ours']}").status_code == 200
    assert browser.get(f"/devices/{fleet['ours']}/why").status_code == 200


def _addresses_of(app: Flask, device_id: int) -> Iterator[tuple[str, str]]:
    for rule in app.url_map.iter_rules():
        if rule.arguments == {"device_id"}:
            built = rule.build({"device_id": device_id})
            assert built
            for method in {"GET", "POST"} & (rule.methods or set()):
                yield method, built[1]


def test_lists_files_numbers_and_choices_hold_the_scope_only(app: Flask, fleet: dict[str, int]) -> None:
    browser, everybody = sign_in(app, Role.VIEWER, scope_of(fleet)), sign_in(app, Role.VIEWER, None, "bob")
    there = fleet["theirs"]
    for path in (
        "/devices", "/devices?q=phone", "/devices?group=Directors", "/devices?sort=risk",
        "/devices/devices.csv", "/devices?factor=ROOTED", "/events", "/events.csv", f"/events?device={there}",
        "/apps", "/apps/apps.csv", f"/apps?device={there}", "/",
    ):  # fmt: skip
        answer = (browser.post if path.endswith(".csv") else browser.get)(path)
        assert answer.status_code == 200, path
        shown = answer.text.replace("group=Directors", "").replace('value="Directors"', "")
        assert "Phone 2" not in shown, path
        assert THEIRS + " app" not in shown, path
        assert f'"/devices/{there}"' not in shown, path
    assert "Phone 2" in everybody.get("/devices").text
    assert "Directors" not in browser.get("/devices").text
    overview = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", look(browser, "/")))
    assert "1 devices" in overview
    assert "2 devices" in re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", look(everybody, "/")))


def test_an_app_is_there_and_counted_within_the_scope(app: Flask, fleet: dict[str, int]) -> None:
    with app.app_context():
        ids = {row.name: row.id for row in db.session.query(App)}
        with write() as session:
            session.add(InstalledApp(device_id=fleet["theirs"], profile="device", app_id=ids["Nurses app"]))
            session.query(App).update({"installs": 2})
    browser = sign_in(app, Role.VIEWER, scope_of(fleet))
    assert browser.get(f"/apps/{ids['Directors app']}").status_code == 404
    page = look(browser, f"/apps/{ids['Nurses app']}")
    assert "1 devices have version" in page
    assert "Phone 1" in page
    assert "Phone 2" not in page
    assert ",1," in browser.post("/apps/apps.csv").text


def test_selected_and_bulk_actions_reach_no_device_out_of_scope(app: Flask, fleet: dict[str, int]) -> None:
    browser, there = sign_in(app, Role.OPERATOR, scope_of(fleet)), fleet["theirs"]
    for path in ("/devices/selection/reset", "/devices/selection/codes", "/devices/selection/devices.csv"):
        assert "Phone 2" not in browser.post(path, data={"device": there}).text
    with app.app_context(), write() as session:
        session.query(Device).update({"deleted_at": NOON, "deleted_by": "test"})
    browser.post("/devices/restore")
    with app.app_context():
        left = {device.id: device.deleted_at for device in db.session.query(Device)}
        assert left[fleet["ours"]] is None
        assert left[there] is not None
