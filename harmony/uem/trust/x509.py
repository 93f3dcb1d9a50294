"""What a certificate says about itself, in words for a page."""

from __future__ import annotations

import contextlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

_LONGEST = 200


@dataclass(frozen=True, slots=True)
class CertificateSummary:
    """One certificate; `names` are its subject alternative names, `sha256` is AA:BB:…, times aware UTC.

    `addresses` are the last of the names, those of the kind IP address; `sent` came with it in a handshake.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    sha256: str
    days_left: int
    self_signed: bool
    authority: bool
    addresses: tuple[str, ...] = ()
    sent: tuple[CertificateSummary, ...] = ()


def summarize(certificate: x509.Certificate, now: datetime) -> CertificateSummary:
    """Return the summary of a parsed certificate; `days_left` is negative once it has expired."""
    hosts, addresses = _alternative_names(certificate)
    return CertificateSummary(
        subject=_name(certificate.subject),
        issuer=_name(certificate.issuer),
        names=hosts + addresses,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        sha256=fingerprint(certificate),
        days_left=(certificate.not_valid_after_utc - now).days,
        self_signed=is_self_signed(certificate),
        authority=is_authority(certificate),
        addresses=addresses,
    )


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 over the whole certificate, as AA:BB:CC:…."""
    return certificate.fingerprint(SHA256()).hex(":").upper()


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Tell whether the certificate vouches for itself."""
    if certificate.issuer != certificate.subject:
        return False
    for verify in (certificate.verify_directly_issued_by, _verify_old_signature):
        with contextlib.suppress(InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
            verify(certificate)
            return True
    return False


def _verify_old_signature(certificate: x509.Certificate) -> None:
    """Check a signature with SHA-1 or MD5, which `verify_directly_issued_by` no longer looks at."""
    key, digest = certificate.public_key(), certificate.signature_hash_algorithm
    if digest is None:
        raise InvalidSignature
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(certificate.signature, certificate.tbs_certificate_bytes, padding.PKCS1v15(), digest)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(digest))
    else:
        raise InvalidSignature


def is_authority(certificate: x509.Certificate) -> bool:
    """Tell whether the certificate may issue others."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _name(name: x509.Name) -> str:
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    text = str(common[0].value) if common else name.rfc4514_string()
    return _printable(text) or "(no name)"


def _alternative_names(certificate: x509.Certificate) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of hosts and the addresses, fifty of each at most."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return (), ()
    names = [_printable(name) for name in found.get_values_for_type(x509.DNSName)]
    addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address | object] = []
    addresses.extend(found.get_values_for_type(x509.IPAddress))
    return tuple(names[:50]), tuple(str(address) for address in addresses[:50])


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:_LONGEST]
