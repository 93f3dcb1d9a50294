"""Bodies that travel in gzip: opened as over a socket, within a bound. Rung: pure."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st
from isal import isal_zlib

from harmony.uem.errors import TooLarge
from harmony.uem.http import response
from harmony.uem.http.response import pack, unpack

WORDS = gzip.compress(b"words ", mtime=0)


@pytest.fixture(scope="module", autouse=True, params=[isal_zlib, zlib], ids=["isal", "zlib"])
def deflate(request: pytest.FixtureRequest) -> Iterator[None]:
    """Both that may be there: the fast one is not on every platform."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(response, "_deflate", request.param)
        yield


@given(st.binary(max_size=2000))
def test_what_was_packed_comes_out_again(body: bytes) -> None:
    assert unpack(pack(body)) == body


@pytest.mark.parametrize(
    ("packed", "body"),
    [
        (b"", b""),
        (WORDS + gzip.compress(b"and more", mtime=0), b"words and more"),
        (WORDS + b"and what is none", b"words "),
        (WORDS + b"\0" * 8, b"words "),
        (gzip.compress(b"", mtime=0) + b"\0" * 8, b""),
        (WORDS * 15 + b"\0", b"words " * 15),
        (WORDS * 16, b"words " * 16),
        (WORDS * 2000 + b"\0" * 70_000, b"words " * 2000),
        (WORDS + pack(bytes(range(256)) * 2000) + WORDS, b"words " + bytes(range(256)) * 2000 + b"words "),
    ],
)
def test_a_body_is_opened_as_one_that_comes_over_a_socket_is(packed: bytes, body: bytes) -> None:
    head = {"content-encoding": "gzip"}
    over_a_socket = urllib3.HTTPResponse(io.BytesIO(packed), headers=head, preload_content=False)
    assert unpack(packed) == over_a_socket.read() == body


@pytest.mark.parametrize(
    "packed",
    [b"no gzip", WORDS[:-3], WORDS[:10] + b"\xff" * 20, WORDS + WORDS[:4], WORDS * 20 + WORDS[:-1]],
)
def test_a_damaged_body_is_none(packed: bytes) -> None:
    with pytest.raises(ValueError, match=r"damaged|cut off"):
        unpack(packed)


def test_a_body_of_very_many_members_is_opened_no_further_than_the_bound() -> None:
    empty = gzip.compress(b"", mtime=0)
    assert unpack(empty * 9_999 + WORDS) == b"words "
    with pytest.raises(ValueError, match="damaged"):
        unpack(WORDS + empty * 10_000)


def test_no_more_than_the_bound_is_ever_opened() -> None:
    bomb, largest = gzip.compress(b" " * (64 << 20), 9), 1 << 20
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match="larger than 1 MiB"):
            unpack(bomb, largest)
        with pytest.raises(TooLarge, match="larger than 1 MiB"):
            unpack(pack(b" " * largest) + pack(b" "), largest)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * largest
