"""Rung R: which unsafe requests count as our own, as measured with browsers (facts §1.5)."""

from __future__ import annotations

import pytest
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from harmony.security import csrf

OWN = "http://harmony.lan:8000"


@pytest.fixture
def app() -> Flask:
    app = Flask("csrf")
    csrf.init_app(app)
    app.add_url_rule("/", view_func=lambda: "done", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    return app


def status(app: Flask, method: str = "POST", base_url: str = OWN, path: str = "/", **headers: str) -> int:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return app.test_client().open(path, method=method, base_url=base_url, headers=sent).status_code


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_our_own_pages_pass_whatever_else_is_sent(app: Flask, site: str) -> None:
    assert status(app, Sec_Fetch_Site=site) == 200
    assert status(app, Sec_Fetch_Site=site, Origin="null") == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "Same-Origin", "same-origin, cross-site"])
def test_other_sites_are_refused_whatever_else_is_sent(app: Flask, site: str) -> None:
    assert status(app, Sec_Fetch_Site=site) == 403
    assert status(app, Sec_Fetch_Site=site, Origin=OWN) == 403


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (OWN, 200),
        ("HTTP://Harmony.lan:8000", 200),
        ("https://harmony.lan:8000", 403),
        ("http://harmony.lan", 403),
        ("http://harmony.lan:8001", 403),
        ("http://harmony.lan:8000.evil.example", 403),
        ("http://evil.example", 403),
        ("http://sub.harmony.lan:8000", 403),
        ("null", 403),
        ("", 403),
        (OWN + "/", 403),
    ],
)
def test_an_old_browser_is_judged_by_its_origin(app: Flask, origin: str, expected: int) -> None:
    assert status(app, Origin=origin) == expected


def test_what_is_not_a_browser_passes(app: Flask) -> None:
    assert status(app) == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_every_unsafe_method_is_checked(app: Flask, method: str) -> None:
    assert status(app, method, Sec_Fetch_Site="cross-site") == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_following_a_link_from_elsewhere_is_fine(app: Flask, method: str) -> None:
    assert status(app, method, Sec_Fetch_Site="cross-site") == 200


def test_an_unknown_address_is_refused_the_same_way(app: Flask) -> None:
    assert status(app, path="/nothing", Sec_Fetch_Site="cross-site") == 403


def test_default_ports_do_not_matter(app: Flask) -> None:
    assert status(app, base_url="https://h.example:443", Origin="https://h.example") == 200
    assert status(app, base_url="http://h.example:80", Origin="http://h.example") == 200


def test_behind_a_trusted_proxy_the_public_origin_counts(app: Flask) -> None:
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    proxy = {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "h.example"}
    assert status(app, Origin="https://h.example", **proxy) == 200
    assert status(app, Origin=OWN, **proxy) == 403


def test_the_refusal_is_a_sentence(app: Flask) -> None:
    answer = app.test_client().post("/", headers={"Sec-Fetch-Site": "cross-site"})
    assert "came from another site, so nothing was done" in answer.text
