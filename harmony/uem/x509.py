"""What a certificate says about itself, in words for a page."""

from __future__ import annotations

import contextlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

_LONGEST = 200


@dataclass(frozen=True, slots=True)
class CertificateSummary:
    """One certificate; `names` are its subject alternative names, `sha256` is AA:BB:…, times aware UTC."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    sha256: str
    days_left: int
    self_signed: bool
    authority: bool


def summarize(certificate: x509.Certificate, now: datetime) -> CertificateSummary:
    """The summary of a parsed certificate; `days_left` is negative once it has expired."""
    return CertificateSummary(
        subject=_name(certificate.subject),
        issuer=_name(certificate.issuer),
        names=_alternative_names(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        sha256=fingerprint(certificate),
        days_left=(certificate.not_valid_after_utc - now).days,
        self_signed=is_self_signed(certificate),
        authority=is_authority(certificate),
    )


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 over the whole certificate, as AA:BB:CC:…."""
    return certificate.fingerprint(SHA256()).hex(":").upper()


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Whether the certificate vouches for itself."""
    if certificate.issuer != certificate.subject:
        return False
    with contextlib.suppress(InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        certificate.verify_directly_issued_by(certificate)
        return True
    return False


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether the certificate may issue others."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _name(name: x509.Name) -> str:
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    text = str(common[0].value) if common else name.rfc4514_string()
    return _printable(text) or "(no name)"


def _alternative_names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    names = [_printable(name) for name in found.get_values_for_type(x509.DNSName)]
    addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address | object] = []
    addresses.extend(found.get_values_for_type(x509.IPAddress))
    return tuple((names + [str(address) for address in addresses])[:50])


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:_LONGEST]
