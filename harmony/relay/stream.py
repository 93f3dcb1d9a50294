"""Sends records to a syslog server through a Connector: an agent of it hands them over."""

from __future__ import annotations

from contextlib import closing

from harmony.connector.wire import STREAM, WireStream, encode
from harmony.relay.errors import sentence_of
from harmony.relay.exchange import relay_of
from harmony.uem.errors import MalformedAnswer
from harmony.uem.http.byte_stream import StreamServer
from harmony.uem.http.deadline import Deadline


def send_relayed_stream(name: str, server: StreamServer, data: bytes, seconds: float) -> str:
    """Send the bytes through the Connector `name` and return how their receipt is known. Raises UemError.

    They are given to one agent only: a second would send them a second time.
    """
    stream = WireStream(
        host=server.host, port=server.port, is_tls=server.is_tls, certificate=server.certificate, data=data
    )
    with closing(relay_of(name)) as relay:
        delivery = relay.ask(STREAM, encode(stream), Deadline(seconds), repeatable=False).delivery
    if delivery is None:
        raise MalformedAnswer(f"Connector {name} did not say what became of the records.")
    return sentence_of(delivery.answer)
