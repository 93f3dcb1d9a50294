"""The vocabulary of Verify: a check, what it observed, and its result as a page shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from harmony.uem.errors import UemError


class CheckState(StrEnum):
    """State how far a check has come. NOT_TRIED: nothing was found out; its sentence says why."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_TRIED = "not_tried"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the report; it carries no secret and no text of the server's body."""

    name: str
    state: CheckState
    milliseconds: int | None
    sentence: str
    advice: str | None


@dataclass(frozen=True, slots=True)
class Observation:
    """The result of a check that did not fail: a sentence, and advice when it is only a warning.

    `tried` is False when there was nothing to look at; the sentence then says why.
    """

    sentence: str
    advice: str | None = None
    warning: bool = False
    tried: bool = True


def warning(sentence: str, advice: str) -> Observation:
    """Return what a check saw when it passed but somebody should act."""
    return Observation(sentence, advice, warning=True)


class Check(NamedTuple):
    """A named question to a server. `observe` raises UemError when it fails."""

    name: str
    observe: Callable[[], Observation]


_EARLIER_FAILED = "Not tried, because an earlier check failed."


def not_tried(name: str, sentence: str = _EARLIER_FAILED, advice: str | None = None) -> CheckResult:
    """Return the result of a check that found out nothing."""
    return CheckResult(name, CheckState.NOT_TRIED, None, sentence, advice)


def advice_to_person(error: UemError) -> str:
    """Return the advice to whoever started the call and waits for it: nothing repeats it by itself."""
    return error.advice.replace("It is tried again by itself.", "Try again.")
