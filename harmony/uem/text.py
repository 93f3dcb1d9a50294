"""Foreign text made harmless: what a UEM or a device sends must not be able to disguise a line of a page."""

from __future__ import annotations

import unicodedata

# Characters that reorder or hide text.
_HIDDEN = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\u2028\u2029")


def clean(text: str, longest: int) -> str:
    """Remove control, surrogate and reordering characters and blank edges; cut to `longest`.

    >>> clean("a\\x00b\\u202ec ", 3), clean("", 9)
    ('ab', '')
    """
    cut = text[:longest]
    if cut.isprintable():
        return cut.strip()
    return "".join(letter for letter in cut if _is_kept(letter)).strip()


def _is_kept(letter: str) -> bool:
    return unicodedata.category(letter) not in {"Cc", "Cs"} and letter not in _HIDDEN
