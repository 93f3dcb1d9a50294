"""Tokens of the provider: signatures by its published keys, claims by OpenID Connect Core §3.1.3.7."""

from __future__ import annotations

import base64
import hmac
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey, import_key

from harmony.oidc.errors import ProviderUnreachable, TokenRefused, UnknownKey

# Signatures with a key pair only: "none", and a public key taken for a shared secret, are not among them.
_ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
)  # fmt: skip
LEEWAY_SECONDS = 60
LONGEST_TOKEN = 64 * 1024
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_SHORTEST_RSA_BITS = 2048
_LONGEST_SUBJECT = 255
_MOST_KEYS = 100
_PUBLIC_PARTS = frozenset({"kty", "n", "e", "crv", "x", "y", "kid", "alg"})
_REGISTRY = jws.JWSRegistry(algorithms=list(_ALGORITHMS))

PublicKey = RSAKey | ECKey
_Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Expectation:
    """The issuer and the client that a token must be of."""

    issuer: str
    client_id: str


class _KeySetDocument(msgspec.Struct):
    keys: list[dict[str, Any]]


def read_keys(body: bytes) -> tuple[PublicKey, ...]:
    """Return the usable keys of a JWKS, leaving out those of other kinds. Raises ProviderUnreachable."""
    try:
        found = msgspec.json.decode(body, type=_KeySetDocument).keys
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ProviderUnreachable("The provider's list of keys cannot be read.") from None
    return tuple(key for raw in found[:_MOST_KEYS] if (key := _usable_key(raw)) is not None)


def signed_claims(token: str, keys: Sequence[PublicKey]) -> dict[str, Any]:
    """Return the claims of a token that one of the keys has signed. Raises TokenRefused, UnknownKey."""
    if len(token) > LONGEST_TOKEN:
        raise TokenRefused("The provider's token is too large.")
    header = _header(token)
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in _ALGORITHMS:
        raise TokenRefused("The provider's token is not signed with an accepted algorithm.")
    fitting = [key for key in keys if _fits(key, algorithm, kid)]
    if not fitting:
        raise UnknownKey("The provider's token is signed with a key that the provider does not publish.")
    for key in fitting:
        try:
            return dict(jwt.decode(token, key, registry=_REGISTRY).claims)
        except (JoseError, ValueError, RecursionError):
            continue
    raise TokenRefused("The signature of the provider's token is wrong.")


def check_id_token(claims: _Claims, expected: Expectation, nonce: str, now: datetime) -> None:
    """Raise TokenRefused unless the claims of an ID token are for this client, this flow and this time."""
    _check_audience(claims, expected)
    _check_times(claims, now)
    if not _is_text(claims.get("sub")):
        raise TokenRefused("The provider's token names no subject.")
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        raise TokenRefused("The provider's token belongs to another sign-in.", "Start the sign-in again.")


def check_fresh(claims: _Claims, since: int) -> None:
    """Raise TokenRefused unless the provider says that it asked who it is at that second or later; 0 for any.

    `prompt=login` alone proves nothing: it goes through the browser, which may leave it out.
    """
    if not since:
        return
    if "auth_time" not in claims:
        raise TokenRefused("The provider does not say when it asked who you are.", _AUTH_TIME)
    if _number(claims, "auth_time") < since - LEEWAY_SECONDS:
        raise TokenRefused("The provider did not ask again who you are.", "Start again.")


def check_logout_token(claims: _Claims, expected: Expectation, now: datetime) -> None:
    """Raise TokenRefused unless the claims are those of a logout token (Back-Channel Logout 1.0 §2.6)."""
    _check_audience(claims, expected)
    _check_times(claims, now)
    events = claims.get("events")
    if not isinstance(events, Mapping) or not isinstance(events.get(LOGOUT_EVENT), Mapping):
        raise TokenRefused("The token is no logout token.")
    if "nonce" in claims:  # an ID token must never pass for a logout token
        raise TokenRefused("The token is no logout token.")
    if not _is_text(claims.get("jti")):
        raise TokenRefused("The logout token has no jti.")
    named = [claims[name] for name in ("sub", "sid") if claims.get(name) is not None]
    if not named or not all(map(_is_text, named)):
        raise TokenRefused("The logout token names neither a subject nor a session.")


def _check_audience(claims: _Claims, expected: Expectation) -> None:
    if claims.get("iss") != expected.issuer:
        raise TokenRefused("The token was issued by another provider.")
    audience = claims.get("aud")
    listed = audience if isinstance(audience, list) else [audience]
    if expected.client_id not in listed:
        raise TokenRefused("The token is for another client.")
    party = claims.get("azp")
    if (party is not None or len(listed) > 1) and party != expected.client_id:
        raise TokenRefused("The token was issued to another client.")


def _check_times(claims: _Claims, now: datetime) -> None:
    present = now.timestamp()
    expires, issued = _number(claims, "exp"), _number(claims, "iat")
    starts = _number(claims, "nbf") if "nbf" in claims else issued
    if expires <= present - LEEWAY_SECONDS:
        raise TokenRefused("The provider's token has expired.", _CLOCKS)
    if max(issued, starts) > present + LEEWAY_SECONDS:
        ahead = max(issued, starts) - present
        raise TokenRefused(f"The provider's clock is {ahead:.0f} seconds ahead of Harmony's.", _CLOCKS)


_AUTH_TIME = "An administrator can have it send the claim auth_time; a passkey proves who you are too."
_CLOCKS = "Check the clock of this machine and that of the provider."


def _number(claims: _Claims, name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TokenRefused(f"The provider's token has no usable {name}.")
    return float(min(value, 2**53))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_SUBJECT


def _header(token: str) -> dict[str, Any]:
    try:
        return jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, RecursionError):
        raise TokenRefused("The provider's token cannot be read.") from None


def _fits(key: PublicKey, algorithm: str, kid: object) -> bool:
    kind = ECKey if algorithm.startswith("ES") else RSAKey
    named = kid is None or key.kid == kid
    return isinstance(key, kind) and named and key.alg in {None, algorithm}


def _usable_key(raw: dict[str, Any]) -> PublicKey | None:
    if raw.get("kty") not in {"RSA", "EC"} or raw.get("use", "sig") != "sig" or _is_short(raw):
        return None
    public = {
        name: value for name, value in raw.items() if name in {"kty", "n", "e", "crv", "x", "y", "kid", "alg"}
    }
    try:
        key = import_key(public)
        assert key.public_key is not None  # a point off the curve is found here
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return key if isinstance(key, RSAKey | ECKey) else None


def _is_short(raw: dict[str, Any]) -> bool:
    if raw.get("kty") != "RSA":
        return False
    text = raw.get("n")
    try:
        modulus = base64.urlsafe_b64decode(f"{text}==") if isinstance(text, str) else b""
    except ValueError:
        return True
    return int.from_bytes(modulus, "big").bit_length() < _SHORTEST_RSA_BITS
