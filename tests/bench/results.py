"""What a bench says: a value beside its bound, as a line of a table and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Result:
    """One measured value. `at_least` turns the bound around; `detail` keeps what the value was made of."""

    name: str
    value: float
    bound: float | None = None
    at_least: bool = False
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the bound holds; a value without a bound is for information."""
        if self.bound is None:
            return True
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def middle(values: Sequence[float]) -> float:
    """The median, rounded so that nobody reads more into it than there is."""
    return round(median(values), 3)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least so many percent do not exceed (nearest rank: no interpolation)."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def table(results: Sequence[Result], doubt: str = "", before: Mapping[str, float] | None = None) -> str:
    """Name, value, bound, whether it holds and the value before; the misses are said again below.

    With a `doubt`, nothing is said of bounds.
    """
    lines = [f"{'name':<34}{'value':>10}  {'bound':>9}  {'ok':<6}{'before':>10}"]
    for one in results:
        verdict = "-" if one.bound is None else "?" if doubt else "yes" if one.ok else "MISSED"
        earlier = (before or {}).get(one.name)
        was = "" if earlier is None else f"{earlier:.3f}"
        lines.append(f"{one.name:<34}{one.value:>10.3f}  {_bound(one):>9}  {verdict:<6}{was:>10}".rstrip())
    if doubt:
        return "\n".join([*lines, f"No verdict: {doubt}."]) + "\n"
    missed = [one.name for one in results if not one.ok]
    lines.append(f"{len(missed)} of {len(results)} missed: {', '.join(missed) or 'none'}")
    return "\n".join(lines) + "\n"


def _bound(one: Result) -> str:
    if one.bound is None:
        return ""
    return f"{'>=' if one.at_least else '<='} {one.bound:g}"


def save(results: Sequence[Result], path: Path) -> None:
    """`{name: {value, bound, ok, detail}}`, for a machine to compare two runs."""
    found = {
        one.name: {"value": one.value, "bound": one.bound, "ok": one.ok, "detail": dict(one.detail)}
        for one in results
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
