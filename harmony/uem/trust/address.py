"""A server address, parsed once and rebuilt from its parts, so that nobody else parses it differently."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address

from harmony.uem.errors import BlockedByPolicy
from harmony.uem.trust.outbound import OutboundPolicy

_SHAPE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)(/.*)?")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
# What the console and the help of the API put behind the name of the server. A gateway may have a path of its
# own, even one called /api/…: after that only what the API or its help has there is cut off.
_PAGES = re.compile(
    r"/(airwatch|mydevice|deviceservices|devicemanagement|catalog|enroll)(/.*)?$"
    r"|/api(/(api|help|swagger|docs|system|mdm|mam|mcm|mem|v[0-9]+)(/.*)?)?/?$",
    re.IGNORECASE,
)

# Ports of services that do not speak HTTP, after the list browsers refuse (fetch.spec.whatwg.org,
# "bad port") and the common databases and queues.
_FORBIDDEN_PORTS = frozenset(
    {
        0,
        1,
        7,
        9,
        11,
        13,
        15,
        17,
        19,
        20,
        21,
        22,
        23,
        25,
        37,
        42,
        43,
        53,
        69,
        77,
        79,
        87,
        95,
        101,
        102,
        103,
        104,
    }
    | {
        109,
        110,
        111,
        113,
        115,
        117,
        119,
        123,
        135,
        137,
        139,
        143,
        161,
        179,
        389,
        427,
        445,
        465,
        512,
        513,
        514,
    }
    | {515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 873, 989, 990, 993, 995, 1433, 1434}
    | {1521, 1719, 1720, 1723, 2049, 2181, 3268, 3269, 3306, 3389, 3659, 4045, 4190, 5060, 5061, 5432, 5672}
    | {
        5900,
        6000,
        6379,
        6380,
        6566,
        6665,
        6666,
        6667,
        6668,
        6669,
        6679,
        6697,
        9042,
        9092,
        10080,
        11211,
        27017,
    }
)


# Two addresses are one origin or not, whatever may be called.
_ANY_SCHEME = OutboundPolicy(allow_http=True)


@dataclass(frozen=True, slots=True)
class Address:
    """Scheme, host (IPv6 without brackets), port and path prefix ("" or "/…" without a slash at the end)."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        """`https://host[:port]`, the port only when it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"https": 443, "http": 80}[self.scheme]
        return f"{self.scheme}://{host}" + ("" if self.port == usual else f":{self.port}")

    @property
    def url(self) -> str:
        """The whole address, built from its parts."""
        return self.origin + self.path


def parse_address(text: str, policy: OutboundPolicy) -> Address:
    """Return the parts of a URL somebody typed; raises BlockedByPolicy with the reason."""
    typed = text.strip(" ")
    _refuse_odd_characters(typed)
    shape = _SHAPE.fullmatch(typed)
    if shape is None:
        raise _refused("is not complete: it starts with https:// and a host name")
    scheme, authority, path = shape[1].lower(), shape[2], shape[3] or ""
    _refuse_scheme(scheme, policy)
    host, port = _host_and_port(authority, scheme)
    if not _PATH.fullmatch(path) or any(part in {".", ".."} for part in path.split("/")):
        raise _refused("has a path that is not plain letters and digits")
    return Address(scheme, host, port, path.rstrip("/"))


def parse_server(text: str, policy: OutboundPolicy) -> Address:
    """As `parse_address`, without the pages of the console or of the API's help that people paste along."""
    address = parse_address(re.split(r"[?#]", text, maxsplit=1)[0], policy)
    return Address(address.scheme, address.host, address.port, _PAGES.sub("", address.path))


def reduced(text: str) -> str:
    """Return what is kept of a server address that somebody typed; the text as it is when it is none.

    >>> reduced("https://UEM.example/AirWatch/#/Dashboard"), reduced("uem.example/")
    ('https://uem.example', 'uem.example/')
    """
    try:
        return parse_server(text, _ANY_SCHEME).url
    except BlockedByPolicy:
        return text


def origin_of(text: str) -> str:
    """Return the origin an address leads to: `https://host[:port]`; the trimmed text when it is no address.

    >>> origin_of("HTTPS://UEM.example.:443/API/"), origin_of("uem.example")
    ('https://uem.example', 'uem.example')
    """
    try:
        return parse_address(text, _ANY_SCHEME).origin
    except BlockedByPolicy:
        return text.strip()


def _refuse_odd_characters(text: str) -> None:
    if not text:
        raise _refused("is empty")
    if len(text) > 500:
        raise _refused("is longer than 500 characters")
    if not text.isascii():
        raise _refused("contains a letter outside ASCII; write an international name in its xn-- form")
    if any(character <= " " or character == "\x7f" for character in text):
        raise _refused("contains a space or a control character")
    for character, name in {"\\": "a backslash", "#": "a #", "?": "a question mark", "%": "a %"}.items():
        if character in text:
            raise _refused(f"contains {name}; enter only https:// and the host name")


def _refuse_scheme(scheme: str, policy: OutboundPolicy) -> None:
    if scheme == "https" or (scheme == "http" and policy.allow_http):
        return
    if scheme == "http":
        raise _refused("begins with http://, which is not encrypted; use https://")
    raise _refused("does not begin with https://")


def _host_and_port(authority: str, scheme: str) -> tuple[str, int]:
    if "@" in authority:
        raise _refused("contains a user name or an @; credentials have their own fields")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise _refused("has no readable host name and port")
    port = int(parts[2]) if parts[2] else {"https": 443, "http": 80}[scheme]
    if port > 65535 or port in _FORBIDDEN_PORTS:
        raise _refused(f"names port {port}, on which no web service may be called")
    return _host(parts[1]), port


def _host(text: str) -> str:
    if text.startswith("["):
        return _ipv6(text[1:-1])
    host = text.lower().removesuffix(".")
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _refused("has a host name that is not letters, digits, dots and hyphens")
    if _NUMBER.fullmatch(labels[-1]):
        return _ipv4(host)
    return host


def _ipv4(text: str) -> str:
    # 2130706433, 0x7f.1, 0177.0.0.1 and 127.1 all reach 127.0.0.1 through the resolver [measured].
    try:
        return str(IPv4Address(text))
    except AddressValueError:
        raise _refused("is a number that is not a plain IPv4 address") from None


def _ipv6(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except AddressValueError:
        raise _refused("is not an IPv6 address") from None


def _refused(reason: str) -> BlockedByPolicy:
    return BlockedByPolicy(f"The address {reason}.", "Enter it as https:// and the host name of the server.")


def is_ip(host: str) -> bool:
    """Tell whether a host is an address rather than a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
