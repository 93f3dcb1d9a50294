"""PURE: the one form of a text that search compares and lists sort by, of stored and of typed text."""

from __future__ import annotations

import unicodedata

LONGEST_KEY = 256

# Each is typed where another was meant, or put there by a phone that corrects what is typed.
_ALIKE = {
    "'": "`\u00b4\u2018\u2019\u201a\u201b\u2032\u2035\u02b9\u02bb\u02bc\u02bd\u2039\u203a\uff07\u1ffd\u1fef",
    '"': "\u201c\u201d\u201e\u201f\u2033\u2036\u00ab\u00bb\u301d\u301e\u301f\uff02",
    "-": "\u2212\u2043",
    # Letters that no decomposition leads to the one that is typed for them.
    "i": "\u0131", "o": "\u00f8", "l": "\u0142", "d": "\u0111\u00f0", "h": "\u0127",
    "ae": "\u00e6", "oe": "\u0153",
}  # fmt: skip
_QUOTES = str.maketrans({letter: plain for plain in "'\"" for letter in _ALIKE[plain]})


class _Plain(dict[int, str]):
    """The plain form of each code point, "" for what is not seen; filled as letters are met."""

    def __missing__(self, code: int) -> str:
        self[code] = plain = _plain(chr(code))
        return plain


def _plain(letter: str) -> str:
    if letter.isspace():
        return " "
    category = unicodedata.category(letter)
    if category == "Pd":
        return "-"
    # The marks over and under Latin, Greek and Cyrillic letters; those of other scripts make another letter.
    is_accent = "\u0300" <= letter <= "\u036f"
    is_selector = "\ufe00" <= letter <= "\ufe0f"
    return "" if is_accent or is_selector or category in {"Cc", "Cf", "Cs"} else letter


_PLAIN = _Plain({ord(letter): plain for plain, letters in _ALIKE.items() for letter in letters})


def fold(text: str) -> str:
    """Fold case, width, accents, quotation marks, dashes and spaces; drop what is not seen.

    Folding twice is folding once. See decision 15 for what counts as alike.

    >>> fold("Anna\u2019s  iPhone") == fold("ANNA'S iPhone"), fold("Gr\u00f6\u00dfe"), fold("\u0130zmir")
    (True, 'grosse', 'izmir')
    """
    if text.isascii() and text.isprintable() and "`" not in text:
        return " ".join(text.lower().split())
    # Before they come apart: an acute accent that stands alone would become a space.
    decomposed = unicodedata.normalize("NFKD", text.translate(_QUOTES)).casefold()
    plain = unicodedata.normalize("NFKD", decomposed).translate(_PLAIN)
    return " ".join(unicodedata.normalize("NFC", plain).split())


def sort_key(text: str) -> str:
    """Cut the folded text to what an index of any database takes."""
    return fold(text)[:LONGEST_KEY]


def lines(*texts: str) -> str:
    """Join the folded texts so that nothing typed is found across two of them."""
    # Almost every device is plain, and a fleet has hundreds of thousands: a fifth of the time.
    barred = f"|{'|'.join(texts)}|"
    plain = barred.isascii() and barred.isprintable() and len(barred) <= LONGEST_KEY
    odd = "`" in barred or "  " in barred or "| " in barred or " |" in barred
    if plain and not odd:
        return "\n".join(texts).lower()
    return "\n".join(map(sort_key, texts))
