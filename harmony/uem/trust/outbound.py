"""Which network addresses this dashboard may call: private networks yes, itself and metadata services no."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from harmony.uem.trust.proxy import Proxy

_Network = IPv4Network | IPv6Network
_Ip = IPv4Address | IPv6Address

# 168.63.129.16 is Azure's wire server, 100.100.100.200 Alibaba's, 192.0.0.192 Oracle's, the IPv6 ones
# Amazon's (instance data, pod identity, DNS, time) and Google's metadata services.
_METADATA = tuple(
    ip_network(text)
    for text in (
        "169.254.169.254/32",
        "168.63.129.16/32",
        "100.100.100.200/32",
        "192.0.0.192/32",
        "fd00:ec2::/32",
        "fd20:ce::254/128",
    )
)
_THIS_NETWORK = ip_network("0.0.0.0/8")
_RESERVED_V4 = ip_network("240.0.0.0/4")
# No server of a customer is there, but something of the provider, of a test or of nobody may be (IANA's
# registries of special-purpose addresses). An entry of `allow` that lies inside one of them lifts it.
_SPECIAL = tuple(
    (ip_network(text), name)
    for text, name in (
        ("100.64.0.0/10", "an address shared behind a provider (100.64.0.0/10)"),
        ("192.0.0.0/24", "an address of a protocol (192.0.0.0/24)"),
        ("192.88.99.0/24", "a 6to4 relay (192.88.99.0/24)"),
        ("198.18.0.0/15", "an address for benchmarks (198.18.0.0/15)"),
        ("192.0.2.0/24", "an address for documentation"),
        ("198.51.100.0/24", "an address for documentation"),
        ("203.0.113.0/24", "an address for documentation"),
        ("2001:db8::/32", "an address for documentation"),
        ("3fff::/20", "an address for documentation"),
        ("fec0::/10", "a site-local address (fec0::/10)"),
        ("100::/64", "an address that discards everything"),
        ("2001:2::/48", "an address for benchmarks"),
        ("2001:10::/28", "no address of a network"),
        ("2001:20::/28", "no address of a network"),
        ("5f00::/16", "an address for routing"),
    )
)
_COMPATIBLE = IPv6Network("::/96")
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})


@dataclass(frozen=True, slots=True)
class OutboundPolicy:
    """The settings of one installation.

    `deny` always wins. A non-empty `allow` is the whole list of what may be called; an entry that lies inside
    the loopback range, or inside a special-purpose range such as 100.64.0.0/10, also lifts the refusal of
    that range, while 0.0.0.0/0 does not. With a `proxy` every call leaves through it; it looks names up.
    """

    allow_http: bool = False
    allow_loopback: bool = False
    allow: tuple[_Network, ...] = ()
    deny: tuple[_Network, ...] = ()
    proxy: Proxy | None = None


DEFAULT_POLICY = OutboundPolicy()


def address_refusal(text: str, policy: OutboundPolicy, own_address: str | None = None) -> str | None:
    """Why the IP address may not be called, as the end of "It is …", or None when it may.

    `own_address` is the local end of the connection, when there is one already.
    """
    address = ip_address(text.partition("%")[0])
    if own_address is not None and not _loopback_allowed(address, policy):
        own = ip_address(own_address.partition("%")[0])
        if _plain(own) == _plain(address):
            return "this machine itself"
    for candidate in _meanings(address):
        refusal = _standing_refusal(candidate, policy) or _listed_refusal(candidate, policy)
        if refusal:
            return refusal
    return None


def _standing_refusal(address: _Ip, policy: OutboundPolicy) -> str | None:
    reasons = (
        (any(address in network for network in _METADATA), "a cloud metadata service"),
        (address.is_link_local, "a link-local address"),
        (address.is_multicast, "a multicast address"),
        (address.is_unspecified or address in _THIS_NETWORK, "not the address of any server"),
        (address in _RESERVED_V4, "a reserved address"),
        (address.is_loopback and not _loopback_allowed(address, policy), "this machine itself (loopback)"),
    )
    standing = next((reason for applies, reason in reasons if applies), None)
    return standing or _special_refusal(address, policy)


def _special_refusal(address: _Ip, policy: OutboundPolicy) -> str | None:
    for special, name in _SPECIAL:
        lifted = any(address in allowed and _is_inside(allowed, special) for allowed in policy.allow)
        if address in special and not lifted:
            return name
    return None


def _is_inside(network: _Network, outer: _Network) -> bool:
    return network.version == outer.version and network.subnet_of(outer)  # type: ignore[arg-type]


def _listed_refusal(address: _Ip, policy: OutboundPolicy) -> str | None:
    if any(address in network for network in policy.deny):
        return "on this dashboard's list of denied networks"
    if not policy.allow or (address.is_loopback and policy.allow_loopback):
        return None
    if any(address in network for network in policy.allow):
        return None
    return "not on this dashboard's list of allowed networks"


def _loopback_allowed(address: _Ip, policy: OutboundPolicy) -> bool:
    if policy.allow_loopback:
        return True
    return any(address in network and network.is_loopback for network in policy.allow)


def _plain(address: _Ip) -> _Ip:
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _meanings(address: _Ip) -> Iterator[_Ip]:
    """Yield the address, and every IPv4 address that is wrapped in it; each must be allowed."""
    mapped = _plain(address)
    yield mapped
    if isinstance(mapped, IPv4Address):
        return
    if mapped.sixtofour:
        yield mapped.sixtofour
    if mapped.teredo:
        yield from mapped.teredo
    last = IPv4Address(int(mapped) & 0xFFFFFFFF)
    if mapped in _TRANSLATED or mapped in _NAT64 or _is_compatible(mapped) or _is_isatap(mapped):
        yield last
    if mapped in _LOCAL_NAT64:
        yield from _embedded(mapped)


def _embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 address that a translator with a prefix of 48, 56, 64 or 96 bits would call (RFC 6052).

    What follows an embedded address is zero, and so is the octet that divides it.
    """
    packed = address.packed
    digits = packed[:8] + packed[9:]
    found = {digits[start : start + 4] for start in (6, 7, 8) if not any(digits[start + 4 :])}
    yield from (IPv4Address(number) for number in sorted(found | {packed[12:]}) if any(number))


def _is_isatap(address: IPv6Address) -> bool:
    return int(address) >> 32 & 0xFFFFFFFF in _ISATAP


def _is_compatible(address: IPv6Address) -> bool:
    # :: and ::1 lie in the same range, and have meanings of their own.
    return address in _COMPATIBLE and int(address) > 0xFFFF
