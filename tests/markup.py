"""HTML as a browser shows it: without the whitespace between elements that only lays out the templates."""

from __future__ import annotations

import re

_VALUE = r"\"[^\"]*\"|'[^']*'"
_PIECES = re.compile(rf"<!--.*?-->|<(pre|textarea)\b.*?</\1>|<(?:{_VALUE}|[^>\"'])*>|[^<]+", re.DOTALL)
_SPACES = re.compile(r"[ \t\n\r\f]+")  # what HTML calls whitespace: no-break spaces are text
_IRREGULAR = re.compile(r"[\t\n\r\f]|  | >$")
_BETWEEN_VALUES = re.compile(rf"({_VALUE})|{_SPACES.pattern}")
_INLINE = re.compile(
    r"</?(a|abbr|b|br|code|em|i|input|kbd|label|output|progress|select|small|span|strong|svg|time|use)\b"
)


def as_shown(html: str) -> str:
    """Return the HTML with runs of whitespace made one space, and none at the edges of blocks.

    The content of pre and textarea, and the space beside text, links and other inline elements, stay.
    """
    pieces = [_laid_flat(piece.group()) for piece in _PIECES.finditer(html)]
    return "".join(
        _trimmed(piece, pieces[at - 1] if at else "", pieces[at + 1] if at + 1 < len(pieces) else "")
        for at, piece in enumerate(pieces)
    )


def _laid_flat(piece: str) -> str:
    if piece.startswith(("<!--", "<pre", "<textarea")):
        return piece
    if piece.startswith("<"):
        if not _IRREGULAR.search(piece):
            return piece
        return re.sub(" >$", ">", _BETWEEN_VALUES.sub(lambda found: found[1] or " ", piece))
    return _SPACES.sub(" ", piece)


def _trimmed(piece: str, before: str, after: str) -> str:
    if piece.startswith("<") or not (piece.startswith(" ") or piece.endswith(" ")):
        return piece
    if before.startswith("<button") or _is_block(before):
        piece = piece.lstrip(" ")
    return piece.rstrip(" ") if after == "</button>" or _is_block(after) else piece


def _is_block(tag: str) -> bool:
    return not tag.startswith(("<button", "</button")) and not _INLINE.match(tag)
