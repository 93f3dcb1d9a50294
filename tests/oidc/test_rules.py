"""Rules, tokens and metadata as tables (rung: pure)."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from harmony.oidc.errors import SignOnError, TokenRefused, UnknownKey
from harmony.oidc.flow import challenge
from harmony.oidc.identity import name_of, why_no_rule
from harmony.oidc.metadata import discovery_url, read_metadata
from harmony.oidc.rules import RoleRule, RuleResult, apply_rules, value_at, values_of
from harmony.oidc.tokens import Expectation, check_id_token, read_keys, signed_claims

RULES = [RoleRule("admins", "administrator"), RoleRule("ops", "operator"), RoleRule("7", "viewer")]
CLAIMS: dict[str, Any] = {
    "groups": ["ops", "admins"],
    "role": "ops",
    "level": 7,
    "realm_access": {"roles": ["ops"]},
    "https://example.com/groups": ["admins"],
    "a.b": {"c.d": ["ops"]},
    "empty": [],
    "none": None,
    "deep": {"x": "plain"},
}


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("groups", 1),
        ("role", 2),
        ("level", 3),
        ("realm_access.roles", 2),
        ("https://example.com/groups", 1),
        ("a.b.c.d", 2),
        ("empty", None),
        ("none", None),
        ("missing", None),
        ("groups.x", None),
        ("realm_access", None),
        ("deep.x.y", None),
        (".", None),
    ],
)
def test_the_first_rule_that_matches_counts(path: str, number: int | None) -> None:
    result = apply_rules(CLAIMS, path, RULES)
    assert result.number == number
    assert result.role == (RULES[number - 1].role if number else None)


def test_a_match_is_exact_and_bounded() -> None:
    assert apply_rules({"groups": ["Admins", "admins ", "adm"]}, "groups", RULES).role is None
    assert len(values_of(["x"] * 5000)) == 1000
    assert values_of([True, {"admins": 1}, ["admins"]]) == ("true",)
    assert value_at({"a": {"b": 0}}, "a.b") == 0


def test_why_no_rule_matches_is_a_sentence_of_a_bounded_length() -> None:
    many = RuleResult(tuple("x" * 200 for _ in range(50)))
    assert why_no_rule(many, "groups").endswith(" and 30 more.")
    assert len(why_no_rule(many, "groups")) < 2000
    assert why_no_rule(RuleResult(()), "groups") == "The provider sent no claim groups."


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"preferred_username": "kim", "email": "k@example.com"}, "kim"),
        ({"preferred_username": " ", "email": "k@example.com"}, "k@example.com"),
        ({"name": 7, "sub": "abc"}, "abc"),
        ({"sub": "\u200b\n"}, "user"),
        ({"sub": "x" * 100}, "x" * 48),
    ],
)
def test_the_name_is_the_first_that_can_be_read(claims: dict[str, Any], name: str) -> None:
    assert name_of(claims) == name


def test_the_discovery_document_is_beside_the_issuer_with_and_without_a_slash() -> None:
    for issuer in ("https://id.example/acme", "https://id.example/acme/"):
        assert discovery_url(issuer) == "https://id.example/acme/.well-known/openid-configuration"


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"\xff", b"[" * 100_000, b'{"issuer": 1}'])
def test_what_is_no_discovery_document_is_refused(body: bytes) -> None:
    with pytest.raises(SignOnError):
        read_metadata(body, "https://id.example")


def test_plain_http_is_no_endpoint_outside_of_a_demo() -> None:
    said = {name: "http://id.example/x" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
    body = json.dumps(said | {"issuer": "http://id.example"}).encode()
    with pytest.raises(SignOnError, match="no https"):
        read_metadata(body, "http://id.example")
    assert read_metadata(body, "http://id.example", allow_http=True).secret_in_header


def test_the_challenge_is_that_of_the_standard() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def document(*keys: RSAKey | ECKey | dict[str, Any]) -> bytes:
    return json.dumps({"keys": [key if isinstance(key, dict) else key.as_dict() for key in keys]}).encode()


def test_only_public_keys_that_are_long_enough_and_meant_for_signatures_count() -> None:
    good, curve = RSAKey.generate_key(2048, {"kid": "a"}), ECKey.generate_key("P-256", {"kid": "b"})
    short = base64.urlsafe_b64encode(b"\xff" * 128).rstrip(b"=").decode()
    others = [
        good.as_dict() | {"use": "enc"}, {"kty": "oct", "k": "YWJj"}, {"kty": "RSA", "n": short, "e": "AQAB"},
        {"kty": "RSA", "n": 7, "e": "AQAB"}, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, {},
    ]  # fmt: skip
    found = read_keys(document(good, curve, *others))
    assert [key.kid for key in found] == ["a", "b"]
    assert all(not key.is_private for key in found)


def test_a_key_is_chosen_by_its_name_kind_and_algorithm() -> None:
    first, second = RSAKey.generate_key(2048, {"kid": "a"}), RSAKey.generate_key(2048, {"kid": "b"})
    keys = read_keys(document(first, second))
    for header in ({"alg": "RS256", "kid": "b"}, {"alg": "RS256"}):
        assert signed_claims(jwt.encode(header, {"x": 1}, second), keys) == {"x": 1}
    with pytest.raises(UnknownKey):
        signed_claims(jwt.encode({"alg": "RS256", "kid": "c"}, {"x": 1}, second), keys)
    fixed = read_keys(document(second.as_dict() | {"alg": "PS256"}))
    with pytest.raises(UnknownKey):
        signed_claims(jwt.encode({"alg": "RS256", "kid": "b"}, {"x": 1}, second), fixed)
    with pytest.raises(TokenRefused):
        signed_claims(jwt.encode({"alg": "RS256", "kid": "a"}, {"x": 1}, second), keys)


def test_times_have_a_minute_of_leeway_on_both_sides() -> None:
    expected, now = Expectation("https://id.example", "me"), datetime(2026, 5, 1, tzinfo=UTC)
    present = int(now.timestamp())
    for exp, iat, is_right in (
        (present - 59, present - 300, True),
        (present - 60, present - 300, False),
        (present + 300, present + 60, True),
        (present + 300, present + 61, False),
    ):
        claims = {
            "iss": "https://id.example",
            "aud": ["me"],
            "sub": "a",
            "nonce": "n",
            "exp": exp,
            "iat": iat,
        }
        if is_right:
            check_id_token(claims, expected, "n", now)
        else:
            with pytest.raises(TokenRefused):
                check_id_token(claims, expected, "n", now)
