"""Pure: hosts and origins have one spelling, and what is none is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmony.security.hosts import host_of, name_of, normal_host, normal_origin


@pytest.mark.parametrize(
    ("text", "scheme", "host"),
    [
        ("harmony.example", "http", "harmony.example"),
        ("HARMONY.Example", "https", "harmony.example"),
        ("harmony.example.", "https", "harmony.example"),
        ("Harmony.example.:443", "https", "harmony.example"),
        ("harmony.example:80", "http", "harmony.example"),
        ("harmony.example:80", "https", "harmony.example:80"),
        ("harmony.example:443", "http", "harmony.example:443"),
        ("harmony.example:8000", "http", "harmony.example:8000"),
        ("harmony.example:", "http", "harmony.example"),
        ("10.0.0.7:8000", "http", "10.0.0.7:8000"),
        ("[::1]", "http", "[::1]"),
        ("[0:0:0:0:0:0:0:1]:8000", "http", "[::1]:8000"),
        ("[2001:DB8::A]:443", "https", "[2001:db8::a]"),
        ("my_host", "http", "my_host"),
        ("xn--mnchen-3ya.example", "http", "xn--mnchen-3ya.example"),
    ],
)
def test_a_host_has_one_spelling(text: str, scheme: str, host: str) -> None:
    assert normal_host(text, scheme) == host


@pytest.mark.parametrize(
    "text",
    [
        "", " ", ".", "..", "a..b", ".a", "a b", "a\tb", "a\x00", "a/b", "a@b", "a?b", "a#b", "<b>", "a,b",
        "a:b", "a:-1", "a:65536", "a:123456", "a:80:80", ":80", "[::1", "::1", "[::g]", "[]", "[:]",
        "[1.2.3.4]", "[fe80::1%25eth0]", "münchen.example", "a%2eb", "http://a", "a" * 254, "a\r\nb", "a..",
    ],
)  # fmt: skip
def test_what_no_host_can_be_is_none(text: str) -> None:
    assert normal_host(text, "http") is None


@given(st.text(max_size=40))
def test_a_spelling_is_stable_and_never_fails(text: str) -> None:
    host = normal_host(text, "https")
    assert host is None or normal_host(host, "https") == host


@pytest.mark.parametrize(
    ("origin", "normal"),
    [
        ("https://Harmony.Example", "https://harmony.example"),
        ("https://harmony.example:443", "https://harmony.example"),
        ("https://harmony.example.", "https://harmony.example"),
        ("HTTP://harmony.example:8000", "http://harmony.example:8000"),
        ("null", None),
        ("", None),
        ("https://", None),
        ("https://user@harmony.example", None),
        ("http://[", None),
        ("harmony.example", None),
    ],
)
def test_an_origin_has_one_spelling(origin: str, normal: str | None) -> None:
    assert normal_origin(origin) == normal


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://Harmony.example", "harmony.example"),
        ("https://harmony.example.:8443", "harmony.example"),
        ("http://[::1]:8000", "[::1]"),
        ("http://10.0.0.7:8000", "10.0.0.7"),
        ("https://münchen.example", "xn--mnchen-3ya.example"),
        ("https://my_host", "my_host"),
    ],
)
def test_the_name_in_an_address_is_the_one_that_browsers_send(url: str, name: str) -> None:
    assert host_of(url) == name


@pytest.mark.parametrize(
    ("host", "name"), [("a.b", "a.b"), ("a.b:1", "a.b"), ("[::1]", "[::1]"), ("[::1]:8", "[::1]")]
)
def test_a_name_is_a_host_without_its_port(host: str, name: str) -> None:
    assert name_of(host) == name
