"""Rung R: below a prefix, everything that an answer says leads to an address below that prefix."""

from __future__ import annotations

import re
from collections import Counter, deque
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException

from harmony import config, create_app
from harmony.apps.inventory import SeenApp
from harmony.config import Settings
from harmony.db import db, write
from harmony.models import Event, Severity, UemTag, Verb
from harmony.security import sessions
from harmony.simulator.server import RunningSimulator
from tests.builders import NOON, a_choice, an_integration
from tests.conftest import ADMINISTRATOR, PASSWORD
from tests.protect.stored_apps import list_apps
from tests.stored import a_hold, devices
from tests.web.prefixed import PREFIX, PrefixedBrowser, PrefixProxy, links, outside
from tests.web.test_every_route import forms, pages
from tests.web.walking import Walk

# A list of 50 rows has as many links to pages that are alike.
MOST_OF_A_KIND = 4


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, trusted_proxies=1)


@pytest.fixture
def browser(app: Flask, client: FlaskClient) -> PrefixedBrowser:
    """Signed in below the prefix, where lists have rows."""
    app.wsgi_app = PrefixProxy(app.wsgi_app)  # type: ignore[method-assign]
    app.test_client_class = PrefixedBrowser
    browser = app.test_client()
    assert isinstance(browser, PrefixedBrowser)
    signed_in = browser.post("/sign-in", data={"name": ADMINISTRATOR, "password": PASSWORD})
    assert (signed_in.status_code, signed_in.location) == (303, "/")
    with app.app_context():
        _fill()
    return browser


def _fill() -> None:
    id_ = an_integration(a_choice("570", deletion_after=1))
    a_hold(id_, 10, 6)
    first = devices(id_)[0].id
    list_apps(first, SeenApp("com.example.maps", "1", "Maps"))
    with write() as session:
        session.add(UemTag(integration_id=id_, key="risk:high", name="HIGH"))
        session.add(
            Event(
                at=NOON,
                severity=Severity.CRITICAL,
                verb=Verb.DETECTED,
                device_id=first,
                integration_id=id_,
            )
        )
    db.session.remove()


def kind_of(app: Flask, address: str) -> str:
    """The endpoint of an address below the prefix."""
    adapter = app.url_map.bind("localhost")
    try:
        return str(adapter.match(urlsplit(address).path.removeprefix(PREFIX), "GET")[0])
    except HTTPException:
        return address


def crawl(app: Flask, browser: PrefixedBrowser, start: str) -> Counter[str]:
    """Follow every link, a few of each kind; how many answers each kind gave."""
    waiting, met, asked = deque([start]), {start}, Counter[str]()
    while waiting:
        address = waiting.popleft()
        kind = kind_of(app, address)
        if asked[kind] >= MOST_OF_A_KIND:
            continue
        asked[kind] += 1
        answer = browser.get(address)
        assert answer.status_code in {200, 303, 409}, (address, answer.status)
        found = links(answer.get_data(as_text=True)) if answer.mimetype == "text/html" else []
        fresh = [link for link in found if link.startswith(PREFIX) and link not in met]
        met.update(fresh)
        waiting.extend(fresh)
    return asked


def test_a_walk_from_the_start_page_never_leaves_the_prefix(app: Flask, browser: PrefixedBrowser) -> None:
    asked = crawl(app, browser, PREFIX + "/")
    assert len(asked) > 30, "too few pages are linked: " + ", ".join(sorted(asked))


def test_the_wizard_never_leaves_the_prefix(browser: PrefixedBrowser, uem: RunningSimulator) -> None:
    Walk.begin(browser).to_deployment().finish()


def test_every_page_and_part_stays_below_the_prefix(app: Flask, browser: PrefixedBrowser) -> None:
    for path in [*pages(app), "/there/is/nothing"]:
        browser.get(path)
        browser.get(path, headers={"HX-Request": "true"})


def test_every_form_sent_empty_stays_below_the_prefix(app: Flask, browser: PrefixedBrowser) -> None:
    sent = [path for method, path in forms(app) if method == "POST" and path != "/sign-out"]
    for path in sent:
        browser.post(path)
        browser.post(path, headers={"Sec-Fetch-Site": "cross-site"})
        browser.get(path)  # as a reload after a refused form does


def test_a_stranger_is_led_to_the_sign_in_page_and_back(app: Flask, browser: PrefixedBrowser) -> None:
    stranger = app.test_client()
    for path in pages(app):
        stranger.get(path)
    assert stranger.get("/devices?q=x").location == "/sign-in?next=/harmony/devices%3Fq%3Dx"
    page = stranger.get("/sign-in?next=/harmony/devices%3Fq%3Dx").get_data(as_text=True)
    assert 'name="next" value="/harmony/devices?q=x"' in page
    typed = {"name": ADMINISTRATOR, "password": PASSWORD, "next": "/harmony/devices?q=x"}
    assert stranger.post("/sign-in", data=typed).location == "/devices?q=x"


@pytest.mark.parametrize("next_", ["/wiki", "/harmony2/x", "/harmony/../wiki", "/harmony/%2e%2e/wiki", "//x"])
def test_sign_in_leads_to_no_other_application_of_the_host(browser: PrefixedBrowser, next_: str) -> None:
    assert browser.post("/theme", data={"theme": "dark", "next": next_}).location == "/"


def test_a_form_that_was_sent_signed_out_comes_back_below_the_prefix(
    app: Flask, browser: PrefixedBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as later:
        later.setattr(sessions, "is_living", lambda *_: False)
        led = browser.post("/settings/policy", data={"silent_days": "9"}).location
    assert led.startswith("/sign-in?next=/harmony/settings/policy%3Fkept%3D")
    typed = {"name": ADMINISTRATOR, "password": PASSWORD, "next": _next_of(led)}
    back = browser.post("/sign-in", data=typed).location
    page = browser.get(back).get_data(as_text=True)
    assert "What you typed is here again" in page


def _next_of(location: str) -> str:
    return location.partition("next=")[2].replace("%3F", "?").replace("%3D", "=")


def test_signing_out_leaves_the_cookies_of_other_applications(browser: PrefixedBrowser) -> None:
    answer = browser.post("/sign-out")
    assert answer.location == "/sign-in"
    assert "Clear-Site-Data" not in answer.headers
    assert "harmony=;" in answer.headers["Set-Cookie"]
    assert browser.get("/devices").location.startswith("/sign-in")


def test_over_https_the_cookie_is_named_after_what_browsers_demand_of_its_path(
    browser: PrefixedBrowser,
) -> None:
    typed = {"name": ADMINISTRATOR, "password": PASSWORD}
    answer = browser.post("/sign-in", data=typed, headers={"X-Forwarded-Proto": "https"})
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Secure-harmony=hrmns_")
    assert "; Secure" in cookie
    assert "; Path=/harmony" in cookie


def test_no_script_of_ours_has_an_address_of_its_own(app: Flask) -> None:
    for script in Path(str(app.static_folder)).glob("js/*.js"):
        assert re.findall(r"""["'`]/[a-z][^"'`]*""", script.read_text("utf-8")) == [], script.name


def test_the_navigation_marks_the_page_that_is_open(browser: PrefixedBrowser) -> None:
    for path in ("/", "/devices"):
        page = browser.get(path).get_data(as_text=True)
        assert page.count('aria-current="page"') == 1
        assert f'<a href="{PREFIX}{path}" aria-current="page">' in page


@pytest.mark.parametrize(
    "said", ["//evil.example", "https://evil.example", "/a/../b", "/\\evil", "/<script>", "/a b", "x" * 300]
)
def test_a_malformed_prefix_of_a_proxy_is_none(app: Flask, signed_in: FlaskClient, said: str) -> None:
    assert signed_in.get("/nothing", headers={"X-Forwarded-Prefix": said}).status_code == 404
    page = signed_in.get("/integrations", headers={"X-Forwarded-Prefix": said}).get_data(as_text=True)
    assert '<form method="post" action="/sign-out"' in page


def test_without_a_trusted_proxy_nobody_may_say_a_prefix(settings: Settings) -> None:
    app = create_app(replace(settings, trusted_proxies=0))
    answer = app.test_client().get("/devices", headers={"X-Forwarded-Prefix": PREFIX})
    assert answer.location == "/setup"


@pytest.mark.parametrize("asked", ["/devices", "/harmony/devices"], ids=["cut off", "passed on"])
def test_the_prefix_of_the_public_address_needs_no_header(settings: Settings, asked: str) -> None:
    app = create_app(replace(settings, trusted_proxies=0, public_url="http://localhost/harmony"))
    answer = app.test_client().get(asked)
    assert answer.location == "/harmony/setup"
    assert app.test_client().get("/healthz").status_code == 200
    page = app.test_client().get(asked.replace("devices", "setup"))
    assert list(outside(page)) == []
    assert config.current_settings(app).public_url == "http://localhost/harmony"
