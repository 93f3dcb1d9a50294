"""The servers and paths that an agent calls, whatever the dashboard asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from harmony.connector.wire import WireCall
from harmony.uem.connection import REGIONS
from harmony.uem.errors import BlockedByPolicy
from harmony.uem.trust.address import Address, parse_address
from harmony.uem.trust.outbound import OutboundPolicy
from harmony.uem.workspace_one.endpoints import Call

# The list names each server itself: addresses of this very machine may stand on it.
LISTED = OutboundPolicy(allow_loopback=True)
_SMTP = "smtp://"
_CALLS = tuple(
    (call.method, re.compile(re.escape(call.value.template).replace(r"\{id\}", "[1-9][0-9]{0,19}")))
    for call in Call
)


@dataclass(frozen=True, slots=True)
class AllowList:
    """Addresses of UEMs, whose API may be called, and of token services, where a token may be asked for.

    `mail` are mail servers as "smtp://HOST:PORT", which mails may be handed to.
    """

    servers: frozenset[str]
    tokens: frozenset[str]
    mail: frozenset[str] = frozenset()

    def shown(self) -> tuple[str, ...]:
        """Return the servers, as the dashboard shows them."""
        return tuple(sorted(self.servers | self.mail))


def read_allow_list(text: str) -> AllowList:
    """Return the list in a setting: addresses with commas between, those of token services end in /token.

    Those of mail servers begin with smtp://. Raises BlockedByPolicy for what is no address.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    mail = frozenset(_mail_server(part) for part in parts if part.lower().startswith(_SMTP))
    addresses = [parse_address(part, LISTED) for part in parts if not part.lower().startswith(_SMTP)]
    tokens = {address.url for address in addresses if address.path.endswith("/token")}
    return AllowList(
        servers=frozenset(address.url for address in addresses if address.url not in tokens),
        tokens=frozenset(tokens | {url for _, url in REGIONS}),
        mail=mail,
    )


def mail_refusal(allowed: AllowList, host: str, port: int) -> str | None:
    """Return why no mail is handed to this server, None when it is."""
    server = f"{_SMTP}{host.lower()}:{port}"
    return None if server in allowed.mail else f"{server} is not on its list of servers."


def _mail_server(text: str) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if not parts.hostname or not port or parts.path.strip("/") or parts.username is not None:
        raise BlockedByPolicy(f"A mail server is written as {_SMTP}mail.example.com:587.")
    return f"{_SMTP}{parts.hostname}:{port}"


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
