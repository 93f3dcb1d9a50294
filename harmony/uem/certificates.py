"""Reading the certificate an administrator uploads: refuse what would not work or must never be here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from harmony.uem.x509 import CertificateSummary, is_authority, is_self_signed, summarize

MAX_BYTES = 64 * 1024
MAX_CERTIFICATES = 10
WARN_DAYS = 30
_WEAK_HASHES = {"md5", "sha1"}


class CertificateRefused(Exception):
    """The upload is not kept; `sentence` says why, and what to upload instead."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class CertificateUpload:
    """What was read: each certificate once, and the PEM to store."""

    certificates: tuple[CertificateSummary, ...]
    pem: str
    warnings: tuple[str, ...]


def read_upload(data: bytes | str, now: datetime) -> CertificateUpload:
    """The certificates in an uploaded file or pasted text; raises CertificateRefused."""
    raw = data.encode("utf-8", "replace") if isinstance(data, str) else data
    _refuse_by_shape(raw)
    certificates = _parse(raw)
    for certificate in certificates:
        _refuse_weak(certificate)
        _refuse_outdated(certificate, now)
    _refuse_without_anchor(certificates)
    summaries = tuple(summarize(certificate, now) for certificate in certificates)
    pem = "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates)
    return CertificateUpload(summaries, pem, _warnings(summaries))


def _refuse_by_shape(raw: bytes) -> None:
    # First of all, and on the raw bytes: OpenSSL accepts a key beside the certificate silently.
    if b"PRIVATE KEY" in raw.replace(b"\x00", b"").upper():
        raise CertificateRefused(
            "This file contains a PRIVATE KEY. Nothing was stored. A private key never leaves its server: "
            "upload only the certificate, and consider replacing a key that has travelled."
        )
    if len(raw) > MAX_BYTES:
        raise CertificateRefused("This file is larger than 64 KiB; a certificate in PEM form has a few KiB.")
    if b"-----BEGIN CERTIFICATE-----" not in raw:
        raise CertificateRefused(
            "This is not a certificate in PEM form. Export it as base64 (CER or PEM): "
            "text that begins with -----BEGIN CERTIFICATE-----."
        )
    if raw.count(b"-----BEGIN CERTIFICATE-----") > MAX_CERTIFICATES:
        raise CertificateRefused(
            "This file holds more than 10 certificates; upload only the one that is needed."
        )


def _parse(raw: bytes) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(raw)
    except ValueError:
        raise CertificateRefused("A certificate in this file is damaged; export it again.") from None
    return list(dict.fromkeys(found))


def _refuse_weak(certificate: x509.Certificate) -> None:
    subject = _subject(certificate)
    key = _public_key(certificate)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        raise CertificateRefused(f"The key of {subject} is RSA {key.key_size}; at least RSA 2048 is needed.")
    if isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < 256:
        raise CertificateRefused(
            f"The key of {subject} is a curve of {key.key_size} bits; at least P-256 is needed."
        )
    if key is None or isinstance(key, dsa.DSAPublicKey):
        raise CertificateRefused(f"The key of {subject} is of a kind that TLS no longer uses.")
    if _hash_name(certificate) in _WEAK_HASHES:
        raise CertificateRefused(f"{subject} is signed with SHA-1 or MD5, which can be forged; renew it.")


def _public_key(certificate: x509.Certificate) -> object | None:
    # An unknown algorithm or curve raises UnsupportedAlgorithm, a broken key ValueError.
    try:
        return certificate.public_key()
    except Exception:
        return None


def _hash_name(certificate: x509.Certificate) -> str:
    # Ed25519 has no separate hash; an unknown signature algorithm raises instead.
    try:
        algorithm = certificate.signature_hash_algorithm
    except Exception:
        return ""
    return algorithm.name if algorithm else ""


def _refuse_outdated(certificate: x509.Certificate, now: datetime) -> None:
    subject = _subject(certificate)
    if certificate.not_valid_after_utc < now:
        raise CertificateRefused(
            f"{subject} expired on {certificate.not_valid_after_utc:%Y-%m-%d}; upload the new one."
        )
    if certificate.not_valid_before_utc > now:
        day = certificate.not_valid_before_utc
        raise CertificateRefused(
            f"{subject} is valid only from {day:%Y-%m-%d}; check the clock of this machine."
        )


def _refuse_without_anchor(certificates: list[x509.Certificate]) -> None:
    # OpenSSL follows a chain to a self-signed end: a pinned leaf of a CA fails with code 20 [measured].
    if any(is_self_signed(certificate) for certificate in certificates):
        return
    last = certificates[-1]
    kind = "an intermediate authority" if is_authority(last) else "a server certificate"
    issuer = summarize(last, last.not_valid_before_utc).issuer
    raise CertificateRefused(
        f"{_subject(last)} is {kind} issued by {issuer}. Upload the certificate of {issuer} "
        "(the root that signs itself), alone or together with this one."
    )


def _warnings(summaries: tuple[CertificateSummary, ...]) -> tuple[str, ...]:
    return tuple(
        f"{summary.subject} expires in {summary.days_left} days, on {summary.not_after:%Y-%m-%d}."
        for summary in summaries
        if summary.days_left < WARN_DAYS
    )


def _subject(certificate: x509.Certificate) -> str:
    return summarize(certificate, certificate.not_valid_before_utc).subject
