"""PURE: the geometry of the charts; the templates draw it as SVG beside its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HEIGHT, STEP, GAP = 100, 20, 4


@dataclass(frozen=True, slots=True)
class Bar:
    """A number of devices: its words, the page with the rows behind it, and its tone in the stylesheet."""

    label: str
    count: int
    href: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a chart in units of its SVG; `top` is the distance from its upper edge."""

    x: int
    top: int
    height: int


def share(count: int, of: int) -> int:
    """Return a percentage for the width of a bar; what is there at all can be seen.

    >>> share(1, 10_000), share(50, 100), share(0, 0)
    (1, 50, 0)
    """
    return max(round(100 * count / of), 1) if count and of else 0


def total(bars: Iterable[Bar]) -> int:
    """Return the number of devices of all bars."""
    return sum(bar.count for bar in bars)


def columns(counts: Sequence[int]) -> list[Column]:
    """Return a column for each number, the greatest as high as the chart.

    >>> columns([0, 50, 100])
    [Column(x=2, top=100, height=0), Column(x=22, top=50, height=50), Column(x=42, top=0, height=100)]
    """
    most = max(counts, default=0)
    heights = [max(round(HEIGHT * count / most), 2) if count else 0 for count in counts]
    return [Column(place * STEP + GAP // 2, HEIGHT - height, height) for place, height in enumerate(heights)]
