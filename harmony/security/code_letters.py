"""PURE: the letters of codes that people type: Crockford's base 32, which has no I, L, O or U."""

from __future__ import annotations

# Five bits each. The letters that are left out are misread, or spell words.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD = str.maketrans("OIL", "011")


def letters_meant(code: str) -> str:
    """Return the letters of a code, however it was typed: in lower case, with hyphens or not, with O for 0.

    >>> letters_meant("o12l-abcd")
    '0121ABCD'
    """
    letters = "".join(character for character in code.upper() if character.isalnum())
    return letters.translate(_MISREAD)
