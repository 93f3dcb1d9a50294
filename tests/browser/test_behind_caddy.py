"""The dashboard behind a real Caddy with our file: on a host of its own, and below a path (rung B)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.caddy import running_caddy, sites
from tests.browser.conftest import Arrive
from tests.browser.nginx import free_port
from tests.browser.product import running_product
from tests.browser.test_walk import set_up
from tests.faults.certs import a_certificate

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("place", ["own host", "path"])
def test_the_dashboard_is_set_up_through_caddy(tmp_path: Path, arrive: Arrive, place: str) -> None:
    own, shared, made = free_port(), free_port(), a_certificate()
    certificate, key = tmp_path / "fullchain.pem", tmp_path / "privkey.pem"
    certificate.write_text(made.pem)
    key.write_text(made.key_pem)
    address = f"https://127.0.0.1:{own}" if place == "own host" else f"http://127.0.0.1:{shared}/harmony"
    settings = {"HARMONY_TRUSTED_PROXIES": "1", "HARMONY_PUBLIC_URL": address}
    with running_product(tmp_path, devices=20, settings=settings) as product:
        config = sites(own, shared, product.url, certificate, key)
        with running_caddy(tmp_path / "caddy", config, own):
            visitor = arrive(address, ignore_https_errors=True)
            set_up(visitor, product)
            assert [url for url in visitor.requests if not url.startswith(f"{address}/")] == []
            cookies = {(one["name"], one["secure"], one["path"]) for one in visitor.context.cookies()}
            assert cookies == {
                ("__Host-harmony", True, "/") if place == "own host" else ("harmony", False, "/harmony")
            }
            forged = {"X-Forwarded-Prefix": "/elsewhere", "X-Forwarded-Host": "evil.example"}
            answer = visitor.context.request.get(f"{address}/devices", headers=forged)
            assert answer.status == 200
            assert "elsewhere" not in answer.text()
            assert "evil.example" not in answer.text()
