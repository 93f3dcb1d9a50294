"""What is wrong with a presented certificate: which issuer is missing, why its names do not count."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from harmony.uem.trust.address import is_ip
from harmony.uem.trust.x509 import CertificateSummary

_LONGEST_CHAIN = 10
_NAMES_SHOWN = 8


def end_of_chain(
    shown: CertificateSummary, uploaded: Sequence[CertificateSummary] = ()
) -> CertificateSummary:
    """Follow the issuers among what the server sent and what was uploaded, as far as they are there.

    Returns the last certificate: a root, or the one whose issuer is missing.
    """
    at = shown
    for _ in range(_LONGEST_CHAIN):
        found = next((issuer for issuer in (*shown.sent, *uploaded) if issuer.subject == at.issuer), None)
        if at.self_signed or found is None:
            break
        at = found
    return at


def missing_issuer(end: CertificateSummary, uploaded: bool) -> str:
    """Say whose certificate is missing at the end of a chain that is no root."""
    where = "neither the server nor the uploaded file has" if uploaded else "the server does not send"
    return f"{end.subject} was issued by {end.issuer}, and {where} the certificate of {end.issuer}."


def name_mismatch(host: str, shown: CertificateSummary | None) -> str:
    """Say what a certificate names instead of `host`, and why what looks right does not count."""
    if shown is None:
        return "it has no subject alternative names"
    if why := _wrong_kind(host, shown) or _wildcard(host, shown) or _spelling(host, shown):
        return why
    if not shown.names:
        common = " (its common name does not count)" if _same(shown.subject, host) else ""
        return f"it has no subject alternative names{common}"
    more = f" and {len(shown.names) - _NAMES_SHOWN} more" if len(shown.names) > _NAMES_SHOWN else ""
    return f"it names {', '.join(shown.names[:_NAMES_SHOWN])}{more}"


def _wrong_kind(host: str, shown: CertificateSummary) -> str:
    hosts = shown.names[: len(shown.names) - len(shown.addresses)]
    if not is_ip(host):
        return ""
    if any(is_ip(name) and ip_address(name) == ip_address(host) for name in hosts):
        return f"it names {host} as a DNS name only; for an address it needs an entry of the kind IP address"
    if not shown.addresses and shown.names:
        return f"it names {', '.join(shown.names[:_NAMES_SHOWN])}, and no IP address: enter one of the names"
    return ""


def _wildcard(host: str, shown: CertificateSummary) -> str:
    for name in shown.names:
        label, _, domain = name.lower().partition(".")
        if "*" not in label or not (host == domain or host.endswith(f".{domain}")):
            continue
        if label != "*":
            return f"it names {name}, where * is only a part of a label, which does not count"
        return f"it names {name}, where * stands for exactly one label"
    return ""


def _spelling(host: str, shown: CertificateSummary) -> str:
    for name in shown.names:
        if name.endswith(".") and _same(name[:-1], host):
            return f"it names {name} with a dot at its end, which does not count"
        if not name.isascii() and _same(_ascii(name), host):
            return f"it names {name} in letters that do not count; it needs {host}"
    return ""


def _ascii(name: str) -> str:
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return ""


def _same(name: str, host: str) -> bool:
    return name.lower() == host.lower()
