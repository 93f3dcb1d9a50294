"""Reading the certificate an administrator uploads: refuse what would not work or must never be here."""

from __future__ import annotations

import codecs
import unicodedata
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from harmony.uem.trust.x509 import CertificateSummary, is_authority, is_self_signed, summarize

_MAX_BYTES = 64 * 1024
_MAX_CERTIFICATES = 10
WARN_DAYS = 30
_WEAK_HASHES = {"md5", "sha1"}


class CertificateRefused(Exception):
    """The upload is not kept; `sentence` says why, and what to upload instead."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class _CertificateUpload:
    """An upload as read: each certificate once, and the PEM to store."""

    certificates: tuple[CertificateSummary, ...]
    pem: str
    warnings: tuple[str, ...]


def read_upload(data: bytes | str, now: datetime) -> _CertificateUpload:
    """Return the certificates in an uploaded file or pasted text; raises CertificateRefused.

    They are judged as a verifier judges them: it trusts what signs itself, whatever that signature is worth,
    and needs of the others what a chain runs through. What it could not use is left out with a note.
    """
    raw = _text_of(data)
    _refuse_by_shape(raw)
    certificates = _parse(raw)
    faults = {certificate: _fault(certificate, now) for certificate in certificates}
    usable = [certificate for certificate in certificates if not faults[certificate]]
    if not any(is_self_signed(certificate) for certificate in usable):
        raise CertificateRefused(_why_none(certificates, faults))
    summaries = tuple(summarize(certificate, now) for certificate in usable)
    pem = "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in usable)
    left_out = tuple(f"Left out: {fault}" for fault in faults.values() if fault)
    return _CertificateUpload(summaries, pem, left_out + _old_signatures(usable) + _warnings(summaries))


def usable_certificates(pem: str, now: datetime) -> tuple[CertificateSummary, ...]:
    """Return the certificates of a stored upload, none when they cannot be used any more."""
    try:
        return read_upload(pem, now).certificates if pem else ()
    except CertificateRefused:
        return ()


def _text_of(data: bytes | str) -> bytes:
    """Return the upload as UTF-8, without what editors and consoles leave in a pasted PEM."""
    if isinstance(data, bytes) and data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data = data.decode("utf-16", "replace")
    text = data if isinstance(data, str) else data.decode("utf-8", "replace")
    # From JSON or an environment: the line ends as they are written there.
    text = text.replace("\\r", "").replace("\\n", "\n")
    shown = "".join(" " if character.isspace() and character != "\n" else character for character in text)
    kept = "".join(character for character in shown if unicodedata.category(character) != "Cf")
    return "\n".join(line.strip() for line in kept.splitlines()).encode()


def _refuse_by_shape(raw: bytes) -> None:
    # First of all, and on the raw bytes: OpenSSL accepts a key beside the certificate silently.
    if b"PRIVATE KEY" in raw.replace(b"\x00", b"").upper():
        raise CertificateRefused(
            "This file contains a PRIVATE KEY. Nothing was stored. A private key never leaves its server: "
            "upload only the certificate, and consider replacing a key that has travelled."
        )
    if len(raw) > _MAX_BYTES:
        raise CertificateRefused("This file is larger than 64 KiB; a certificate in PEM form has a few KiB.")
    if b"-----BEGIN CERTIFICATE-----" not in raw:
        raise CertificateRefused(
            "This is not a certificate in PEM form. Export it as base64 (CER or PEM): "
            "text that begins with -----BEGIN CERTIFICATE-----."
        )
    if raw.count(b"-----BEGIN CERTIFICATE-----") > _MAX_CERTIFICATES:
        raise CertificateRefused(
            "This file holds more than 10 certificates; upload only the one that is needed."
        )


def _parse(raw: bytes) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(raw)
    except ValueError:
        raise CertificateRefused("A certificate in this file is damaged; export it again.") from None
    return list(dict.fromkeys(found))


def _fault(certificate: x509.Certificate, now: datetime) -> str:
    """Why no verifier could use this certificate, in a sentence; "" when it could."""
    return _weak_key(certificate) or _weak_signature(certificate) or _out_of_time(certificate, now)


def _weak_key(certificate: x509.Certificate) -> str:
    subject = _subject(certificate)
    key = _public_key(certificate)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        return f"The key of {subject} is RSA {key.key_size}; at least RSA 2048 is needed."
    if isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < 256:
        return f"The key of {subject} is a curve of {key.key_size} bits; at least P-256 is needed."
    if key is None or isinstance(key, dsa.DSAPublicKey):
        return f"The key of {subject} is of a kind that TLS no longer uses."
    return ""


def _weak_signature(certificate: x509.Certificate) -> str:
    # What signs itself is trusted because it was uploaded; nobody looks at its signature.
    if _hash_name(certificate) not in _WEAK_HASHES or is_self_signed(certificate):
        return ""
    return f"{_subject(certificate)} is signed with SHA-1 or MD5, which can be forged; renew it."


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


def _out_of_time(certificate: x509.Certificate, now: datetime) -> str:
    subject = _subject(certificate)
    if certificate.not_valid_after_utc < now:
        return f"{subject} expired on {certificate.not_valid_after_utc:%Y-%m-%d}; upload the new one."
    if certificate.not_valid_before_utc > now:
        day = certificate.not_valid_before_utc
        return f"{subject} is valid only from {day:%Y-%m-%d}; check the clock of this machine."
    return ""


def _why_none(certificates: list[x509.Certificate], faults: dict[x509.Certificate, str]) -> str:
    """Why nothing in the file can be trusted: what signs itself has a fault, or nothing signs itself.

    OpenSSL follows a chain to a self-signed end: a pinned leaf of a CA fails with code 20 [measured].
    """
    if own := next((faults[certificate] for certificate in certificates if is_self_signed(certificate)), ""):
        return own
    if alone := next((fault for fault in faults.values() if fault), ""):
        return alone
    subjects = {certificate.subject for certificate in certificates}
    # The last of a chain: nothing in the file issued it.
    last = next(
        (certificate for certificate in certificates if certificate.issuer not in subjects), certificates[-1]
    )
    kind = "an intermediate authority" if is_authority(last) else "a server certificate"
    issuer = summarize(last, last.not_valid_before_utc).issuer
    return (
        f"{_subject(last)} is {kind} issued by {issuer}, whose certificate is not in this file. "
        f"Upload the certificate of {issuer}; if that is not a root, which has itself as issuer, "
        "then those above it up to the root as well."
    )


def _old_signatures(certificates: list[x509.Certificate]) -> tuple[str, ...]:
    return tuple(
        f"{_subject(certificate)} signs itself with SHA-1 or MD5, which harms no root; renew it in time."
        for certificate in certificates
        if _hash_name(certificate) in _WEAK_HASHES
    )


def _warnings(summaries: tuple[CertificateSummary, ...]) -> tuple[str, ...]:
    return tuple(
        f"{summary.subject} expires in {summary.days_left} days, on {summary.not_after:%Y-%m-%d}."
        for summary in summaries
        if summary.days_left < WARN_DAYS
    )


def _subject(certificate: x509.Certificate) -> str:
    return summarize(certificate, certificate.not_valid_before_utc).subject
