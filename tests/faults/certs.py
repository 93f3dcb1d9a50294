"""Certificates made for one test: authorities, servers, and the broken ones."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TODAY = datetime.now(UTC)


@dataclass(frozen=True)
class Made:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()


@dataclass(frozen=True)
class Chain(Made):
    """A certificate whose server sends others along with it."""

    others: tuple[Made, ...] = ()

    @property
    def pem(self) -> str:
        return super().pem + "".join(other.pem for other in self.others)


def sending(made: Made, *others: Made) -> Chain:
    """The same certificate, sent with these behind it."""
    return Chain(made.certificate, made.key, others)


# Made once with OpenSSL; `cryptography` no longer signs with SHA-1. Valid until 2126.
SHA1_ROOT = """\
-----BEGIN CERTIFICATE-----
MIIBijCCATKgAwIBAgIUVYjg0c2J9SP681Wb/eVyrtajT0YwCQYHKoZIzj0EATAT
MREwDwYDVQQDDAhPbGQgUm9vdDAgFw0yNjExMjgyMDQ5MjNaGA8yMTI2MTEwNDIw
NDkyM1owEzERMA8GA1UEAwwIT2xkIFJvb3QwWTATBgcqhkjOPQIBBggqhkjOPQMB
BwNCAAQ1cYQIsWesGyHilYblBRY6paNu/f2/i36P0YqEhqjduHEkjFBEJUizVP6Z
Ndjk3JefnRIDHR421oMYMyFPhT6Qo2MwYTAdBgNVHQ4EFgQUCAiZQSmwvDZQLhte
I07Ed097U1QwHwYDVR0jBBgwFoAUCAiZQSmwvDZQLhteI07Ed097U1QwDwYDVR0T
AQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAQYwCQYHKoZIzj0EAQNHADBEAiBnUsYH
BrE/6luEGLwG1pmH+HDvUhFGMhpf/vTy4nC4RAIgWrrRL/ktoceo6e+N+kjWTJVr
ujASq1gKDnriOKh6QUk=
-----END CERTIFICATE-----
"""
SHA1_ROOT_SCALAR = 0x1F6332A462F55FF134191A1709DB28137500EEFF546C22FBADB149412ED62106


def sha1_root() -> Made:
    """An authority that signs itself with SHA-1, and others with whatever it is told."""
    key = ec.derive_private_key(SHA1_ROOT_SCALAR, ec.SECP256R1())
    return Made(x509.load_pem_x509_certificate(SHA1_ROOT.encode()), key)


def a_certificate(
    name: str = "127.0.0.1",
    *,
    issuer: Made | None = None,
    names: tuple[str, ...] = ("127.0.0.1",),
    days: tuple[int, int] = (-1, 90),
    authority: bool = False,
    key: Any = None,
    digest: Any = None,
) -> Made:
    """A certificate, valid from `days[0]` to `days[1]` counted from today; self-signed without issuer."""
    own = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(TODAY + timedelta(days=days[0]))
        .not_valid_after(TODAY + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_alternative(one) for one in names]), critical=False
        )
    return Made(builder.sign(issuer.key if issuer else own, digest or hashes.SHA256()), own)


def _alternative(name: str) -> x509.GeneralName:
    if name.startswith("dns:"):
        return x509.DNSName(name.removeprefix("dns:"))
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
