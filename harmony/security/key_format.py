"""PURE: the form of an API key, such as a scanner for leaked secrets can find and check it.

`hrmnk_`, eight characters that name the key, an underscore, 32 secret ones, and six of a checksum.
"""

from __future__ import annotations

import re
import zlib

_PREFIX = "hrmnk_"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
NAME_LENGTH = 8
SECRET_LENGTH = 32
_CHECKSUM_LENGTH = 6
# For a scanner of one's own; the checksum tells a key from what only looks like one.
PATTERN = rf"{_PREFIX}[0-9A-Za-z]{{{NAME_LENGTH}}}_[0-9A-Za-z]{{{SECRET_LENGTH + _CHECKSUM_LENGTH}}}"
_KEY = re.compile(PATTERN, re.ASCII)


def complete(name: str, secret: str) -> str:
    """Return the whole key of a name and a secret.

    >>> complete("aaaaaaaa", "b" * 32)
    'hrmnk_aaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb1wNYFP'
    """
    body = f"{_PREFIX}{name}_{secret}"
    return body + _checksum(body)


def is_well_formed(key: str) -> bool:
    """Tell whether it has the form of a key and the right checksum: a typing error never reaches a table."""
    return _KEY.fullmatch(key) is not None and _checksum(key[:-_CHECKSUM_LENGTH]) == key[-_CHECKSUM_LENGTH:]


def start_of(key: str) -> str:
    """Return the part of a key that names it, and tells nothing of its secret.

    >>> start_of("hrmnk_aaaaaaaa_bbbb")
    'hrmnk_aaaaaaaa'
    """
    return key[: len(_PREFIX) + NAME_LENGTH]


def _checksum(body: str) -> str:
    """Return the CRC-32 in base 62, padded with zeros."""
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
