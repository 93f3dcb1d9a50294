"""The agent's way to the dashboard: asks for work, hands answers over; outbound HTTPS only."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from harmony import clock
from harmony.connector.settings import AgentSettings
from harmony.connector.wire import (
    IDLE_HOLD_SECONDS,
    MIMETYPE,
    MOST_PARTS,
    PART_BYTES,
    PREFIX,
    Poll,
    Reply,
    WireFailure,
    Work,
    decode_works,
    encode,
)
from harmony.uem.errors import MalformedAnswer, TooLarge, UemError
from harmony.uem.http.deadline import Deadline
from harmony.uem.http.error_mapping import CallTarget
from harmony.uem.http.exchange import DirectExchange, ExchangeOptions
from harmony.uem.http.request import Request
from harmony.uem.http.response import Answer
from harmony.uem.trust.outbound import OutboundPolicy

_POLL = f"{PREFIX}/poll"
_SECONDS = 20.0
_LARGEST_WORK = 64 * 1024 * 1024
# The dashboard of a demonstration, or of a small team, may be on the same machine.
_ANYWHERE = OutboundPolicy(allow_http=True, allow_loopback=True)


class KeyRefused(UemError):
    """The dashboard does not know the key, or it was revoked."""

    code = "connector-key-refused"


class Dashboard:
    """Connections to the dashboard. Safe to use from several threads."""

    def __init__(self, settings: AgentSettings) -> None:
        policy = replace(_ANYWHERE, proxy=settings.dashboard_proxy)
        target = CallTarget(settings.dashboard, policy, settings.dashboard_ca)
        self._exchange = DirectExchange(target, ExchangeOptions(settings.calls + 2, clock.now))
        self._asking: Deadline | None = None
        self._is_interrupted = False
        self._headers = {"Authorization": f"Bearer {settings.key}", "Content-Type": MIMETYPE}

    def poll(self, asked: Poll) -> list[Work]:
        """Return the calls to make; none when there were none for a while. Raises UemError."""
        self._asking = Deadline(_SECONDS + IDLE_HOLD_SECONDS)
        if self._is_interrupted:  # after the caller looked, and before there was a question to end
            self._asking.cut()
        answer = self._send(
            Request(
                "POST", f"{PREFIX}/poll", headers=self._headers, json=encode(asked), largest=_LARGEST_WORK
            ),
            self._asking,
        )
        try:
            return decode_works(answer.body)
        except msgspec.MsgspecError:
            raise MalformedAnswer("What the dashboard sent is no work for a Connector.") from None

    def hand_over(self, work: Work, reply: Reply) -> bool:
        """Send the reply, in parts. False when nobody waits for it any more. Raises UemError."""
        raw = encode(reply)
        if len(raw) > PART_BYTES * MOST_PARTS:
            raw = encode(Reply(failure=_too_large()))
        starts = range(0, len(raw), PART_BYTES)
        for number, start in enumerate(starts):
            last = start == starts[-1]
            request = Request(
                "PUT", f"{PREFIX}/calls/{work.id}/parts/{number}", params={"last": "1"} if last else {},
                headers=self._headers | {"Harmony-Ticket": work.ticket}, json=raw[start : start + PART_BYTES],
            )  # fmt: skip
            if self._send(request, Deadline(_SECONDS)).status == 409:
                return False
        return True

    def interrupt(self) -> None:
        """End a question for work that is under way, and each that follows."""
        self._is_interrupted = True
        if self._asking is not None:
            self._asking.cut()

    def close(self) -> None:
        """End the connections."""
        self._exchange.close()

    def _send(self, request: Request, deadline: Deadline) -> Answer:
        answer = self._exchange.send(request, deadline)
        if answer.status in {200, 409}:
            return answer
        if answer.status == 401:
            raise KeyRefused(
                "The dashboard refused the key.", "Was it rotated or revoked? See Settings > Connectors."
            )
        raise UemError(f"The dashboard answered with status {answer.status}.", "It is tried again by itself.")


def _too_large() -> WireFailure:
    megabytes = PART_BYTES * MOST_PARTS // 2**20
    return WireFailure(
        code=TooLarge.code, sentence=f"The answer is larger than {megabytes} MiB even compressed.", advice=""
    )
