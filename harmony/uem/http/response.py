"""Reading an answer off the wire: capped after decompression, and refused when it is no data at all."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType

import requests
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import DecodeError

from harmony.uem.errors import EmptyAnswer, HtmlAnswer, RedirectAnswer, TooLarge

try:
    from isal import isal_zlib
except ImportError:  # not on every platform
    isal_zlib = None  # type: ignore[assignment]

# Of the same interface; ISA-L packs five times as fast, and opens twice as fast.
_deflate: ModuleType = isal_zlib or zlib
MAX_BODY = 20 * 1024 * 1024
_GZIP_NAMES = frozenset({"gzip", "x-gzip"})
_AS_IT_CAME = _GZIP_NAMES | {"", "identity"}
_GZIP = 16 + zlib.MAX_WBITS
_MAGIC = b"\x1f\x8b"
# Each member costs a copy of what follows it: of so much at the most.
_WINDOW = 16 * 1024
# Each costs a decompressor, however little it holds.
_MOST_MEMBERS = 10_000


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer; headers are case-insensitive. Body and headers stay out of the repr."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def content_type(self) -> str:
        """The media type alone, in lower case, cut to a length fit for a sentence."""
        text = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return "".join(character for character in text if character.isprintable())[:60]

    @property
    def is_markup(self) -> bool:
        """True for a web page (or XML), by its type or by its first character."""
        if self.content_type in {"text/html", "application/xhtml+xml"}:
            return True
        return self.body[:200].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")

    @property
    def is_web_page(self) -> bool:
        """True for a page for a browser, as proxies and firewalls send, and IIS with a refusal."""
        if self.content_type in {"text/html", "application/xhtml+xml"}:
            return True
        start = self.body[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        return start.startswith((b"<!doctype html", b"<html"))


def answer_of(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """Return an answer that came another way than over a socket of this process."""
    return Answer(status, CaseInsensitiveDict(headers), body)


def read_answer(response: requests.Response, largest: int = MAX_BODY) -> Answer:
    """Read the whole answer. Raises TooLarge beyond `largest` bytes.

    A connection cut in the body, and one that is damaged, raises an error of urllib3.
    """
    body = _read(response, largest)
    if _is_gzip(response):
        try:
            body = unpack(body, largest)
        except ValueError as error:
            raise DecodeError(*error.args) from None
    return Answer(response.status_code, response.headers, body)


def read_packed(response: requests.Response, largest: int = MAX_BODY) -> Answer:
    """Read the whole answer with its body in gzip, unopened where it came so. Raises TooLarge.

    Whoever opens it has to bound what comes out (`unpack`).
    """
    body = _read(response, largest)
    if not _is_gzip(response):
        body = pack(body)
    return Answer(response.status_code, response.headers, body)


def _read(response: requests.Response, largest: int) -> bytes:
    """Return the body as it came in gzip, unpacked where it came in something else. Raises TooLarge.

    Mostly in one piece: each more is a copy of the body, and these took as long as deciphering it. Only the
    read after the last one tells a body that was cut.
    """
    encoding, body = _encoding(response), b""
    if "," in encoding:
        raise DecodeError("packed more than once, which nobody asked for")
    opens = encoding not in _AS_IT_CAME
    while (room := largest + 1 - len(body)) > 0:
        piece = response.raw.read(room, decode_content=opens)
        if not piece:
            return body
        body = body + piece if body else piece
    raise _too_large(largest)


def _is_gzip(response: requests.Response) -> bool:
    return _encoding(response) in _GZIP_NAMES


def _encoding(response: requests.Response) -> str:
    return response.headers.get("Content-Encoding", "").strip().lower()


def pack(body: bytes) -> bytes:
    """Return the body in gzip: quickly rather than tightly packed."""
    packing = _deflate.compressobj(1, wbits=_GZIP)
    return bytes(packing.compress(body) + packing.flush())


def unpack(packed: bytes, largest: int = MAX_BODY) -> bytes:
    """Return what a body in gzip holds. Raises TooLarge beyond `largest` bytes, ValueError for a damaged one.

    Nothing more than that is ever unpacked, whatever the body would become.
    """
    pieces: list[bytes] = []
    room, place, members, unpacking = largest + 1, 0, 1, _deflate.decompressobj(wbits=_GZIP)
    # As over a socket: members that follow each other are one body, and what follows without one is none.
    while place < len(packed) and (not unpacking.eof or packed.startswith(_MAGIC, place)):
        if unpacking.eof:
            members, unpacking = members + 1, _deflate.decompressobj(wbits=_GZIP)
        if members > _MOST_MEMBERS:
            raise ValueError("damaged")
        window = packed[place : place + _WINDOW]
        try:
            pieces.append(unpacking.decompress(window, room))
        except (zlib.error, _deflate.error):
            raise ValueError("damaged") from None
        room -= len(pieces[-1])
        if room <= 0:
            raise _too_large(largest)
        place += len(window) - len(unpacking.unused_data)
    if packed and not unpacking.eof:
        raise ValueError("cut off")
    return b"".join(pieces)


def _too_large(largest: int) -> TooLarge:
    """Return the error of an answer of more than `largest` bytes."""
    return TooLarge(f"The answer is larger than {_size(largest)} and was not read to its end.")


def _size(count: int) -> str:
    return f"{count // 2**20} MiB" if count >= 2**20 else f"{count // 2**10} KiB"


def refuse_non_data(answer: Answer) -> None:
    """Raise RedirectAnswer, HtmlAnswer or EmptyAnswer for an answer without data; an empty 204 passes."""
    if 300 <= answer.status < 400:
        raise RedirectAnswer(
            f"The server answered with a redirect (status {answer.status}), which is never followed."
        )
    if answer.status == 204:
        return
    if not answer.body and answer.status < 300:
        raise EmptyAnswer(f"The server answered with success (status {answer.status}) and nothing in it.")
    # Refusals keep their meaning however they are dressed: IIS sends its 401 and 403 as web pages.
    if answer.is_markup and answer.status not in {401, 403}:
        kind = answer.content_type or "no content type"
        page = HtmlAnswer(
            f"A web page came instead of data (status {answer.status}, {kind}, {len(answer.body)} bytes)."
        )
        page.status = answer.status
        raise page
