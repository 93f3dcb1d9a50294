"""Which addresses may be called, as tables. Pure: no rung, no network."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from harmony.uem.errors import BlockedByPolicy
from harmony.uem.trust.address import parse_address, parse_server, reduced
from harmony.uem.trust.outbound import OutboundPolicy, address_refusal

STRICT = OutboundPolicy()
DEMO = OutboundPolicy(allow_http=True, allow_loopback=True)

REFUSED_URLS = [
    "",
    "uem.example.com",
    "//uem.example.com",
    "http://uem.example.com",
    "HTTP://uem.example.com",
    "ftp://uem.example.com",
    "file:///etc/passwd",
    "gopher://uem.example.com:70/_",
    "javascript://uem.example.com/%0aalert(1)",
    "https://",
    "https:///path",
    "https://:443",
    "https://user@uem.example.com",
    "https://user:secret@uem.example.com",
    "https://good.test\\@evil.test/",
    "https://good.test@evil.test/",
    "https://uem.example.com\\api",
    "https://uem.example.com/#api",
    "https://uem.example.com/?next=1",
    "https://uem.example.com/%2e%2e/x",
    "https://uem.example.com/../x",
    "https://uem.example.com/a b",
    "https://uem.exa\tmple.com",
    "https://uem.example.com\r\nHost: evil",
    "https://uem.example.com\x00",
    "https://uem.exämple.com",
    "https://\uff55em.example.com",
    "https://uem\u3002example.com",
    "https://uem..example.com",
    "https://-uem.example.com",
    "https://" + "a" * 64 + ".example.com",
    "https://" + "a." * 130 + "com",
    "https://uem.example.com:0",
    "https://uem.example.com:22",
    "https://uem.example.com:25",
    "https://uem.example.com:3306",
    "https://uem.example.com:5432",
    "https://uem.example.com:6379",
    "https://uem.example.com:11211",
    "https://uem.example.com:65536",
    "https://uem.example.com:https",
    "https://uem.example.com:",
    "https://2130706433",
    "https://0x7f.1",
    "https://0177.0.0.1",
    "https://127.1",
    "https://0x7f000001",
    "https://1.2.3.4.5",
    "https://256.1.1.1",
    "https://[::1",
    "https://::1",
    "https://[fe80::1%25eth0]",
    "https://[not:an:address]",
]


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_it_refuses_an_address_that_parsers_could_read_differently(url: str) -> None:
    with pytest.raises(BlockedByPolicy) as refusal:
        parse_address(url, STRICT)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("typed", "rebuilt"),
    [
        ("https://as123.awmdm.com", "https://as123.awmdm.com"),
        (" https://as123.awmdm.com/ ", "https://as123.awmdm.com"),
        ("HTTPS://AS123.AWMDM.COM", "https://as123.awmdm.com"),
        ("https://as123.awmdm.com.", "https://as123.awmdm.com"),
        ("https://as123.awmdm.com:443", "https://as123.awmdm.com"),
        ("https://uem.corp.local:8443/api", "https://uem.corp.local:8443"),
        ("https://cn123.awmdm.com/AirWatch/Login", "https://cn123.awmdm.com"),
        ("https://gateway.corp/uem/API/", "https://gateway.corp/uem"),
        ("https://as123.awmdm.com/api", "https://as123.awmdm.com"),
        ("https://as123.awmdm.com/API/", "https://as123.awmdm.com"),
        ("https://as123.awmdm.com/api/help", "https://as123.awmdm.com"),
        ("https://as123.awmdm.com/API/help/#!/apis/10003", "https://as123.awmdm.com"),
        ("https://as123.awmdm.com/api/system/info?a=b%20c", "https://as123.awmdm.com"),
        ("https://as123.awmdm.com/API/mdm/devices/search", "https://as123.awmdm.com"),
        ("https://as123.awmdm.com/api/api/v1/help", "https://as123.awmdm.com"),
        ("https://cn123.awmdm.com/AirWatch", "https://cn123.awmdm.com"),
        ("https://cn123.awmdm.com/airwatch/#/AirWatch/Device/List", "https://cn123.awmdm.com"),
        ("https://cn123.awmdm.com/AirWatch/Login?ReturnUrl=%2fAirWatch", "https://cn123.awmdm.com"),
        ("https://ds123.awmdm.com/MyDevice/", "https://ds123.awmdm.com"),
        ("https://ds123.awmdm.com/DeviceServices/AirWatchService.asmx", "https://ds123.awmdm.com"),
        ("https://as123.awmdm.com/?sign-in=1", "https://as123.awmdm.com"),
        ("https://as123.awmdm.com#/", "https://as123.awmdm.com"),
        ("https://gateway.corp/uem/API/help/", "https://gateway.corp/uem"),
        ("https://gateway.corp/api/uem", "https://gateway.corp/api/uem"),
        ("https://gateway.corp/airwatch-prod/api", "https://gateway.corp/airwatch-prod"),
        ("https://good.test#@evil.test/", "https://good.test"),
        ("https://10.1.2.3", "https://10.1.2.3"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("https://[2001:DB8:0::1]", "https://[2001:db8::1]"),
        ("https://xn--uem-xla.example", "https://xn--uem-xla.example"),
        ("https://uem_1.corp", "https://uem_1.corp"),
    ],
)
def test_it_rebuilds_an_address_from_its_parts(typed: str, rebuilt: str) -> None:
    assert parse_server(typed, STRICT).url == rebuilt
    assert reduced(typed) == rebuilt


def test_it_allows_http_only_when_told() -> None:
    assert parse_address("http://127.0.0.1:8080", DEMO).url == "http://127.0.0.1:8080"


SPECIAL = {
    "100.64.0.0/10": ("100.64.0.1", "100.127.255.254", "::ffff:100.64.0.1", "64:ff9b::100.64.0.1"),
    "192.0.0.0/24": ("192.0.0.1", "192.0.0.170", "2002:c000:1::1"),
    "192.88.99.0/24": ("192.88.99.1",),
    "198.18.0.0/15": ("198.18.0.1", "198.19.255.255"),
    "192.0.2.0/24": ("192.0.2.7",),
    "198.51.100.0/24": ("198.51.100.7",),
    "203.0.113.0/24": ("203.0.113.7",),
    "2001:db8::/32": ("2001:db8::7",),
    "3fff::/20": ("3fff:0:1::7",),
    "fec0::/10": ("fec0::1", "feff::1"),
    "100::/64": ("100::1",),
}


@pytest.mark.parametrize(("network", "ips"), SPECIAL.items(), ids=SPECIAL)
def test_a_special_range_is_called_only_when_it_is_allowed_by_itself(
    network: str, ips: tuple[str, ...]
) -> None:
    everything = OutboundPolicy(allow=(ip_network("0.0.0.0/0"), ip_network("::/0")))
    by_itself = OutboundPolicy(allow=(ip_network(network), ip_network("::/0")))
    for ip in ips:
        assert address_refusal(ip, STRICT)
        assert address_refusal(ip, everything)
        assert address_refusal(ip, by_itself) is None


REFUSED_IPS = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",  # noqa: S104 - an address to refuse
    "0.1.2.3",
    "169.254.1.1",
    "169.254.169.254",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "240.0.0.1",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fd00:ec2::23",
    "fd00:ec2::123",
    "169.254.170.23",
    "169.254.170.2",
    "fec0::1",
    "::ffff:0:127.0.0.1",
    "::ffff:0:169.254.169.254",
    "::ffff:0:0.0.0.0",
    "64:ff9b:1:7f00:0:100::",
    "64:ff9b:1:a9:fe:a9fe::",
    "64:ff9b:1:0:7f:0:100:0",
    "fd12::5efe:127.0.0.1",
    "2600::200:5efe:169.254.169.254",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:7f00:1::",
    "2001:0:808:808::80ff:fffe",
]


@pytest.mark.parametrize("ip", REFUSED_IPS)
def test_it_never_calls_itself_or_a_metadata_service(ip: str) -> None:
    assert address_refusal(ip, STRICT)


@pytest.mark.parametrize(
    "ip",
    [
        "10.0.0.1",
        "172.16.5.4",
        "192.168.1.1",
        "100.63.255.255",
        "100.128.0.1",
        "192.0.1.1",
        "198.17.0.1",
        "198.20.0.1",
        "203.0.112.1",
        "8.8.8.8",
        "fd00:ec1::254",
        "64:ff9b:1::808:808",
        "2001:4860:4860::8888",
        "fd12:3456::1",
        "2600::1",
        "::ffff:10.0.0.1",
        "64:ff9b::808:808",
        "2002:808:808::1",
    ],
)
def test_it_calls_private_and_public_networks(ip: str) -> None:
    assert address_refusal(ip, STRICT) is None


@pytest.mark.parametrize("ip", ["169.254.169.254", "224.0.0.1", "0.1.2.3", "::ffff:169.254.169.254"])
def test_a_demo_may_call_loopback_and_nothing_else_that_is_refused(ip: str) -> None:
    assert address_refusal("127.0.0.1", DEMO) is None
    assert address_refusal("::1", DEMO) is None
    assert address_refusal(ip, DEMO)


def test_the_list_of_denied_networks_wins() -> None:
    policy = OutboundPolicy(allow=(ip_network("10.0.0.0/8"),), deny=(ip_network("10.1.0.0/16"),))
    assert address_refusal("10.2.0.1", policy) is None
    assert address_refusal("10.1.0.1", policy)
    assert address_refusal("::ffff:10.1.0.1", policy)


def test_a_list_of_allowed_networks_excludes_all_others() -> None:
    policy = OutboundPolicy(allow=(ip_network("10.0.0.0/8"), ip_network("fd00::/8")))
    assert address_refusal("fd00::1", policy) is None
    assert address_refusal("8.8.8.8", policy)


def test_loopback_is_lifted_by_an_entry_for_loopback_but_not_by_everything() -> None:
    assert address_refusal("127.0.0.1", OutboundPolicy(allow=(ip_network("127.0.0.0/8"),))) is None
    assert address_refusal("127.0.0.1", OutboundPolicy(allow=(ip_network("0.0.0.0/0"),)))
    assert address_refusal("169.254.169.254", OutboundPolicy(allow=(ip_network("169.254.169.254/32"),)))


def test_it_knows_itself_by_the_local_end_of_the_connection() -> None:
    assert address_refusal("10.0.0.5", STRICT, "10.0.0.5")
    assert address_refusal("::ffff:10.0.0.5", STRICT, "10.0.0.5")
    assert address_refusal("10.0.0.6", STRICT, "10.0.0.5") is None
