"""Who may call: client credentials for a Bearer token, or Basic with the tenant code (facts 1.4, 1.5)."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import threading
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote_plus

from harmony import clock
from harmony.simulator.answers import Answer, Call, Refusal, error, ok
from harmony.simulator.records import ENCODE
from harmony.simulator.switches import Switches

BAD_CREDENTIALS = "An error occurred while validating remote service client credentials or user not found : "


@dataclass(frozen=True, slots=True)
class Credentials:
    """The one account of the simulated tenant."""

    client_id: str = "harmony-simulator"
    client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    username: str = "api.harmony"
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    api_key: str = field(
        default_factory=lambda: base64.b64encode(secrets.token_bytes(32)).decode(), repr=False
    )


class Gate:
    """Gives tokens and lets calls in."""

    def __init__(self, credentials: Credentials, switches: Switches) -> None:
        self.credentials = credentials
        self.revoked = False
        self.denied: frozenset[str] = frozenset()
        self.issued = 0
        self._switches = switches
        self._tokens: dict[str, float] = {}
        self._failures = 0
        self._lock = threading.Lock()

    def token(self, call: Call) -> Answer:
        """`POST /connect/token`, the client in the body or as Basic (facts 1.5, 14.16)."""
        form = {key: values[0] for key, values in parse_qs(call.body.decode("utf-8", "replace")).items()}
        ident, secret = self._client(call, form)
        own = self.credentials
        if self.revoked or not (same(ident, own.client_id) and same(secret, own.client_secret)):
            return self._token_error("invalid_client")
        if form.get("grant_type") != "client_credentials":
            return self._token_error("unsupported_grant_type")
        lifetime = self._switches.number("token_lifetime")
        return ok({"access_token": self._issue(lifetime), "token_type": "Bearer", "expires_in": lifetime})

    def _client(self, call: Call, form: dict[str, str]) -> tuple[str, str]:
        """The client, from the place that the switch names; a header is form-encoded (RFC 6749, 2.3.1)."""
        place = self._switches["token_client"]
        header = None if place == "body" else basic(call)
        if header is not None:
            return unquote_plus(header[0]), unquote_plus(header[1])
        if place == "header":
            return "", ""
        return form.get("client_id", ""), form.get("client_secret", "")

    def _issue(self, lifetime: int) -> str:
        parts = (b'{"alg":"HS256","typ":"JWT"}', ENCODE({"client_id": self.credentials.client_id}))
        head = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
        token = f"{head}.{secrets.token_urlsafe(32)}"
        with self._lock:
            self._tokens[token] = clock.monotonic() + lifetime
            self.issued += 1
        return token

    def _token_error(self, word: str) -> Answer:
        return Answer(self._switches.number("token_error_status"), ENCODE({"error": word}))

    def expire_tokens(self) -> None:
        """Every token given so far is worth nothing from now on."""
        with self._lock:
            self._tokens.clear()

    def revoke(self, revoked: bool) -> None:
        """Take the client and the account away, or give them back and unlock the account."""
        self.revoked = revoked
        self._failures = 0
        if revoked:
            self.expire_tokens()

    def admit(self, call: Call, area: str) -> None:
        """Refuse who is not known, and who is but lacks the permission for this area."""
        scheme, _, value = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            self._admit_bearer(call, value)
        else:
            self._admit_basic(call)
        if area in self.denied:
            raise Refusal(self.lacking())

    def lacking(self) -> Answer:
        """The answer to a call the role does not allow."""
        status = self._switches.number("permission_lack")
        return error(status, status, "User does not have permission to access the requested resource.")

    def expired(self) -> Answer:
        """The answer to a Bearer that is not, or no longer, good."""
        if self._switches["expired_bearer_body"] == "empty":
            return Answer(401)
        return error(401, 401, "The access token is invalid or has expired.")

    def _admit_bearer(self, call: Call, token: str) -> None:
        if self._tokens.get(token, 0) <= clock.monotonic():
            raise Refusal(self.expired())
        if self._switches["tenant_code_with_bearer"] == "check" and "aw-tenant-code" in call.headers:
            self._check_tenant_code(call)

    def _admit_basic(self, call: Call) -> None:
        user, password = basic(call) or ("-", "")
        if not user:
            raise Refusal(error(500, 500, "An error has occurred."))
        self._check_password(user, password)
        self._check_tenant_code(call)

    def _check_password(self, user: str, password: str) -> None:
        limit, own = self._switches.number("lock_after"), self.credentials
        if limit and self._failures >= limit:
            raise Refusal(error(401, 1022, "Your account has been locked. Please reset the password."))
        if self.revoked or not (same(user, own.username) and same(password, own.password)):
            self._failures += 1
            raise Refusal(error(401, 1005, BAD_CREDENTIALS + ("" if user == "-" else user)))
        self._failures = 0

    def _check_tenant_code(self, call: Call) -> None:
        code = call.headers.get("aw-tenant-code", "")
        if not code:
            raise Refusal(error(401, 1005, BAD_CREDENTIALS + self.credentials.username))
        if not same(code, self.credentials.api_key):
            raise Refusal(error(403, 1013, f"Tenant code {code} does not identify an Organization Group."))


def basic(call: Call) -> tuple[str, str] | None:
    """User and password of a Basic header."""
    scheme, _, value = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user, password


def same(given: str, wanted: str) -> bool:
    """Compare without telling by time how far they agree."""
    return hmac.compare_digest(given.encode(), wanted.encode())
