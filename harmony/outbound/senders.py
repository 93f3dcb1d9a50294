"""Opens the sender of a destination: its secrets unsealed, its address under the outbound policy."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from harmony.clock import now
from harmony.config import current_settings
from harmony.connector.wire import POST
from harmony.db import release
from harmony.jobs.uem_client import outbound_policy, relayed_policy
from harmony.models import Destination, DestinationKind
from harmony.outbound.errors import SendError
from harmony.outbound.file_sender import FOLDER, FileSender
from harmony.outbound.http_sender import CollectorSender, Receiver, WebhookSender
from harmony.outbound.record import OutboundRecord
from harmony.outbound.schedule import CALL_SECONDS
from harmony.outbound.syslog import DOCUMENTATION_NUMBER, LOCAL0, SyslogHeader
from harmony.outbound.syslog_sender import SendStream, SyslogSender, directly
from harmony.relay.exchange import route_of
from harmony.relay.stream import send_relayed_stream
from harmony.security.vault import VaultLocked, on_the_way, origin_of, vault
from harmony.uem.errors import UemError
from harmony.uem.http.byte_stream import StreamServer

_ODD = re.compile(r"[^a-z0-9]+")
_MOST = {DestinationKind.WEBHOOK: 1, DestinationKind.HTTP: 500, DestinationKind.SYSLOG: 1000,
         DestinationKind.FILE: 1000}  # fmt: skip


class RecordSender(Protocol):
    """An open destination. `send` returns the answer, or raises SendError or RecordRefused."""

    def send(self, records: Sequence[OutboundRecord]) -> str: ...


OpenRecords = Callable[[Destination], AbstractContextManager[RecordSender]]


def most_at_once(kind: str) -> int:
    """Return how many records a sender of this kind takes at once."""
    return _MOST[DestinationKind(kind)]


@contextmanager
def open_records(destination: Destination) -> Iterator[RecordSender]:
    """Open a destination for some batches. Raises SendError; no transaction is left open."""
    with ExitStack() as stack:
        try:
            sender = _OPENERS[DestinationKind(destination.kind)](destination, stack)
        except (VaultLocked, UemError) as error:
            raise SendError(error.sentence, error.advice) from None
        finally:
            release()
        yield sender


def url_bound_to(destination_id: int) -> str:
    """Name what the sealed address of a destination is bound to."""
    return f"destination:{destination_id}:url"


def secret_bound_to(destination_id: int) -> str:
    """Name what the sealed secrets of a destination are bound to."""
    return f"destination:{destination_id}:secret"


def url_sealed_for(destination: Destination) -> str:
    """Name the way that the sealed address of a destination may take: its Connector, "" for none."""
    return on_the_way("", connector_of(destination))


def token_sealed_for(destination: Destination) -> str:
    """Name where the Authorization header of a destination may be sent, and through which Connector."""
    return on_the_way(destination.address, connector_of(destination))


def origin_of_url(url: str) -> str:
    """Return the scheme, host and port of an address: where its secret may be sent, and what a page shows."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _signing_secrets(destination: Destination, at: datetime) -> list[str]:
    """Return the secrets in force, the newest first. Raises VaultLocked."""
    sealed = [destination.secret]
    if destination.former_secret and destination.former_until and at < destination.former_until:
        sealed.append(destination.former_secret)
    return [vault().open(text, secret_bound_to(destination.id)) for text in sealed]


def connector_of(destination: Destination) -> str:
    """Return the name of the Connector that a destination is reached through, "" for none."""
    return str(destination.options.get("connector") or "")


def file_of(destination: Destination) -> Path:
    """Return the file that a destination writes."""
    name = _ODD.sub("-", destination.name.lower()).strip("-") or "destination"
    return current_settings().data_dir / FOLDER / f"{destination.id}-{name[:40]}.log"


def _webhook(destination: Destination, stack: ExitStack) -> RecordSender:
    secret_texts = _signing_secrets(destination, now())
    return WebhookSender(_receiver(destination, stack), secret_texts)


def _collector(destination: Destination, stack: ExitStack) -> RecordSender:
    bound_to = secret_bound_to(destination.id)
    token = _opened(destination.secret, bound_to, token_sealed_for(destination)) if destination.secret else ""
    form, header = destination.format, _header(destination)
    return CollectorSender(_receiver(destination, stack), form, header, token)


def _receiver(destination: Destination, stack: ExitStack) -> Receiver:
    url = _opened(destination.url, url_bound_to(destination.id), url_sealed_for(destination))
    certificate, connector = destination.options.get("certificate", ""), connector_of(destination)
    receiver = (
        Receiver(url, certificate, relayed_policy(), route_of(connector, POST))
        if connector
        else Receiver(url, certificate, outbound_policy())
    )
    return stack.enter_context(closing(receiver))


def _opened(sealed: str, bound_to: str, origin: str) -> str:
    """Return an address or header. Raises SendError when it was typed for another way, and VaultLocked."""
    if origin_of(sealed) != origin:
        raise SendError(
            "What is saved was entered for another Connector, and is not sent through this one.",
            "Edit the destination and enter its address, and the header if it has one, again.",
        )
    return vault().open(sealed, bound_to, origin)


def _syslog(destination: Destination, _stack: ExitStack) -> RecordSender:
    options = destination.options
    host, _, port = destination.address.rpartition(":")
    server = StreamServer(host, int(port), options.get("tls", True), options.get("certificate", ""))
    return SyslogSender(server, _stream(connector_of(destination)), destination.format, _header(destination))


def _stream(connector: str) -> SendStream:
    if connector:
        return partial(_through, connector)
    # The proxy is for HTTP.
    return directly(replace(outbound_policy(), proxy=None))


def _through(connector: str, server: StreamServer, data: bytes) -> str:
    return send_relayed_stream(connector, server, data, CALL_SECONDS)


def _file(destination: Destination, _stack: ExitStack) -> RecordSender:
    return FileSender(file_of(destination), destination.format, _header(destination))


def _header(destination: Destination) -> SyslogHeader:
    options = destination.options
    public = urlsplit(current_settings().public_url or "").hostname
    return SyslogHeader(
        public or socket.gethostname(), options.get("facility", LOCAL0),
        options.get("enterprise", DOCUMENTATION_NUMBER),
    )  # fmt: skip


_OPENERS: dict[DestinationKind, Callable[[Destination, ExitStack], RecordSender]] = {
    DestinationKind.WEBHOOK: _webhook,
    DestinationKind.SYSLOG: _syslog,
    DestinationKind.HTTP: _collector,
    DestinationKind.FILE: _file,
}
