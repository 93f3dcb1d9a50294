"""Calls to the provider: under the outbound policy, without redirects, bounded in time and size."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import msgspec

from harmony.oidc.errors import ProviderDeclined, ProviderUnreachable
from harmony.oidc.metadata import ProviderMetadata
from harmony.oidc.tokens import LONGEST_TOKEN
from harmony.uem.errors import UemError
from harmony.uem.http.checked_calls import CallBounds, call_once
from harmony.uem.trust.outbound import OutboundPolicy

CALL_SECONDS = 10.0
_LARGEST_ANSWER = 256 * 1024
_WAIT_SECONDS = 5.0
# A provider that does not answer must not occupy every thread of the dashboard.
_running = threading.BoundedSemaphore(3)
# Errors of RFC 6749 §5.2 that only the settings can cause.
_CLIENT_REFUSED = frozenset({"invalid_client", "unauthorized_client"})


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """The client that Harmony is at the provider; `ca_pem` is what its certificate is verified with."""

    client_id: str
    client_secret: str = field(repr=False)
    ca_pem: str | None = field(default=None, repr=False)


class TokenAnswer(msgspec.Struct, frozen=True):
    """The tokens of one sign-in."""

    id_token: str
    access_token: str = ""

    def __repr__(self) -> str:
        return "<TokenAnswer>"


class _TokenError(msgspec.Struct):
    error: str = ""


def read_document(policy: OutboundPolicy, url: str, ca_pem: str | None, **headers: str) -> bytes:
    """Return a JSON document of the provider. Raises ProviderUnreachable."""
    status, body = _call(policy, "GET", url, ca_pem, headers={"Accept": "application/json", **headers})
    if status != 200:
        raise ProviderUnreachable(f"The provider answered with status {status}.")
    return body


def exchange_code(
    policy: OutboundPolicy,
    metadata: ProviderMetadata,
    client: ClientCredentials,
    form: dict[str, str],
) -> TokenAnswer:
    """Return the tokens for a code. Raises ProviderDeclined, ProviderUnreachable."""
    sent, headers = dict(form), {"Accept": "application/json"}
    if metadata.secret_in_header:
        headers["Authorization"] = _basic(client)
    else:
        sent |= {"client_id": client.client_id, "client_secret": client.client_secret}
    status, body = _call(policy, "POST", metadata.token_endpoint, client.ca_pem, headers=headers, data=sent)
    if status != 200:
        raise _refused(status, body)
    try:
        answer = msgspec.json.decode(body, type=TokenAnswer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ProviderUnreachable("The provider's token endpoint sent no ID token.") from None
    if len(answer.id_token) > LONGEST_TOKEN:
        raise ProviderUnreachable("The provider's token is too large.")
    return answer


def read_userinfo(policy: OutboundPolicy, url: str, ca_pem: str | None, access_token: str) -> dict[str, Any]:
    """Return the claims of the userinfo endpoint. Raises ProviderUnreachable."""
    body = read_document(policy, url, ca_pem, Authorization=f"Bearer {access_token}")
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ProviderUnreachable("The answer of the provider's userinfo endpoint cannot be read.") from None


def _call(
    policy: OutboundPolicy, method: str, url: str, ca_pem: str | None, **options: Any
) -> tuple[int, bytes]:
    bounds = CallBounds(CALL_SECONDS, _LARGEST_ANSWER, ca_pem)
    with _slot():
        try:
            answer = call_once(policy, method, url, bounds, **options)
        except UemError as error:  # its advice is about a UEM
            raise ProviderUnreachable(error.sentence) from None
    return answer.status_code, answer.content


@contextmanager
def _slot() -> Iterator[None]:
    """Wait for one of the few places. Raises ProviderUnreachable when none becomes free."""
    if not _running.acquire(timeout=_WAIT_SECONDS):
        raise ProviderUnreachable("Too many people are signing in at this moment.")
    try:
        yield
    finally:
        _running.release()


def _basic(client: ClientCredentials) -> str:
    # Both are encoded as in a form first (RFC 6749 §2.3.1): a secret may have a colon or a plus.
    pair = f"{quote(client.client_id, safe='')}:{quote(client.client_secret, safe='')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _refused(status: int, body: bytes) -> ProviderDeclined | ProviderUnreachable:
    try:
        error = msgspec.json.decode(body, type=_TokenError).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        error = ""
    if error in _CLIENT_REFUSED or status == 401:
        return ProviderDeclined(
            "The provider refused Harmony's client ID or client secret.",
            "An administrator can enter them again on Settings > Single sign-on.",
        )
    if error == "invalid_grant":
        return ProviderDeclined("The provider did not accept the code of this sign-in.", "Start again.")
    return ProviderUnreachable(f"The provider's token endpoint answered with status {status}.")
