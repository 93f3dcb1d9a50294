"""Certificates that do not hold, in the way of a whole sync. Rung S: sockets and TLS."""

from __future__ import annotations

import pytest
from flask import current_app

from harmony.clock import now
from harmony.models import SyncRunState
from harmony.uem.trust.certificates import read_upload
from harmony.uem.trust.x509 import fingerprint
from harmony.web.integrations import overview
from tests.faults.certs import Made, a_certificate, sending, sha1_root
from tests.faults.scene import Scene

FAILED = SyncRunState.FAILED


def presenting(scene: Scene, shown: Made, trusted: str | None, says: str) -> None:
    """The server shows this certificate from now on; we trust that PEM, or the public store."""
    scene.learn()
    scene.server.swap(shown)
    scene.point(self_signed=trusted is not None, certificate=trusted or "")
    scene.suffer(FAILED, says)
    assert scene.slept == [], "a certificate does not become good by asking again"


@pytest.mark.parametrize(
    ("days", "says"), [((-30, -3), "A certificate of 127.0.0.1 expired on"), ((3, 30), "is not valid yet")]
)
def test_row_4_the_certificate_is_out_of_its_time(scene: Scene, days: tuple[int, int], says: str) -> None:
    shown = a_certificate(days=days)
    presenting(scene, shown, shown.pem, says)
    assert f"{shown.certificate.not_valid_after_utc:%Y-%m-%d}" in scene.last_run().reason
    assert days[1] > 0 or "(expired 3 days ago)" in scene.last_run().reason


def test_row_5_a_self_signed_certificate_is_not_trusted(scene: Scene, made: Made) -> None:
    presenting(scene, made, None, "The certificate of 127.0.0.1 is self-signed.")
    assert "upload the certificate in PEM form" in scene.last_run().advice


def test_row_5_the_authority_is_unknown(scene: Scene) -> None:
    root = a_certificate("Corp Root", authority=True, names=())
    presenting(scene, a_certificate(issuer=root), None, "The issuer of the certificate of 127.0.0.1 is not")
    assert "issuer: Corp Root" in scene.last_run().reason


def test_row_5_the_uploaded_authority_is_another(scene: Scene) -> None:
    right, wrong = (a_certificate(name, authority=True, names=()) for name in ("Right", "Wrong"))
    presenting(
        scene, a_certificate(issuer=right), wrong.pem, "certificate that the uploaded one does not vouch for"
    )


def test_row_5_a_root_that_signs_itself_with_sha_1_is_trusted(scene: Scene) -> None:
    root = sha1_root()
    scene.learn()
    scene.server.swap(a_certificate(issuer=root))
    scene.point(self_signed=True, certificate=read_upload(root.pem, now()).pem)
    scene.suffer(SyncRunState.OK, "")


def test_row_5_what_is_left_out_of_an_upload_was_not_needed(scene: Scene) -> None:
    root = a_certificate("Corp Root", authority=True, names=())
    former = a_certificate("Corp Root", authority=True, names=(), days=(-900, -5), key=root.key)
    ended = a_certificate(issuer=root, days=(-30, -2))
    scene.learn()
    scene.server.swap(a_certificate(issuer=root))
    scene.point(self_signed=True, certificate=read_upload(former.pem + ended.pem + root.pem, now()).pem)
    scene.suffer(SyncRunState.OK, "")


@pytest.mark.parametrize("uploaded", [True, False])
def test_row_5_an_issuer_that_nobody_sent_is_named(scene: Scene, uploaded: bool) -> None:
    root = a_certificate("Corp Root", authority=True, names=())
    middle = a_certificate("Corp Issuing", issuer=root, authority=True, names=())
    leaf = a_certificate(issuer=middle)
    trusted = root.pem if uploaded else None
    presenting(scene, leaf, trusted, "127.0.0.1 was issued by Corp Issuing, and")
    run = scene.last_run()
    assert "the certificate of Corp Issuing" in run.reason
    assert "renewed" not in run.advice
    scene.server.swap(sending(leaf, middle))
    scene.point(self_signed=True, certificate=root.pem)
    scene.suffer(SyncRunState.OK, "")


def test_row_5_the_end_of_a_longer_chain_is_named(scene: Scene) -> None:
    other = a_certificate("Wrong Root", authority=True, names=())
    root = a_certificate("Corp Root", authority=True, names=())
    middle = a_certificate("Corp Issuing", issuer=root, authority=True, names=())
    shown = sending(a_certificate(issuer=middle), middle)
    presenting(scene, shown, other.pem, "Corp Issuing was issued by Corp Root, and neither")


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("dns:127.0.0.1",), "it names 127.0.0.1 as a DNS name only; for an address it needs an entry"),
        (("uem.example.com",), "it names uem.example.com, and no IP address: enter one of the names"),
        ((), "it has no subject alternative names (its common name does not count)"),
    ],
)
def test_row_6_a_name_of_the_wrong_kind_is_told(scene: Scene, names: tuple[str, ...], says: str) -> None:
    shown = a_certificate(names=names)
    presenting(scene, shown, shown.pem, says)


@pytest.mark.parametrize("names", [("uem.example.com", "10.9.8.7"), ()])
def test_row_6_the_certificate_names_another_host(scene: Scene, names: tuple[str, ...]) -> None:
    shown = a_certificate(names=names)
    presenting(scene, shown, shown.pem, "The certificate is not for 127.0.0.1: it")
    assert all(name in scene.last_run().reason for name in names)


def test_row_7_the_pinned_certificate_changed(scene: Scene, made: Made) -> None:
    scene.learn()
    other = a_certificate()
    scene.server.swap(other)
    asked = len(scene.server.requests)
    done = scene.suffer(FAILED, "presents a certificate that the uploaded one does not vouch for.")
    assert f"Uploaded: SHA-256 {fingerprint(made.certificate)}." in done.reason
    assert f"Presented: SHA-256 {fingerprint(other.certificate)}." in done.reason
    scene.suffer(FAILED, "does not vouch for")
    assert len(scene.server.requests) == asked, "nothing is sent to a server that changed"
    scene.point(certificate=other.pem)
    scene.recover()


@pytest.mark.parametrize(
    ("days", "state", "banner"),
    [
        ((-300, 10), SyncRunState.OK, "The certificate of the server ends in"),
        ((-300, -1), FAILED, "The certificate of the server has expired"),
    ],
)
def test_row_8_the_uploaded_certificate_ends(
    scene: Scene, days: tuple[int, int], state: SyncRunState, banner: str
) -> None:
    scene.learn()
    ending = a_certificate(days=days)
    scene.server.swap(ending)
    scene.point(certificate=ending.pem)
    scene.suffer(state, "" if state == SyncRunState.OK else "A certificate of 127.0.0.1 expired on")
    with current_app.test_request_context():
        shown = overview.page(scene.integration(), now())["attention"]
    assert [one.text for one in shown if one.text.startswith(banner)]
