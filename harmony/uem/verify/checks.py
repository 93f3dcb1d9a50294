"""The rungs of the Verify ladder: what each is called and how one of them went."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RungState(StrEnum):
    """How far a rung has come. NOT_TRIED: nothing was found out, good or bad; its sentence says why."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_TRIED = "not_tried"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Rung:
    """One line of the report; it carries no secret and no text of the server's body."""

    name: str
    state: RungState
    milliseconds: int | None
    sentence: str
    advice: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a step saw when it did not fail: a sentence, and advice when it is only a warning.

    `tried` is False when there was nothing to look at; the sentence then says why.
    """

    sentence: str
    advice: str | None = None
    warning: bool = False
    tried: bool = True


_EARLIER_FAILED = "Not tried, because an earlier check failed."


def not_tried(name: str, sentence: str = _EARLIER_FAILED, advice: str | None = None) -> Rung:
    """A rung of which nothing was found out."""
    return Rung(name, RungState.NOT_TRIED, None, sentence, advice)
