"""Where a UEM is and how to sign in to it; secrets never appear in a repr."""

from __future__ import annotations

from dataclasses import dataclass, field

from harmony.uem.http.exchange import DirectExchange, Route
from harmony.uem.http.shared_state import NotShared, SharedState
from harmony.uem.trust.outbound import DEFAULT_POLICY, OutboundPolicy

# Label and token address; docs.omnissa.com, "Using UEM functionality with a REST API".
# A trailing slash makes the token service answer 404.
REGIONS: tuple[tuple[str, str], ...] = (
    ("North America", "https://na.uemauth.workspaceone.com/connect/token"),
    ("Europe, Middle East and Africa", "https://emea.uemauth.workspaceone.com/connect/token"),
    ("Asia Pacific", "https://apac.uemauth.workspaceone.com/connect/token"),
    ("UAT", "https://uat.uemauth.workspaceone.com/connect/token"),
)


@dataclass(frozen=True, slots=True)
class OAuth2:
    """Client credentials; `token_url` is one of REGIONS or the administrator's own."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Basic:
    """A Basic-type console administrator and the REST API key of its organization group."""

    username: str
    password: str = field(repr=False)
    api_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Connection:
    """Everything needed to talk to one server.

    `ca_pem`, when given, replaces the public certificate store for this server. `shared` is where the
    processes of this installation meet, `route` how calls leave it.
    """

    server_url: str
    sign_in: OAuth2 | Basic
    ca_pem: str | None = None
    policy: OutboundPolicy = DEFAULT_POLICY
    shared: SharedState = field(default_factory=NotShared, repr=False, compare=False)
    route: Route = field(default=DirectExchange, repr=False, compare=False)
