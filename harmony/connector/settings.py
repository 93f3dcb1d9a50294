"""The settings of an agent: environment variables, all of them named HARMONY_CONNECTOR_…."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from harmony.connector.allow_list import AllowList, read_allow_list
from harmony.connector.wire import KEY_PREFIX
from harmony.uem.errors import BlockedByPolicy
from harmony.uem.trust.address import Address, parse_address
from harmony.uem.trust.outbound import OutboundPolicy
from harmony.uem.trust.proxy import Proxy

_PREFIX = "HARMONY_CONNECTOR_"
_KNOWN = (
    "DASHBOARD", "KEY", "KEY_FILE", "ALLOW", "DASHBOARD_CA_FILE", "UEM_CA_FILE", "DASHBOARD_PROXY",
    "UEM_PROXY", "CALLS", "LOG_LEVEL",
)  # fmt: skip
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_MOST_CALLS = 32
_LOCAL = ("127.0.0.1", "::1", "localhost")


class AgentSettingsError(Exception):
    """The agent does not start; the text says which setting is wrong and why."""


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """`dashboard`: where to connect to; `calls`: how many calls to the UEM are made at once.

    `dashboard_ca` and `uem_ca` are PEM, None for the public certificates; `uem_ca` goes before what the
    dashboard sends along.
    """

    dashboard: Address
    key: str = field(repr=False)
    allowed: AllowList
    dashboard_ca: str | None = None
    uem_ca: str | None = None
    dashboard_proxy: Proxy | None = None
    uem_proxy: Proxy | None = None
    calls: int = 8
    log_level: str = "INFO"


def read_settings(environment: Mapping[str, str]) -> AgentSettings:
    """Return the settings of an agent. Raises AgentSettingsError."""
    given = {
        name.removeprefix(_PREFIX): value for name, value in environment.items() if name.startswith(_PREFIX)
    }
    if unknown := sorted(set(given) - set(_KNOWN)):
        raise AgentSettingsError(f"{_PREFIX}{unknown[0]} is not a setting of a Connector.")
    allowed = _allowed(given.get("ALLOW", ""))
    return AgentSettings(
        dashboard=_dashboard(given.get("DASHBOARD", "")),
        key=_key(given),
        allowed=allowed,
        dashboard_ca=_file(given, "DASHBOARD_CA_FILE"),
        uem_ca=_file(given, "UEM_CA_FILE"),
        dashboard_proxy=_proxy(given, "DASHBOARD_PROXY"),
        uem_proxy=_proxy(given, "UEM_PROXY"),
        calls=_calls(given.get("CALLS", "8")),
        log_level=_level(given.get("LOG_LEVEL", "INFO")),
    )


def _dashboard(text: str) -> Address:
    if not text:
        raise AgentSettingsError(f"Set {_PREFIX}DASHBOARD to the address of the dashboard.")
    try:
        address = parse_address(text, OutboundPolicy(allow_http=True, allow_loopback=True))
    except BlockedByPolicy as error:
        raise AgentSettingsError(f"{_PREFIX}DASHBOARD: {error.sentence}") from None
    if address.scheme == "http" and address.host not in _LOCAL:
        raise AgentSettingsError(f"{_PREFIX}DASHBOARD: over the network only https:// keeps the key secret.")
    return address


def _key(given: Mapping[str, str]) -> str:
    key = (given.get("KEY") or _file(given, "KEY_FILE") or "").strip()
    if not key:
        raise AgentSettingsError(f"Set {_PREFIX}KEY_FILE to a file with the key, or {_PREFIX}KEY to the key.")
    if not key.startswith(KEY_PREFIX) or not key.isascii() or not key.isprintable():
        raise AgentSettingsError(f"The key is not one of a Connector: those begin with {KEY_PREFIX}.")
    return key


def _allowed(text: str) -> AllowList:
    try:
        allowed = read_allow_list(text)
    except BlockedByPolicy as error:
        raise AgentSettingsError(f"{_PREFIX}ALLOW: {error.sentence}") from None
    if not allowed.shown():
        raise AgentSettingsError(
            f"Set {_PREFIX}ALLOW to the address of the UEM, such as https://uem.example.com."
        )
    return allowed


def _file(given: Mapping[str, str], name: str) -> str | None:
    path = given.get(name)
    if not path:
        return None
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise AgentSettingsError(f"{_PREFIX}{name}: {path} cannot be read ({why}).") from None


def _proxy(given: Mapping[str, str], name: str) -> Proxy | None:
    """Return the proxy in `http://[user:password@]host[:port]`, which is 3128 by default."""
    text = given.get(name)
    if not text:
        return None
    try:
        parts = urlsplit(text)
        port = parts.port or 3128
    except ValueError:
        parts, port = urlsplit(""), 0
    if not parts.hostname or parts.scheme != "http" or parts.path.strip("/"):
        raise AgentSettingsError(f"{_PREFIX}{name} is written as http://proxy.example.com:3128.")
    return Proxy(parts.hostname, port, unquote(parts.username or ""), unquote(parts.password or ""))


def _calls(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_CALLS:
        raise AgentSettingsError(f"{_PREFIX}CALLS is a number from 1 to {_MOST_CALLS}.")
    return int(text)


def _level(text: str) -> str:
    if text.upper() not in _LEVELS:
        raise AgentSettingsError(f"{_PREFIX}LOG_LEVEL is one of {', '.join(_LEVELS)}.")
    return text.upper()
