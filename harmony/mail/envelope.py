"""PURE: one message ready to be sent, and the failures of whatever takes it."""

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


class DeliveryError(Exception):
    """A channel did not take a message; two sentences for a person, without address or secret.

    `of_channel`: no other message would get through either. `permanent`: trying again does not help.
    """

    of_channel = True
    permanent = False

    def __init__(self, sentence: str, advice: str = "") -> None:
        super().__init__(f"{sentence} {advice}".strip())
        self.sentence, self.advice = sentence, advice


class RecipientRefused(DeliveryError):
    """The server does not take this message: for good, or for now."""

    of_channel = False

    def __init__(self, sentence: str, advice: str = "", *, permanent: bool) -> None:
        super().__init__(sentence, advice)
        self.permanent = permanent
