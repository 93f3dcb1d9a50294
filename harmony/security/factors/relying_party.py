"""PURE: the name and origin that passkeys are bound to, and why an address has none."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from harmony.uem.trust.address import is_ip

_LOCALHOST = "localhost"


class RelyingParty(NamedTuple):
    """Passkeys are bound to `id`, a host name; browsers say `origin` with each answer."""

    id: str
    origin: str


class PasskeysUnavailable(Exception):
    """Passkeys do not work at this address; carries the sentence that says why."""


def relying_party(public_url: str, opened_at: str) -> RelyingParty:
    """Return what passkeys are bound to. Raises PasskeysUnavailable.

    Args:
        public_url: The setting; "" where nobody set it.
        opened_at: The origin of the page that is open, such as `http://localhost:8000`.

    >>> relying_party("https://harmony.example/", "https://harmony.example")
    RelyingParty(id='harmony.example', origin='https://harmony.example')
    """
    own = _origin(public_url or opened_at)
    host = urlsplit(own).hostname or ""
    if is_ip(host):
        raise PasskeysUnavailable(f"Passkeys need a host name, and {host} is an IP address.")
    if host != _LOCALHOST and not own.startswith("https:"):
        raise PasskeysUnavailable(f"Passkeys need https, and {own} is not encrypted.")
    if host != _LOCALHOST and not public_url:
        raise PasskeysUnavailable("Passkeys need HARMONY_PUBLIC_URL: it says which address they belong to.")
    if _origin(opened_at) != own:
        raise PasskeysUnavailable(f"Passkeys work at {own} only. Open the dashboard there.")
    return RelyingParty(host, own)


def _origin(url: str) -> str:
    """Return scheme, host and port as browsers write them."""
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), parts.hostname or ""
    named = f"[{host}]" if ":" in host else host.encode("idna").decode("ascii")
    usual = {"http": 80, "https": 443}.get(scheme)
    return f"{scheme}://{named}" if parts.port in {None, usual} else f"{scheme}://{named}:{parts.port}"
