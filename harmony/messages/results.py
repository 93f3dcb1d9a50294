"""PURE: how a round of delivery ends: sent, not sent and why, and in which numbers."""

from __future__ import annotations

from dataclasses import dataclass

from harmony.mail.envelope import DeliveryError


@dataclass(frozen=True, slots=True)
class NotSent:
    """Why a message is not sent, in one sentence: not needed any more, or impossible when `failed`."""

    sentence: str
    failed: bool = False


class NotConfigured(DeliveryError):
    """There is no such channel, or its secret does not open."""


class Unwritten(DeliveryError):
    """The message could not be written."""

    of_channel = False


@dataclass(slots=True)
class DeliveryCounts:
    """The numbers of a round, in messages; `fault` is the first that made a channel wait.

    `is_cut`: the round ended because its time was over.
    """

    sent: int = 0
    failed: int = 0
    cancelled: int = 0
    delayed: int = 0
    fault: DeliveryError | None = None
    is_cut: bool = False

    def numbers(self) -> dict[str, int]:
        """Return what the page shows."""
        return {name: getattr(self, name) for name in ("sent", "failed", "cancelled", "delayed")}
