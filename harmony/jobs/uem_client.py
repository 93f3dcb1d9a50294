"""Opens the UEM of an integration: the applied Server Details, their secrets unsealed, a client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from sqlalchemy.orm import Session

from harmony.config import current_settings
from harmony.jobs.shared_state import forget, shared_state
from harmony.models.configuration import ServerDetails
from harmony.relay.exchange import route_of
from harmony.security.credentials import unseal
from harmony.security.outbound_proxy import proxy_in_force
from harmony.security.vault import VaultLocked
from harmony.uem.client import UemClient
from harmony.uem.connection import Basic, Connection, OAuth2
from harmony.uem.errors import BlockedByPolicy
from harmony.uem.http.retry import LONGEST_WAIT
from harmony.uem.http.shared_state import TokenKey
from harmony.uem.registry import connect
from harmony.uem.trust.address import parse_server
from harmony.uem.trust.outbound import OutboundPolicy

# Whoever looks at a page is told of a wait instead of waiting with it.
AT_A_REQUEST = 5.0

ClientFactory = Callable[[int, str, ServerDetails], UemClient]


def connection(integration_id: int, server: ServerDetails) -> Connection:
    """Return how to reach the UEM, with secrets in clear text in memory.

    Raises VaultLocked, also when a secret was typed for other addresses.
    """
    found = _own(integration_id, server)
    if server.connector:
        return replace(found, policy=relayed_policy(), route=route_of(server.connector))
    return replace(found, policy=outbound_policy())


def _own(integration_id: int, server: ServerDetails) -> Connection:
    """Return what the Server Details say, without the way out of this installation."""
    secret = partial(unseal, integration_id, server)
    sign_in = (
        OAuth2(server.token_address, server.client_id, secret("client_secret"))
        if server.use_oauth2
        else Basic(server.username, secret("password"), secret("api_key"))
    )
    certificate = server.certificate if server.self_signed else None
    return Connection(server.server_address, sign_in, certificate, address_policy(), shared_state())


def token_key(integration_id: int, server: ServerDetails) -> TokenKey | None:
    """Return whose token these Server Details use; None without OAuth2 and for what cannot be called."""
    try:
        target = _own(integration_id, server)
        origin = parse_server(target.server_url, target.policy).origin
    except (VaultLocked, BlockedByPolicy):
        return None
    client = target.sign_in
    if isinstance(client, Basic):
        return None
    return TokenKey(origin, client.token_url, client.client_id, client.client_secret)


def forget_token(session: Session, integration_id: int, server: ServerDetails) -> None:
    """Delete the token that these Server Details use, inside the caller's `write()`."""
    if key := token_key(integration_id, server):
        forget(session, key)


def outbound_policy() -> OutboundPolicy:
    """Return the outbound policy with the proxy. Raises VaultLocked when its password does not open."""
    return replace(address_policy(), proxy=proxy_in_force())


def address_policy() -> OutboundPolicy:
    """Return what may be called; loopback is allowed in demo mode only, for the simulated UEM."""
    settings = current_settings()
    return OutboundPolicy(
        allow_http=settings.demo,
        allow_loopback=settings.demo,
        allow=settings.outbound_allow,
        deny=settings.outbound_deny,
    )


def relayed_policy() -> OutboundPolicy:
    """Return the policy for calls through a Connector, whose agent has a list of its own.

    What loopback is, and which private networks there are, is known on its side only.
    """
    return OutboundPolicy(allow_http=current_settings().demo, allow_loopback=True)


def open_client(integration_id: int, kind: str, server: ServerDetails) -> UemClient:
    """A client for the UEM of this integration; close it after use."""
    return reach(kind, connection(integration_id, server))


def reach(kind: str, target: Connection, *, longest_wait: float = LONGEST_WAIT) -> UemClient:
    """A client for `target` at the pace that this installation allows.

    A server that asks to wait longer than `longest_wait` seconds ends the call.
    """
    settings = current_settings()
    return connect(
        kind,
        target,
        fetchers=settings.fetchers,
        calls_per_minute=settings.calls_per_minute,
        longest_wait=longest_wait,
    )
