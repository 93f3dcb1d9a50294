"""`python -m tests.bench.send_messages FOLDER`: sends messages until its input ends; says how many."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harmony.clock import now
from harmony.db import write
from harmony.mail.envelope import Envelope
from harmony.messages import channel, composers, delivery, outbox
from harmony.messages.channel import Way
from harmony.messages.outbox import NewMessage
from harmony.models import ChannelKind, MessageKind
from tests.bench.dashboard import opened

MESSAGES = 10_000


class _Gateway:
    """Takes every message as quickly as a server beside it would."""

    sent = 0

    @contextmanager
    def open(self, _way: Way) -> Iterator[_Gateway]:
        yield self

    def send(self, _envelope: Envelope, _reference: str) -> str:
        self.sent += 1
        return "250"


def main(arguments: list[str]) -> int:
    """Queue the messages, say so, and deliver them under the usual cap until told to stop."""
    with opened(Path(arguments[0])):
        composers.COMPOSERS[MessageKind.NOTICE] = lambda _session, _message: Envelope("a@example.com", "text")
        keys = (f"bench:{number}" for number in range(MESSAGES))
        new = [NewMessage(MessageKind.NOTICE, ChannelKind.EMAIL, key, "bench") for key in keys]
        with write() as session:
            outbox.queue(session, new, now())
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        stop, gateway = threading.Event(), _Gateway()
        threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
        delivery.deliver_general(stop.is_set, gateway.open)
        stop.wait()
    sys.stdout.write(json.dumps({"sent": gateway.sent, "cap": channel.PER_HOUR[ChannelKind.EMAIL]}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
