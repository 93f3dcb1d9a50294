"""Which network addresses this dashboard may call: private networks yes, itself and metadata services no."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
Ip = IPv4Address | IPv6Address

# `ipaddress` calls some of these global: 168.63.129.16 is Azure's wire server, 100.100.100.200 Alibaba's,
# 192.0.0.192 Oracle's, the IPv6 ones Amazon's and Google's metadata services.
_METADATA = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd20:ce::254",
    )
)
_THIS_NETWORK = ip_network("0.0.0.0/8")
_RESERVED_V4 = ip_network("240.0.0.0/4")
_COMPATIBLE = IPv6Network("::/96")
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))


@dataclass(frozen=True, slots=True)
class OutboundPolicy:
    """The settings of one installation.

    `deny` always wins. A non-empty `allow` is the whole list of what may be called; an entry that lies inside
    the loopback range also lifts the refusal of loopback, while 0.0.0.0/0 does not.
    """

    allow_http: bool = False
    allow_loopback: bool = False
    allow: tuple[Network, ...] = ()
    deny: tuple[Network, ...] = ()


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


def _standing_refusal(address: Ip, policy: OutboundPolicy) -> str | None:
    reasons = (
        (address in _METADATA, "a cloud metadata service"),
        (address.is_link_local, "a link-local address"),
        (address.is_multicast, "a multicast address"),
        (address.is_unspecified or address in _THIS_NETWORK, "not the address of any server"),
        (address in _RESERVED_V4, "a reserved address"),
        (address.is_loopback and not _loopback_allowed(address, policy), "this machine itself (loopback)"),
    )
    return next((reason for applies, reason in reasons if applies), None)


def _listed_refusal(address: Ip, policy: OutboundPolicy) -> str | None:
    if any(address in network for network in policy.deny):
        return "on this dashboard's list of denied networks"
    if not policy.allow or (address.is_loopback and policy.allow_loopback):
        return None
    if any(address in network for network in policy.allow):
        return None
    return "not on this dashboard's list of allowed networks"


def _loopback_allowed(address: Ip, policy: OutboundPolicy) -> bool:
    if policy.allow_loopback:
        return True
    return any(address in network and network.is_loopback for network in policy.allow)


def _plain(address: Ip) -> Ip:
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _meanings(address: Ip) -> Iterator[Ip]:
    """The address, and every IPv4 address that is wrapped in it; each must be allowed."""
    mapped = _plain(address)
    yield mapped
    if isinstance(mapped, IPv4Address):
        return
    if mapped.sixtofour:
        yield mapped.sixtofour
    if mapped.teredo:
        yield from mapped.teredo
    if any(mapped in network for network in _NAT64) or _is_compatible(mapped):
        yield IPv4Address(int(mapped) & 0xFFFFFFFF)


def _is_compatible(address: IPv6Address) -> bool:
    # :: and ::1 lie in the same range, and have meanings of their own.
    return address in _COMPATIBLE and int(address) > 0xFFFF
