"""Makes the self-signed certificate the simulator serves, fresh at every start."""

from __future__ import annotations

import ipaddress
import os
import ssl
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from harmony import clock

_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Simulated Workspace ONE UEM")])
_ALSO_KNOWN_AS = x509.SubjectAlternativeName(
    [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
    ]
)
_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


EC, RSA = "ec", "rsa"
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
# What Windows Server 2012 and its like offer at most; OpenSSL still takes it by default.
_OLDER_SUITES = "ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA256"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A leaf that is its own issuer, so that pinning it verifies it."""

    pem: str
    key_pem: str


def make(kind: str = EC) -> Certificate:
    """An EC P-256 or RSA 2048 certificate for this machine's loopback names, valid for 90 days."""
    key: Key = (
        ec.generate_private_key(ec.SECP256R1())
        if kind == EC
        else rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    certificate = _signed(key)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Certificate(certificate.public_bytes(serialization.Encoding.PEM).decode(), secret.decode())


def _signed(key: Key) -> x509.Certificate:
    now = clock.now()
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(_NAME)
        .issuer_name(_NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=90))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_USAGE, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_ALSO_KNOWN_AS, critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .sign(key, hashes.SHA256())
    )


def server_context(certificate: Certificate, *, older: bool = False) -> ssl.SSLContext:
    """The TLS settings of the listener; the key touches the disk only while OpenSSL reads it.

    `older` offers nothing newer than TLS 1.2 with CBC suites (facts 14.18).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if older:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_OLDER_SUITES)
    with tempfile.TemporaryDirectory(prefix="harmony-simulator-") as folder:
        path = Path(folder) / "server.pem"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(certificate.key_pem + certificate.pem)
        context.load_cert_chain(path)
    return context
