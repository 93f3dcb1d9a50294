"""The servers and paths that an agent calls, whatever the dashboard asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from harmony.connector.wire import WireCall
from harmony.uem.connection import REGIONS
from harmony.uem.errors import BlockedByPolicy
from harmony.uem.trust.address import Address, parse_address
from harmony.uem.trust.outbound import OutboundPolicy
from harmony.uem.workspace_one.endpoints import Call

# The list names each server itself: addresses of this very machine may stand on it.
LISTED = OutboundPolicy(allow_loopback=True)
_SMTP, _SYSLOG, _WEBHOOK = "smtp://", "syslog://", "webhook://"
_EXAMPLES = {_SMTP: f"A mail server is written as {_SMTP}mail.example.com:587.",
             _SYSLOG: f"A syslog server is written as {_SYSLOG}siem.example.com:6514."}  # fmt: skip
# What a request line carries as it is, and what is in no path: clients and servers read these differently.
_PATH = re.compile(r"/[!-~]*")
_AMBIGUOUS = re.compile(r"\\|%5c|%2f|//|/(\.|%2e){1,2}(/|$)", re.IGNORECASE)
_SCHEMES = (_SMTP, _SYSLOG, _WEBHOOK)
_CALLS = tuple(
    (call.method, re.compile(re.escape(call.value.template).replace(r"\{id\}", "[1-9][0-9]{0,19}")))
    for call in Call
)


@dataclass(frozen=True, slots=True)
class AllowList:
    """Addresses of UEMs, whose API may be called, and of token services, where a token may be asked for.

    `sockets` are mail and syslog servers as "smtp://HOST:PORT" and "syslog://HOST:PORT", which mails and
    records may be handed to; `webhooks` are https:// addresses that records may be posted to: that path
    alone, or every path of a server that is named without one.
    """

    servers: frozenset[str]
    tokens: frozenset[str]
    sockets: frozenset[str] = frozenset()
    webhooks: frozenset[str] = field(default=frozenset(), repr=False)

    def shown(self) -> tuple[str, ...]:
        """Return the servers, as the dashboard shows them: the path of a webhook may be its secret."""
        webhooks = {_without_path(url) for url in self.webhooks}
        return tuple(sorted(self.servers | self.sockets | webhooks))


def read_allow_list(text: str) -> AllowList:
    """Return the list in a setting: addresses with commas between, those of token services end in /token.

    Those of mail servers begin with smtp://, of syslog servers with syslog://, and of receivers of records
    over HTTPS with webhook://. Raises BlockedByPolicy for what is no address.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    kinds = {scheme: [part for part in parts if part.lower().startswith(scheme)] for scheme in _SCHEMES}
    special = {part for found in kinds.values() for part in found}
    addresses = [parse_address(part, LISTED) for part in parts if part not in special]
    tokens = {address.url for address in addresses if address.path.endswith("/token")}
    return AllowList(
        servers=frozenset(address.url for address in addresses if address.url not in tokens),
        tokens=frozenset(tokens | {url for _, url in REGIONS}),
        sockets=frozenset(_socket(scheme, part) for scheme in _EXAMPLES for part in kinds[scheme]),
        webhooks=frozenset(
            parse_address("https://" + part[len(_WEBHOOK) :], LISTED).url for part in kinds[_WEBHOOK]
        ),
    )


def mail_refusal(allowed: AllowList, host: str, port: int) -> str | None:
    """Return why no mail is handed to this server, None when it is."""
    return _socket_refusal(allowed, f"{_SMTP}{host.lower()}:{port}")


def stream_refusal(allowed: AllowList, host: str, port: int) -> str | None:
    """Return why no records are handed to this syslog server, None when they are."""
    return _socket_refusal(allowed, f"{_SYSLOG}{host.lower()}:{port}")


def post_refusal(allowed: AllowList, server: Address, call: WireCall) -> str | None:
    """Return why these records are not posted, None when they are."""
    path = call.path.partition("?")[0]
    # A server is named by its origin alone: with a path in it, it would pass for one listed with that path.
    if call.method != "POST" or server.path or not _PATH.fullmatch(call.path) or _AMBIGUOUS.search(path):
        return "Records are posted, to a plain path of a server."
    if {server.origin, server.origin + path.rstrip("/")} & allowed.webhooks:
        return None
    return f"{server.origin.replace('https://', _WEBHOOK, 1)} with this path is not on its list of servers."


def _without_path(url: str) -> str:
    address = parse_address(url, LISTED)
    return address.origin.replace("https://", _WEBHOOK, 1) + ("/…" if address.path else "")


def _socket_refusal(allowed: AllowList, server: str) -> str | None:
    return None if server in allowed.sockets else f"{server} is not on its list of servers."


def _socket(scheme: str, text: str) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if not parts.hostname or not port or parts.path.strip("/") or parts.username is not None:
        raise BlockedByPolicy(_EXAMPLES[scheme])
    return f"{scheme}{parts.hostname}:{port}"


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
