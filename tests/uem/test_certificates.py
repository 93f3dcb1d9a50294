"""Certificates that administrators upload. Made in the test, no network, no rung."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from harmony.uem.trust.certificates import CertificateRefused, read_upload
from tests.faults.certs import SHA1_ROOT, TODAY, a_certificate

SIGNED_WITH_SHA1 = """\
-----BEGIN CERTIFICATE-----
MIIBgjCCASigAwIBAgIUBULLPz5li0gtPxadr1Ep7jqsYjgwCQYHKoZIzj0EATAW
MRQwEgYDVQQDDAtvbGQuZXhhbXBsZTAgFw0yNjExMjQwMTM5MzNaGA8yMTI2MTAz
MTAxMzkzM1owFjEUMBIGA1UEAwwLb2xkLmV4YW1wbGUwWTATBgcqhkjOPQIBBggq
hkjOPQMBBwNCAATHiMIFcNoNvno2EXLEu/oiMLEFVhXJ/aGQGx3mFB93bNnobb0y
hu0sbIvQtfDqUI6f/ziUd/pJK/2dBswCCUyho1MwUTAdBgNVHQ4EFgQUyitS7XP2
4VW7zhqyugSrrXDxN68wHwYDVR0jBBgwFoAUyitS7XP24VW7zhqyugSrrXDxN68w
DwYDVR0TAQH/BAUwAwEB/zAJBgcqhkjOPQQBA0kAMEYCIQDfu1EXMkfyjF/Vsy84
HfigV+bWCpTIYpV8JS1p9Cs9igIhAMtswIXv4UX8fECIdhyOCxXQopBYYsdn6iky
i8kiNF+l
-----END CERTIFICATE-----
"""


def refusal(data: str | bytes) -> str:
    with pytest.raises(CertificateRefused) as caught:
        read_upload(data, TODAY)
    assert caught.value.sentence == str(caught.value)
    return caught.value.sentence


def test_it_shows_what_it_read() -> None:
    made = a_certificate("uem.corp", names=("uem.corp", "10.0.0.1"))
    upload = read_upload(made.pem, TODAY)
    (shown,) = upload.certificates
    assert (shown.subject, shown.issuer, shown.names) == ("uem.corp", "uem.corp", ("uem.corp", "10.0.0.1"))
    assert shown.days_left in {89, 90}
    assert len(shown.sha256) == 32 * 3 - 1
    assert upload.pem == made.pem
    assert upload.warnings == ()


@pytest.mark.parametrize("kind", ["PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "private key"])
def test_a_private_key_is_refused_loudly_and_never_echoed(kind: str) -> None:
    made = a_certificate()
    secret = f"-----BEGIN {kind}-----\nMIIcanary\n-----END {kind}-----\n"
    for data in (secret, made.pem + secret, secret + made.pem, (made.pem + secret).encode()):
        sentence = refusal(data)
        assert "PRIVATE KEY" in sentence
        assert "Nothing was stored" in sentence
        assert "canary" not in sentence


def test_a_key_that_hides_behind_invisible_characters_is_found() -> None:
    assert "PRIVATE KEY" in refusal(
        a_certificate().pem + "-----BEGIN PRI\u200bVATE\u00a0KEY-----\nMIIcanary\n"
    )


def test_a_real_key_beside_its_certificate_is_refused() -> None:
    made = a_certificate()
    assert "PRIVATE KEY" in refusal(made.pem + made.key_pem)
    assert "PRIVATE KEY" in refusal((made.pem + made.key_pem).encode("utf-16"))


@pytest.mark.parametrize(
    "data", ["", "hello", b"\x30\x82\x01\x0a\x00", "<html>", "-----BEGIN PKCS7-----\nAA\n"]
)
def test_what_is_not_pem_is_refused(data: str | bytes) -> None:
    assert "PEM" in refusal(data)


def test_a_damaged_certificate_is_refused() -> None:
    pem = a_certificate().pem
    assert "damaged" in refusal(pem[:200] + "!!!!" + pem[204:])
    assert "damaged" in refusal(pem.split("-----END")[0])


def test_a_file_that_is_too_large_or_too_long_is_refused() -> None:
    pem = a_certificate().pem
    assert "64 KiB" in refusal(pem + "#" * 65_536)
    assert "more than 10" in refusal(pem * 11)


def test_the_same_certificate_twice_is_kept_once() -> None:
    assert len(read_upload(a_certificate().pem * 3, TODAY).certificates) == 1


def test_line_ends_byte_order_mark_and_bag_attributes_do_no_harm() -> None:
    pem = a_certificate().pem
    assert read_upload(b"\xef\xbb\xbf" + pem.replace("\n", "\r\n").encode(), TODAY).pem == pem
    assert read_upload(pem.encode("utf-16"), TODAY).pem == pem
    assert read_upload(pem.replace("\n", "\\n"), TODAY).pem == pem
    assert read_upload(pem.replace("\n", "\u2028"), TODAY).pem == pem
    assert read_upload(pem.replace("\n", "\n    \u00a0").replace("M", "\u200bM"), TODAY).pem == pem
    assert read_upload("Bag Attributes\n  friendlyName: uem\n" + pem, TODAY).pem == pem


def test_a_certificate_out_of_its_time_is_refused() -> None:
    assert "expired" in refusal(a_certificate(days=(-30, -2)).pem)
    assert "valid only from" in refusal(a_certificate(days=(2, 30)).pem)


def test_one_that_expires_soon_is_kept_with_a_warning() -> None:
    (warning,) = read_upload(a_certificate(days=(-1, 20)).pem, TODAY).warnings
    assert "expires in" in warning


def test_weak_keys_are_refused() -> None:
    assert "2048" in refusal(a_certificate(key=rsa.generate_private_key(65537, 1024)).pem)  # noqa: S505 - a weak key to refuse
    assert "P-256" in refusal(a_certificate(key=ec.generate_private_key(ec.SECP192R1())).pem)
    assert "no longer" in refusal(a_certificate(key=dsa.generate_private_key(2048)).pem)


def test_the_weak_signature_of_what_signs_itself_is_kept_with_a_note() -> None:
    # Made once with OpenSSL; `cryptography` no longer signs with SHA-1. Valid until 2126.
    for pem in (SIGNED_WITH_SHA1, SHA1_ROOT):
        upload = read_upload(pem, TODAY)
        assert upload.pem == pem
        (note,) = upload.warnings
        assert "signs itself with SHA-1 or MD5, which harms no root" in note


def test_what_no_chain_needs_is_left_out_with_a_note() -> None:
    root = a_certificate("Corp Root", authority=True, names=())
    old_root = a_certificate("Corp Root", authority=True, names=(), days=(-900, -5), key=root.key)
    ended = a_certificate("uem.corp", issuer=root, days=(-30, -2))
    coming = a_certificate("new.corp", issuer=root, days=(2, 30))
    weak = a_certificate("weak.corp", issuer=root, key=rsa.generate_private_key(65537, 1024))  # noqa: S505
    for extra, says in (
        (ended, "uem.corp expired on"),
        (coming, "new.corp is valid only from"),
        (weak, "RSA 1024"),
        (old_root, "Corp Root expired on"),
    ):
        for pem in (extra.pem + root.pem, root.pem + extra.pem):
            upload = read_upload(pem, TODAY)
            assert upload.pem == root.pem
            (note,) = upload.warnings
            assert note.startswith("Left out: ")
            assert says in note


def test_a_file_whose_every_anchor_is_unusable_is_refused_for_that() -> None:
    root = a_certificate("Corp Root", authority=True, names=(), days=(-900, -5))
    leaf = a_certificate("uem.corp", issuer=root)
    assert refusal(leaf.pem + root.pem).startswith("Corp Root expired on")


def test_strong_keys_of_every_kind_are_kept() -> None:
    for key in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())):
        assert read_upload(a_certificate(key=key).pem, TODAY).certificates


def test_a_leaf_of_an_authority_needs_the_authority() -> None:
    root = a_certificate("Corp Root", authority=True, names=())
    middle = a_certificate("Corp Issuing", issuer=root, authority=True, names=())
    leaf = a_certificate("uem.corp", issuer=middle)
    assert "uem.corp is a server certificate issued by Corp Issuing, whose certificate is" in refusal(
        leaf.pem
    )
    for pem in (middle.pem, leaf.pem + middle.pem, middle.pem + leaf.pem):
        sentence = refusal(pem)
        assert "Corp Issuing is an intermediate authority issued by Corp Root, whose" in sentence
    assert "the root that signs itself" not in refusal(leaf.pem), "Corp Issuing is none"
    assert len(read_upload(leaf.pem + middle.pem + root.pem, TODAY).certificates) == 3
    assert read_upload(root.pem, TODAY).certificates[0].authority
