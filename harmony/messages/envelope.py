"""PURE: what a channel is given to send, and why something is not sent."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class InlineImage:
    """A picture that the HTML shows as `<img src="cid:NAME">`; `subtype` is that of "image/…"."""

    name: str
    content: bytes = field(repr=False)
    subtype: str = "png"


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message ready to be sent: to an address or a telephone number; "" for a chat room.

    A channel that is not mail sends `text` alone, with the subject before it if there is one.
    """

    recipient: str = field(repr=False)
    text: str = field(repr=False)
    subject: str = field(default="", repr=False)
    html: str = field(default="", repr=False)
    images: tuple[InlineImage, ...] = ()


@dataclass(frozen=True, slots=True)
class NotSent:
    """Why a message is not sent, in one sentence: not needed any more, or impossible when `failed`."""

    sentence: str
    failed: bool = False


class DeliveryError(Exception):
    """A channel did not take a message; two sentences for a person, without address or secret.

    `of_channel`: no other message would get through either. `permanent`: trying again does not help.
    """

    of_channel = True
    permanent = False

    def __init__(self, sentence: str, advice: str = "") -> None:
        super().__init__(f"{sentence} {advice}".strip())
        self.sentence, self.advice = sentence, advice


class NotConfigured(DeliveryError):
    """There is no such channel, or its secret does not open."""


class RecipientRefused(DeliveryError):
    """The server does not take this message: for good, or for now."""

    of_channel = False

    def __init__(self, sentence: str, advice: str = "", *, permanent: bool) -> None:
        super().__init__(sentence, advice)
        self.permanent = permanent


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
