"""The dashboard behind a real nginx with our files: below a path, and on a host of its own (rung B)."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import wizard
from tests.browser.conftest import Arrive
from tests.browser.nginx import below_a_path, free_port, on_its_own_host, running_nginx
from tests.browser.product import running_product
from tests.browser.test_walk import ENDED, see_devices, set_up
from tests.faults.certs import a_certificate

pytestmark = pytest.mark.browser


def test_from_the_set_up_code_to_devices_below_a_path(tmp_path: Path, arrive: Arrive) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}/harmony"
    settings = {"HARMONY_TRUSTED_PROXIES": "1", "HARMONY_PUBLIC_URL": address}
    with (
        running_product(tmp_path, devices=120, settings=settings) as product,
        running_nginx(tmp_path / "nginx", below_a_path(port, product.url), port),
    ):
        visitor = arrive(address)
        set_up(visitor, product)
        visitor.press("New integration")
        wizard.connect(visitor)
        expect(visitor.page.locator(ENDED)).to_have_count(1, timeout=30_000)
        see_devices(visitor)
        visitor.page.locator("summary", has_text="Account").click()
        visitor.press("Dark")
        expect(visitor.page.locator("html")).to_have_attribute("data-theme", "dark")
        visitor.page.locator("summary", has_text="Account").click()
        visitor.press("Sign out")
        visitor.heading("Sign in to Harmony")
        assert [url for url in visitor.requests if not url.startswith(f"{address}/")] == []
        assert {cookie["path"] for cookie in visitor.context.cookies()} == {"/harmony"}


def test_over_tls_on_a_host_of_its_own(tmp_path: Path, arrive: Arrive) -> None:
    port, plain, made = free_port(), free_port(), a_certificate()
    address = f"https://127.0.0.1:{port}"
    certificate, key = tmp_path / "fullchain.pem", tmp_path / "privkey.pem"
    certificate.write_text(made.pem)
    key.write_text(made.key_pem)
    settings = {"HARMONY_TRUSTED_PROXIES": "1", "HARMONY_PUBLIC_URL": address}
    with running_product(tmp_path, devices=20, settings=settings) as product:
        servers = on_its_own_host(port, plain, product.url, certificate, key)
        with running_nginx(tmp_path / "nginx", servers, port):
            visitor = arrive(address, ignore_https_errors=True)
            set_up(visitor, product)
            assert {(one["name"], one["secure"], one["path"]) for one in visitor.context.cookies()} == {
                ("__Host-harmony", True, "/")
            }
            assert visitor.page.get_by_text("not encrypted").count() == 0
            asked = visitor.context.request
            assert asked.get(f"{address}/healthz").headers["strict-transport-security"] == "max-age=31536000"
            led = asked.get(f"http://127.0.0.1:{plain}/devices?q=x", max_redirects=0)
            assert (led.status, led.headers["location"]) == (301, "https://127.0.0.1/devices?q=x")
