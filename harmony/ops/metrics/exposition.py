"""PURE: metrics as Prometheus reads them, in its text format 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX = "harmony_"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Sample:
    """One number under its labels; `suffix` is that of a histogram's parts."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """The samples of one name, what they count and of which type they are."""

    name: str
    meaning: str
    samples: Iterable[Sample]
    type: str = "gauge"


def seconds(at: datetime) -> float:
    """Return a moment as Prometheus counts time."""
    return at.timestamp()


def exposition(families: Iterable[Family]) -> str:
    r"""Return the text of all families; one without samples is left out.

    >>> print(exposition([Family("runs", "Runs.", [Sample(2, {"name": 'a"b'})])]), end="")
    # HELP harmony_runs Runs.
    # TYPE harmony_runs gauge
    harmony_runs{name="a\"b"} 2
    """
    return "".join(_lines(family) for family in families)


def _lines(family: Family) -> str:
    name = _PREFIX + family.name
    lines = [
        f"{name}{sample.suffix}{_labels(sample.labels)} {_number(sample.value)}\n"
        for sample in family.samples
    ]
    if not lines:
        return ""
    return f"# HELP {name} {family.meaning}\n# TYPE {name} {family.type}\n" + "".join(lines)


def _line(sample: Sample) -> str:
    return f"{sample.suffix}{_labels(sample.labels)} {_number(sample.value)}"


def _labels(labels: Mapping[str, str]) -> str:
    inside = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(value)
