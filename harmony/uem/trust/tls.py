"""TLS: what a refused handshake means in words, and a look at the certificate a server presents."""

from __future__ import annotations

import contextlib
import socket
import ssl
from dataclasses import replace
from datetime import datetime
from typing import Any

import certifi
from cryptography import x509
from urllib3.util.ssl_ import create_urllib3_context

from harmony.uem.errors import (
    CertificateChanged,
    CertificateExpired,
    CertificateNameMismatch,
    CertificateNotYetValid,
    CertificateUntrusted,
    ConnectionLost,
    NotTls,
    TlsFailed,
    TlsTooOld,
    UemError,
)
from harmony.uem.http.deadline import Deadline
from harmony.uem.http.sockets import open_socket
from harmony.uem.trust.address import Address
from harmony.uem.trust.certificate_faults import end_of_chain, missing_issuer, name_mismatch
from harmony.uem.trust.outbound import OutboundPolicy
from harmony.uem.trust.x509 import CertificateSummary, fingerprint, summarize

_UPLOAD_ADVICE = (
    "If this is your server, compare the fingerprint with the one its administrator reads out, then turn on "
    "“Server uses self-signed certificate” and upload the certificate in PEM form."
)
_ISSUER_ADVICE = "Let the server send its whole chain, or upload the certificate of its authority. "
_MOST_SENT = 10
# `_ssl.ENCODING_DER`.
_DER = 2
# Reasons OpenSSL gives when the other side speaks something else than TLS, or only an old version.
_NOT_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
_TOO_OLD = {"TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE"}


def trusting_context(ca_pem: str | None) -> ssl.SSLContext:
    """The same context that the transport uses: the given PEM alone, or the public store."""
    context = create_urllib3_context()
    if ca_pem:
        context.load_verify_locations(cadata=ca_pem)
    else:
        context.load_verify_locations(cafile=certifi.where())
    return context


def presented_certificate(
    address: Address, policy: OutboundPolicy, now: datetime
) -> CertificateSummary | None:
    """Return the certificate that the server shows to anybody, or None. For display: nothing is trusted."""
    # The one place without verification: its whole purpose is to show a certificate that cannot be verified.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            Deadline(5.0) as deadline,
            open_socket(address.host, address.port, policy, deadline) as plain,
            context.wrap_socket(plain, server_hostname=address.host) as connection,
        ):
            chain = _sent_chain(connection)
    except (OSError, ValueError, UemError):
        return None
    shown, *others = [summary_of(der, now) for der in chain[:_MOST_SENT]] or [None]
    return shown and replace(shown, sent=tuple(other for other in others if other is not None))


def _sent_chain(connection: ssl.SSLSocket) -> list[bytes]:
    """Return every certificate the server sent, its own first; `ssl` shows them since Python 3.13."""
    if hasattr(connection, "get_unverified_chain"):
        return list(connection.get_unverified_chain())
    inner: Any = getattr(connection, "_sslobj", None)
    if hasattr(inner, "get_unverified_chain"):
        return [sent.public_bytes(_DER) for sent in inner.get_unverified_chain() or ()]
    own = connection.getpeercert(binary_form=True)
    return [own] if own else []


def summary_of(der: bytes, now: datetime) -> CertificateSummary | None:
    """Return the summary of a certificate as it came over the wire, or None when it cannot be read."""
    with contextlib.suppress(ValueError):
        return summarize(x509.load_der_x509_certificate(der), now)
    return None


def describe(shown: CertificateSummary) -> str:
    """One sentence that lets a person recognise a certificate."""
    names = ", ".join(shown.names[:8]) or "none"
    # Whole days, rounded down: -1 is "within the last 24 hours".
    past = -shown.days_left - 1
    left = f"{shown.days_left} days left" if shown.days_left >= 0 else f"expired {past} days ago"
    return (
        f"Certificate: {shown.subject}; names: {names}; issuer: {shown.issuer}; "
        f"valid until {shown.not_after:%Y-%m-%d} ({left}); SHA-256 {shown.sha256}."
    )


def handshake_error(
    error: ssl.SSLError, address: Address, ca_pem: str | None, shown: CertificateSummary | None
) -> UemError:
    """Return the typed error for a failed handshake; `shown` is the certificate presented, if known."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _verification_error(error.verify_code, address.host, ca_pem, shown)
    reason = (error.reason or "").upper()
    if reason in _NOT_TLS:
        return NotTls(f"Port {address.port} of {address.host} does not speak TLS.")
    if reason in _TOO_OLD:
        return TlsTooOld(f"{address.host} offers only TLS versions older than 1.2.")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or "EOF" in reason:
        return ConnectionLost(f"{address.host} closed the connection during the TLS handshake.")
    return TlsFailed(f"No TLS connection to {address.host} could be made ({reason or 'unknown reason'}).")


def _verification_error(
    code: int, host: str, ca_pem: str | None, shown: CertificateSummary | None
) -> UemError:
    about = f" {describe(shown)}" if shown else ""
    if code == 10:
        until = f" on {shown.not_after:%Y-%m-%d %H:%M} UTC" if shown and shown.days_left < 0 else ""
        return CertificateExpired(f"A certificate of {host} expired{until}.{about}")
    if code == 9:
        since = f"; it is valid from {shown.not_before:%Y-%m-%d %H:%M} UTC" if shown else ""
        return CertificateNotYetValid(f"The certificate of {host} is not valid yet{since}.{about}")
    if code in {62, 64}:
        return CertificateNameMismatch(
            f"The certificate is not for {host}: {name_mismatch(host, shown)}.{about}"
        )
    return _trust_error(code, host, ca_pem, shown)


def _trust_error(code: int, host: str, ca_pem: str | None, shown: CertificateSummary | None) -> UemError:
    about = f" {describe(shown)}" if shown else ""
    if ca_pem and shown:
        return _not_vouched_for(host, ca_pem, shown)
    if code == 18:
        return CertificateUntrusted(f"The certificate of {host} is self-signed.{about}", _UPLOAD_ADVICE)
    if code in {2, 19, 20, 21}:
        sentence = f"The issuer of the certificate of {host} is not trusted"
        return CertificateUntrusted(f"{sentence}{_end(shown)}.{about}", _ISSUER_ADVICE + _UPLOAD_ADVICE)
    return CertificateUntrusted(
        f"The certificate of {host} was not accepted (OpenSSL code {code}).{about}", ""
    )


def _end(shown: CertificateSummary | None) -> str:
    """Name the end of the chain that the server sent, as the end of a sentence."""
    if shown is None:
        return ""
    end = end_of_chain(shown)
    if end.self_signed:
        return f": its chain ends in {end.subject}, a root that no public store has"
    return f": {missing_issuer(end, uploaded=False)}".removesuffix(".")


def _not_vouched_for(host: str, ca_pem: str, shown: CertificateSummary) -> UemError:
    """Return the error for a chain that does not lead to what was uploaded."""
    old = ", ".join(_pinned_fingerprints(ca_pem))
    both = f"Uploaded: SHA-256 {old}. Presented: SHA-256 {shown.sha256}. {describe(shown)}"
    sentence = f"{host} presents a certificate that the uploaded one does not vouch for"
    pinned = _pinned(ca_pem)
    end = end_of_chain(shown, pinned)
    if end.self_signed or not any(certificate.authority for certificate in pinned):
        return CertificateChanged(f"{sentence}. {both}", old, shown.sha256)
    return CertificateUntrusted(
        f"{sentence}: {missing_issuer(end, uploaded=True)} {both}",
        f"Let the server send the certificate of {end.issuer} along with its own, "
        "or upload it together with that of its root on Server Details.",
    )


def _pinned(ca_pem: str) -> list[CertificateSummary]:
    with contextlib.suppress(ValueError):
        found = x509.load_pem_x509_certificates(ca_pem.encode())
        return [summarize(certificate, certificate.not_valid_before_utc) for certificate in found]
    return []


def _pinned_fingerprints(ca_pem: str) -> list[str]:
    """SHA-256 fingerprints of the certificates in a stored PEM."""
    with contextlib.suppress(ValueError):
        return [fingerprint(found) for found in x509.load_pem_x509_certificates(ca_pem.encode())]
    return []


def handshake(plain: socket.socket, address: Address, ca_pem: str | None) -> ssl.SSLSocket:
    """Return a verified TLS connection over an open socket; raises ssl.SSLError or OSError."""
    return trusting_context(ca_pem).wrap_socket(plain, server_hostname=address.host)
