"""From the provider's answer to a person: issuer, code, ID token and userinfo checked, rules applied."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from harmony.oidc.errors import FlowLost, NoRule, ProviderDeclined, TokenRefused
from harmony.oidc.flow import FlowSecrets
from harmony.oidc.metadata import ProviderMetadata
from harmony.oidc.provider import Provider
from harmony.oidc.rules import RuleResult, apply_rules, value_at
from harmony.oidc.settings import ProviderSettings
from harmony.oidc.tokens import Expectation, check_fresh, check_id_token

_CODE = re.compile(r"[a-z_]{1,64}")
_ERRORS = {
    "access_denied": "The provider did not let you in: the sign-in was declined or cancelled there.",
    "login_required": "The provider asks for a sign-in that did not take place.",
    "consent_required": "The provider asks for a consent that was not given.",
    "invalid_scope": "The provider does not know one of the scopes.",
    "unauthorized_client": "The provider does not let this client sign people in.",
    "invalid_request": "The provider did not accept the request.",
    "server_error": "The provider has a problem of its own.",
    "temporarily_unavailable": "The provider is not available at the moment.",
}
# The claims that a name is taken from, the first that is there.
_NAMES = ("preferred_username", "email", "name", "sub")


@dataclass(frozen=True, slots=True)
class Callback:
    """The parameters that the browser brought back from the provider."""

    state: str | None = None
    code: str | None = field(default=None, repr=False)
    error: str | None = None
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class VerifiedIdentity:
    """A person that the provider vouches for, and what the rules say of them."""

    issuer: str
    subject: str
    name: str = field(repr=False)
    result: RuleResult = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)
    id_token: str = field(repr=False)

    @property
    def session_id(self) -> str:
        """The session at the provider; "" where it names none."""
        sid = self.claims.get("sid")
        return sid if isinstance(sid, str) and len(sid) <= 255 else ""


def identify(
    provider: Provider,
    settings: ProviderSettings,
    kept: FlowSecrets,
    callback: Callback,
    now: datetime,
) -> VerifiedIdentity:
    """Return who has signed in at the provider. Raises SignOnError."""
    _check_callback(callback, provider.metadata())
    tokens = provider.exchange(callback.code or "", kept.verifier, kept.redirect_uri)
    claims = provider.claims_of(tokens.id_token)
    check_id_token(claims, Expectation(settings.issuer, settings.client_id), kept.nonce, now)
    check_fresh(claims, kept.fresh_since)
    if value_at(claims, settings.claim_path) is None:
        claims = _with_userinfo(claims, provider.userinfo(tokens.access_token))
    result = apply_rules(claims, settings.claim_path, settings.rules)
    return VerifiedIdentity(settings.issuer, claims["sub"], name_of(claims), result, claims, tokens.id_token)


def _check_callback(callback: Callback, metadata: ProviderMetadata) -> None:
    """Raise SignOnError unless this provider sent a code (RFC 9207 for who it was)."""
    is_named = metadata.authorization_response_iss_parameter_supported
    if callback.issuer != metadata.issuer and (callback.issuer is not None or is_named):
        raise FlowLost("The answer came from another provider than the one that was asked.")
    if callback.error is not None:
        raise ProviderDeclined(_sentence(callback.error))
    if not callback.code:
        raise ProviderDeclined("The provider sent no code.")


def _with_userinfo(claims: Mapping[str, Any], userinfo: Mapping[str, Any]) -> dict[str, Any]:
    """Return the claims of the ID token with those that only userinfo has. Raises TokenRefused."""
    if userinfo and userinfo.get("sub") != claims["sub"]:
        raise TokenRefused("The provider's userinfo is about another person.")
    return {**userinfo, **claims}


def require_role(identity: VerifiedIdentity, settings: ProviderSettings) -> str:
    """Return the role of the rule that matches. Raises NoRule, which says what came."""
    if identity.result.role is not None:
        return identity.result.role
    raise NoRule(why_no_rule(identity.result, settings.claim_path))


def why_no_rule(result: RuleResult, path: str) -> str:
    """Return the sentence that says why no rule matches.

    >>> why_no_rule(RuleResult(("staff",)), "groups")
    'No rule matches your groups: staff.'
    """
    if result.is_overage:
        return f"The provider sent only a pointer instead of {path}, because there are too many of them."
    if not result.values:
        return f"The provider sent no claim {path}."
    shown = ", ".join(value[:64] for value in result.values[:20])
    more = f" and {len(result.values) - 20} more" if len(result.values) > 20 else ""
    return f"No rule matches your {path}: {shown}{more}."


def name_of(claims: Mapping[str, Any]) -> str:
    """Return the name of a person for pages and the audit; it identifies nobody."""
    found = (claims.get(name) for name in _NAMES)
    text = next((name for name in found if isinstance(name, str) and name.strip()), "user")
    plain = "".join(character for character in text if character.isprintable()).strip()
    return plain[:48].strip() or "user"


def _sentence(error: str) -> str:
    known = _ERRORS.get(error)
    if known:
        return known
    if _CODE.fullmatch(error):
        return f"The provider ended the sign-in with the error {error}."
    return "The provider ended the sign-in with an error."
