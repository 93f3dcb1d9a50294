"""PURE: text that people paste: what cannot be seen is cut off or taken out, and named where it must stay."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

# Blank without being a space to Unicode: fillers of Hangul and Braille, the joiner of graphemes.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
# Inside of words and emoji these have a meaning: joiners, and the selectors of a glyph's variant.
_MEANINGFUL = frozenset({"\u200c", "\u200d", *map(chr, range(0xFE00, 0xFE10))})
_NAMES = {"\n": "a line end", "\r": "a line end", "\t": "a tab", "\u00a0": "a no-break space"}


def _is_hidden(character: str) -> bool:
    """Tell whether a character cannot be seen, the usual space aside."""
    if character == " ":
        return False
    category = unicodedata.category(character)
    return category[0] in "CZ" or character in _BLANK or character in _MEANINGFUL


def trimmed(text: Any) -> Any:
    """Cut spaces and what cannot be seen off both ends; None stays None.

    >>> trimmed("\\u200b s e c\\r\\n")
    's e c'
    """
    if not isinstance(text, str):
        return text
    kept = [place for place, character in enumerate(text) if not (character == " " or _is_hidden(character))]
    return text[kept[0] : kept[-1] + 1] if kept else ""


def stripped(text: Any) -> Any:
    """Trim a line of text, make every sort of space a usual one, and take out what cannot be seen.

    >>> stripped(" Anna\\u00a0B.\\u2060 ")
    'Anna B.'
    """
    if not isinstance(text, str):
        return text
    return "".join(map(_plain, trimmed(text)))


def hidden_in(text: str) -> str:
    """Name the first character of a secret that cannot be seen and where it is; "" when there is none.

    >>> hidden_in("abc\\u200bd"), hidden_in("a b")
    ('a zero width space (U+200B) after 3 characters', '')
    """
    found = next((place for place, character in enumerate(text) if _is_hidden(character)), None)
    if found is None:
        return ""
    character = text[found]
    name = _NAMES.get(character) or _name(character)
    return f"{name} (U+{ord(character):04X}) after {found} character{'s' if found != 1 else ''}"


def _plain(character: str) -> str:
    if character in _MEANINGFUL or not _is_hidden(character):
        return character
    return " " if character.isspace() else ""


def _name(character: str) -> str:
    name = re.sub(r"[^a-z -]", "", unicodedata.name(character, "character that cannot be seen").lower())
    return f"an {name}" if name[:1] in "aeiou" else f"a {name}"
