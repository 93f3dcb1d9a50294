"""QR codes as one SVG path, which a template draws without foreign markup."""

from __future__ import annotations

from typing import NamedTuple

import segno


class QrCode(NamedTuple):
    """The dark squares as the `d` of an SVG path, and the length of a side, quiet zone included."""

    path: str
    size: int


_QUIET = 4


def qr_code(text: str) -> QrCode:
    """Encode a text; a device reads it from a screen or from paper."""
    matrix = segno.make(text, error="m", micro=False).matrix
    rows = [
        f"M{column + _QUIET} {row + _QUIET}h1v1h-1z"
        for row, line in enumerate(matrix)
        for column, dark in enumerate(line)
        if dark
    ]
    return QrCode("".join(rows), len(matrix) + 2 * _QUIET)
