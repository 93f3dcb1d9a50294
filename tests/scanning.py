"""Read QR codes as a camera does: from a picture, and from the SVG of a page."""

from __future__ import annotations

import re
from io import BytesIO

import zxingcpp
from PIL import Image, ImageDraw

_CODE = re.compile(r'<svg\s+class="qr".*?viewBox="0 0 (\d+) .*?<path d="([^"]+)"', re.DOTALL)
_SQUARE = re.compile(r"M(\d+) (\d+)h1v1h-1z")
_PIXELS = 4


def scanned(picture: bytes) -> str:
    """The text of the QR code in a picture."""
    return str(zxingcpp.read_barcode(Image.open(BytesIO(picture))).text)


def scanned_on(page: str) -> list[str]:
    """The texts of all QR codes on a page, in its order."""
    return [str(zxingcpp.read_barcode(_drawn(int(size), path)).text) for size, path in _CODE.findall(page)]


def _drawn(size: int, path: str) -> Image.Image:
    picture = Image.new("L", (size * _PIXELS, size * _PIXELS), 255)
    draw = ImageDraw.Draw(picture)
    for match in _SQUARE.finditer(path):
        left, top = (int(number) * _PIXELS for number in match.groups())
        draw.rectangle((left, top, left + _PIXELS - 1, top + _PIXELS - 1), fill=0)
    return picture
