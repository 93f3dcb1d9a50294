"""The servers and paths that an agent calls, whatever the dashboard asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harmony.connector.wire import WireCall
from harmony.uem.connection import REGIONS
from harmony.uem.trust.address import Address, parse_address
from harmony.uem.trust.outbound import OutboundPolicy
from harmony.uem.workspace_one.endpoints import Call

# The list names each server itself: addresses of this very machine may stand on it.
LISTED = OutboundPolicy(allow_loopback=True)
_CALLS = tuple(
    (call.method, re.compile(re.escape(call.value.template).replace(r"\{id\}", "[1-9][0-9]{0,19}")))
    for call in Call
)


@dataclass(frozen=True, slots=True)
class AllowList:
    """Addresses of UEMs, whose API may be called, and of token services, where a token may be asked for."""

    servers: frozenset[str]
    tokens: frozenset[str]

    def shown(self) -> tuple[str, ...]:
        """Return the servers, as the dashboard shows them."""
        return tuple(sorted(self.servers))


def read_allow_list(text: str) -> AllowList:
    """Return the list in a setting: addresses with commas between, those of token services end in /token.

    Raises BlockedByPolicy for what is no address.
    """
    addresses = [parse_address(part.strip(), LISTED) for part in text.split(",") if part.strip()]
    tokens = {address.url for address in addresses if address.path.endswith("/token")}
    return AllowList(
        servers=frozenset(address.url for address in addresses if address.url not in tokens),
        tokens=frozenset(tokens | {url for _, url in REGIONS}),
    )


def call_refusal(allowed: AllowList, server: Address, call: WireCall) -> str | None:
    """Return why this call is not made, None when it is."""
    if refusal := server_refusal(allowed, server):
        return refusal
    if server.url in allowed.tokens:
        is_token = call.method == "POST" and not call.path
        return None if is_token else "A token service is asked for tokens only, by POST."
    if not any(call.method == method and path.fullmatch(call.path) for method, path in _CALLS):
        return f"{call.method} of this path is not among the calls that a Connector makes."
    return None


def server_refusal(allowed: AllowList, server: Address) -> str | None:
    """Return why this server is not called, None when it is on the list."""
    if server.url in allowed.servers or server.url in allowed.tokens:
        return None
    return f"{server.url} is not on its list of servers."
