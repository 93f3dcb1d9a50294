"""Behind a proxy that serves the dashboard below a path, the address for the UEM has that path (rung: R)."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from harmony.config import Settings
from harmony.event_notifications.listeners import ListenerSecret
from tests.builders import an_integration
from tests.event_notifications.posting import NEWER, post
from tests.web.prefixed import PREFIX, PrefixProxy

TARGET = re.compile(r'id="target-url"\s+value="(http://localhost/harmony/hooks/ws1/[A-Za-z0-9_-]{32})"')
VALUE = re.compile(r'id="(user-name|password)"\s+value="([^"]+)"')


@pytest.fixture
def database() -> str:
    return "sqlite"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, trusted_proxies=1)


def test_the_address_on_the_page_is_the_one_that_takes_events(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        id_ = an_integration()
    app.wsgi_app = PrefixProxy(app.wsgi_app)  # type: ignore[method-assign]
    page = signed_in.post(f"{PREFIX}/integrations/{id_}/event-notifications").get_data(as_text=True)
    (target,), values = TARGET.findall(page), dict(VALUE.findall(page))
    secret = ListenerSecret(values["user-name"], values["password"])
    path = target.removeprefix("http://localhost")
    assert post(app.test_client(), path, secret, NEWER).status_code == 200
    assert post(app.test_client(), path.removeprefix(PREFIX), secret, NEWER).status_code == 502
