"""PURE: why a destination did not take records, in sentences for a person, without address or secret."""

from __future__ import annotations

from datetime import timedelta


class SendError(Exception):
    """The destination takes nothing more for now. `asked_wait` is what the receiver asked for.

    `is_gone`: the receiver said that it wants no more at all.
    """

    def __init__(
        self, sentence: str, advice: str = "", *, asked_wait: timedelta | None = None, is_gone: bool = False
    ) -> None:
        super().__init__(f"{sentence} {advice}".strip())
        self.asked_wait, self.is_gone = asked_wait, is_gone


class RecordRefused(Exception):
    """The receiver does not take this record; others may get through."""
