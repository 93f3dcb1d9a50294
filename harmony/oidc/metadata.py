"""PURE: what a provider says of itself in its discovery document, judged before anything of it is used."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from harmony.oidc.errors import ProviderUnfit

_DISCOVERY = "/.well-known/openid-configuration"
_LONGEST_SHOWN = 200
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_OPTIONAL = ("userinfo_endpoint", "end_session_endpoint")
BASIC, POST = "client_secret_basic", "client_secret_post"


class ProviderMetadata(msgspec.Struct, frozen=True):
    """The parts of OpenID Connect Discovery 1.0 §3 that are used."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    response_types_supported: tuple[str, ...] = ()
    code_challenge_methods_supported: tuple[str, ...] | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] | None = None
    authorization_response_iss_parameter_supported: bool | None = None

    @property
    def secret_in_header(self) -> bool:
        """True where the client secret goes into the header; the default of the standard."""
        methods = self.token_endpoint_auth_methods_supported
        return methods is None or BASIC in methods


def issuer_of(typed: str) -> str:
    """Return the issuer, of which people paste the address of the discovery document.

    >>> issuer_of("https://login.example.com/acme/.well-known/openid-configuration")
    'https://login.example.com/acme'
    """
    return typed.removesuffix(_DISCOVERY)


def discovery_url(issuer: str) -> str:
    """Return the address of the discovery document."""
    return issuer.removesuffix("/") + _DISCOVERY


def read_metadata(body: bytes, issuer: str, *, allow_http: bool = False) -> ProviderMetadata:
    """Return what the document says. Raises ProviderUnfit where it cannot be used for `issuer`."""
    try:
        found = msgspec.json.decode(body, type=ProviderMetadata)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ProviderUnfit("The discovery document is not one of an OpenID provider.") from None
    if found.issuer != issuer:
        # Not even a slash may differ: this is what tells one provider's answers from another's.
        raise ProviderUnfit(
            f"The provider calls itself {shortened(found.issuer)}, not {shortened(issuer)}.",
            "Enter the issuer exactly as the provider writes it.",
        )
    _require_endpoints(found, allow_http=allow_http)
    _require_flow(found)
    return found


def shortened(text: str) -> str:
    """Return a text of the provider, fit for a sentence.

    >>> shortened("a\\nb")
    'a b'
    """
    plain = "".join(character if character.isprintable() else " " for character in text)
    return plain if len(plain) <= _LONGEST_SHOWN else f"{plain[:_LONGEST_SHOWN]}…"


def _require_endpoints(found: ProviderMetadata, *, allow_http: bool) -> None:
    schemes = {"https", "http"} if allow_http else {"https"}
    for name in _ENDPOINTS + _OPTIONAL:
        address = getattr(found, name)
        if address is None and name in _OPTIONAL:
            continue
        if not _is_address(address, schemes):
            raise ProviderUnfit(f"The {name} of the provider is no https:// address.")


def _is_address(text: str, schemes: set[str]) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    plain = text.isascii() and all("!" <= character <= "~" for character in text)
    return plain and parts.scheme in schemes and bool(parts.hostname) and not parts.fragment


def _require_flow(found: ProviderMetadata) -> None:
    if found.response_types_supported and "code" not in found.response_types_supported:
        raise ProviderUnfit("The provider does not offer the authorization code flow.")
    methods = found.code_challenge_methods_supported
    if methods is not None and "S256" not in methods:
        raise ProviderUnfit("The provider does not offer PKCE with S256.")
    answers = found.token_endpoint_auth_methods_supported
    if answers is not None and not {BASIC, POST} & set(answers):
        raise ProviderUnfit("The provider does not take a client secret at its token endpoint.")
