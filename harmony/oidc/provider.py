"""A provider as it is called: its discovery document and its keys, read once and kept for a while."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from harmony import clock
from harmony.oidc import calls
from harmony.oidc.calls import ClientCredentials, TokenAnswer
from harmony.oidc.errors import UnknownKey
from harmony.oidc.metadata import ProviderMetadata, discovery_url, read_metadata
from harmony.oidc.tokens import PublicKey, read_keys, signed_claims
from harmony.uem.trust.outbound import OutboundPolicy

_KEPT_SECONDS = 3600.0
# A token with an invented key must not make us call the provider each time.
_READ_AGAIN_SECONDS = 60.0


@dataclass(slots=True)
class _Known:
    """The documents of one provider, each with the time it was read at."""

    metadata: tuple[ProviderMetadata, float] | None = None
    keys: tuple[Sequence[PublicKey], float] | None = None
    looked_for_key_at: float | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


_known: dict[tuple[str, str], _Known] = {}


def forget() -> None:
    """Forget every document that was read."""
    _known.clear()


class Provider:
    """One provider with the client that Harmony is there."""

    def __init__(self, issuer: str, client: ClientCredentials, policy: OutboundPolicy) -> None:
        self.issuer, self.client, self._policy = issuer, client, policy
        trusted = hashlib.sha256((client.ca_pem or "").encode()).hexdigest()
        self._known = _known.setdefault((issuer, trusted), _Known())

    def metadata(self, *, fresh: bool = False) -> ProviderMetadata:
        """Return the discovery document; `fresh`: as it is now. Raises SignOnError."""
        found = self._known.metadata
        if fresh or found is None or _is_old(found[1]):
            body = calls.read_document(self._policy, discovery_url(self.issuer), self.client.ca_pem)
            read = read_metadata(body, self.issuer, allow_http=self._policy.allow_http)
            found = self._known.metadata = read, clock.monotonic()
        return found[0]

    def claims_of(self, token: str) -> dict[str, Any]:
        """Return the claims of a token signed by the provider, its keys read again if one is unknown.

        Raises SignOnError.
        """
        try:
            return signed_claims(token, self._keys())
        except UnknownKey:
            if not self._may_look_again():
                raise
            return signed_claims(token, self._keys(fresh=True))

    def exchange(self, code: str, verifier: str, redirect_uri: str) -> TokenAnswer:
        """Return the tokens for a code. Raises SignOnError."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": verifier,
            "redirect_uri": redirect_uri,
        }
        return calls.exchange_code(self._policy, self.metadata(), self.client, form)

    def userinfo(self, access_token: str) -> dict[str, Any]:
        """Return the claims of the userinfo endpoint, none where there is no such endpoint.

        Raises SignOnError.
        """
        endpoint = self.metadata().userinfo_endpoint
        if not endpoint or not access_token:
            return {}
        return calls.read_userinfo(self._policy, endpoint, self.client.ca_pem, access_token)

    def _keys(self, *, fresh: bool = False) -> Sequence[PublicKey]:
        uri, found = self.metadata().jwks_uri, self._known.keys
        if fresh or found is None or _is_old(found[1]):
            read = read_keys(calls.read_document(self._policy, uri, self.client.ca_pem))
            found = self._known.keys = read, clock.monotonic()
        return found[0]

    def _may_look_again(self) -> bool:
        """Tell whether the keys may be read for an unknown one, and count it."""
        known, now = self._known, clock.monotonic()
        with known.lock:
            last = known.looked_for_key_at
            if last is not None and now - last < _READ_AGAIN_SECONDS:
                return False
            known.looked_for_key_at = now
            return True


def _is_old(read_at: float) -> bool:
    return clock.monotonic() - read_at >= _KEPT_SECONDS
