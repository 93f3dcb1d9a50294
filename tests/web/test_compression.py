"""Rungs R and S: text comes compressed; what shows a secret or another site asked for never does."""

from __future__ import annotations

import gzip

import pytest
from flask import Flask
from flask.testing import FlaskClient

from harmony.models import SyncRunState
from tests.builders import an_integration
from tests.markup import as_shown
from tests.ops.served import serving
from tests.web.test_runs import a_run

GZIP = {"Accept-Encoding": "gzip, deflate, br, zstd"}
STATIC = "/static/css/harmony.css"


@pytest.mark.parametrize("path", [STATIC, "/devices", "/integrations", "/audit", "/protect/v1/openapi.json"])
def test_text_comes_compressed_and_says_what_it_is(signed_in: FlaskClient, path: str) -> None:
    plain, packed = signed_in.get(path, buffered=True), signed_in.get(path, headers=GZIP, buffered=True)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) == len(packed.data) < len(plain.data)
    unpacked = gzip.decompress(packed.data).decode()
    assert len(as_shown(unpacked) if packed.mimetype == "text/html" else unpacked) == len(plain.text)
    assert "Content-Encoding" not in plain.headers
    for answer in (plain, packed):
        assert "Accept-Encoding" in answer.headers["Vary"]
    if path != STATIC and not path.endswith(".json"):
        assert "HX-Request" in packed.headers["Vary"]


@pytest.mark.parametrize("accepted", ["", "identity", "br", "gzip;q=0", "gzip; q=0.0", "*;q=0"])
def test_who_takes_no_gzip_gets_none(signed_in: FlaskClient, accepted: str) -> None:
    assert (
        "Content-Encoding"
        not in signed_in.get(STATIC, headers={"Accept-Encoding": accepted}, buffered=True).headers
    )


def test_a_fragment_for_htmx_is_compressed_too(signed_in: FlaskClient) -> None:
    answer = signed_in.get(
        "/devices", headers=GZIP | {"HX-Request": "true", "HX-Boosted": "true"}, buffered=True
    )
    assert answer.headers["Content-Encoding"] == "gzip"


def test_an_answer_that_browsers_share_is_compressed_once(
    app: Flask, signed_in: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        id_ = an_integration()
        a_run(id_, state=SyncRunState.RUNNING, finished_at=None)
    monkeypatch.setattr("harmony.web.shared.shared_answers.monotonic", lambda: 1.0)
    status = f"/integrations/{id_}/status"
    plain = signed_in.get(status)
    assert "Content-Encoding" not in plain.headers
    first = signed_in.get(status, headers=GZIP)
    assert as_shown(gzip.decompress(first.data).decode()) == plain.text
    monkeypatch.setattr("harmony.web.shared.compression.gzip.compress", None)
    again = signed_in.get(status, headers=GZIP)
    assert again.data == first.data
    assert again.headers["Content-Encoding"] == "gzip"
    assert int(again.headers["Content-Length"]) == len(again.data)
    assert "Accept-Encoding" in again.headers["Vary"]
    assert "HX-Request" in again.headers["Vary"]


def test_a_file_as_a_stream_is_compressed(signed_in: FlaskClient) -> None:
    answer = signed_in.post("/devices/devices.csv", headers=GZIP, buffered=True)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.data) == signed_in.post("/devices/devices.csv", buffered=True).data


def test_what_is_kept_is_asked_for_by_the_tag_of_its_encoding(signed_in: FlaskClient) -> None:
    plain, packed = signed_in.get(STATIC, buffered=True), signed_in.get(STATIC, headers=GZIP, buffered=True)
    assert plain.headers["ETag"] != packed.headers["ETag"]
    for answer, headers in ((plain, {}), (packed, GZIP)):
        again = signed_in.get(
            STATIC, headers=headers | {"If-None-Match": answer.headers["ETag"]}, buffered=True
        )
        assert (again.status_code, again.data) == (304, b"")
        assert "Accept-Encoding" in again.headers["Vary"]


def test_a_part_of_a_file_is_a_part_of_the_file(signed_in: FlaskClient) -> None:
    answer = signed_in.get(STATIC, headers=GZIP | {"Range": "bytes=0-599"}, buffered=True)
    assert answer.status_code == 206
    assert "Content-Encoding" not in answer.headers
    assert len(answer.data) == 600


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_another_site_asked_for_is_not_compressed(signed_in: FlaskClient, site: str) -> None:
    headers = GZIP | {"Sec-Fetch-Site": site}
    assert "Content-Encoding" not in signed_in.get("/devices?q=a", headers=headers, buffered=True).headers


def test_nothing_that_shows_a_secret_is_compressed(app: Flask, signed_in: FlaskClient) -> None:
    made = signed_in.post("/integrations", data={"kind": "workspace_one"})
    assert made.status_code == 303
    for page in ("server", "deployment"):
        path = made.location.rsplit("/", 1)[0] + f"/{page}"
        assert "Content-Encoding" not in signed_in.get(path, headers=GZIP, buffered=True).headers, path
    assert "Content-Encoding" not in signed_in.get("/demo/device", headers=GZIP, buffered=True).headers
    for path in ("/policy", "/protect/v1/register"):
        assert "Content-Encoding" not in signed_in.post(path, headers=GZIP).headers


@pytest.mark.parametrize("path", [STATIC, "/setup", "/protect/v1/openapi.json"])
def test_on_a_real_socket_head_says_what_get_says_and_sends_nothing(
    app: Flask, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    with serving(app, monkeypatch) as served:
        got = served.get(path, "Accept-Encoding: gzip")
        lines = (f"HEAD {path} HTTP/1.1", f"Host: 127.0.0.1:{served.port}", "Accept-Encoding: gzip")
        client = served.connect("\r\n".join((*lines, "Connection: close", "", "")).encode())
        received = b""
        while part := client.recv(65536):
            received += part
    assert gzip.decompress(got.body)
    assert received.endswith(b"\r\n\r\n")
    assert f"Content-Length: {len(got.body)}\r\n".encode() in received
    assert b"Content-Encoding: gzip\r\n" in received
