"""Connections of the web server: each has to get somewhere in time, and no address gets all of them.

waitress reads requests in one loop without a thread for each, and gives complete ones to its threads. Its
own time-out starts anew with every byte, and at its limit it accepts nobody, so both are replaced here.
"""

from __future__ import annotations

import math
import socket
from collections import Counter
from collections.abc import Iterable
from typing import Any

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from harmony.clock import monotonic
from harmony.ops.server_errors import RequestParser, RequestTimeout, ServerError
from harmony.security.rate_limit import counted_address

# From the first byte, or from the connection when it is new, to the end of the header fields.
HEADER_SECONDS = 10.0
# From there to the end of the body, which is 2 MiB at most.
BODY_SECONDS = 30.0
# Longer than a reverse proxy keeps an idle connection (nginx: 60), so that it is the one that closes.
KEEP_ALIVE_SECONDS = 65.0
# An answer of which the client takes nothing for so long is given up, and any after ten minutes.
STALLED_SECONDS = 30.0
_ANSWER_SECONDS = 600.0
# A refused request may still be on its way: closing at once would take the answer away from its client.
_LINGER_SECONDS = 2.0
SMALL_PIECE = 8 * 1024

MOST_CONNECTIONS = 768  # with files and databases below the usual limit of 1,024 descriptors
MOST_OF_AN_ADDRESS = 256
HEALTH = "/healthz"
READINESS = "/readyz"


class ClientConnection(HTTPChannel):
    """One connection with its deadlines, in seconds of a clock that never jumps."""

    parser_class = RequestParser
    error_task_class = ServerError

    def __init__(self, server: Server, sock: socket.socket, addr: Any, adj: Any, map: Any = None) -> None:
        self.address = counted_address(addr[0])
        self.waiting_since = self.taken_at = self.sending_since = monotonic()
        self.deadline = self.waiting_since + HEADER_SECONDS
        self.is_refused = self.is_lingering = False
        has_room = server.make_room(self.address)
        super().__init__(server, sock, addr, adj, map=map)
        self.will_close = not has_room

    def received(self, data: bytes) -> bool:
        """Read a request, and set when its next part is due."""
        header_before = self.request is not None and self.request.headers_finished
        is_new = self.request is None
        taken = bool(super().received(data))
        if self.request is None:
            return taken
        if self.request.headers_finished and not header_before:
            self.deadline = monotonic() + BODY_SECONDS
        elif is_new:
            # Empty lines may stand before a request, but not for ever.
            longest = self.waiting_since + KEEP_ALIVE_SECONDS
            self.deadline = min(monotonic(), longest) + HEADER_SECONDS
        return taken

    def service(self) -> None:
        """Answer one request, in a thread; then the connection waits for the next one."""
        self.deadline = math.inf
        super().service()
        self.waiting_since = monotonic()
        self.deadline = self.waiting_since + KEEP_ALIVE_SECONDS

    def readable(self) -> bool:
        """Tell the loop whether to read: also what is thrown away after a refusal."""
        return self.is_lingering or bool(super().readable())

    def writable(self) -> bool:
        """Tell the loop whether there is something to send, or to close."""
        return not (self.is_lingering and not self.will_close) and bool(super().writable())

    def handle_read(self) -> None:
        """Read; nothing is parsed any more once the request was refused."""
        if self.is_lingering:
            self.recv(self.adj.recv_bytes)
        else:
            super().handle_read()

    def recv(self, buffer_size: int) -> bytes:
        """Read a large piece only of a body whose length is known.

        Each request in a piece is parsed and queued at once, however many there are.
        """
        request = self.request
        left = request.content_length - request.body_bytes_received if request is not None else 0
        return bytes(super().recv(min(buffer_size, max(left, SMALL_PIECE))))

    def handle_write(self) -> None:
        """Send; after a refusal close only our side, and wait for the client to stop sending."""
        if self.is_refused and self.close_when_flushed and not self.will_close:
            self._flush_exception(self._flush_some)
            if not self.total_outbufs_len and not self.will_close:
                self._linger()
            return
        super().handle_write()

    def _flush_some(self, do_close: bool = True) -> bool:
        sent = bool(super()._flush_some(do_close=do_close))
        if sent:
            self.taken_at = monotonic()
        return sent

    def _linger(self) -> None:
        self.close_when_flushed = False
        self.is_lingering = True
        self.deadline = monotonic() + _LINGER_SECONDS
        self.socket.shutdown(socket.SHUT_WR)

    def enforce_deadlines(self, now: float) -> None:
        """End what is overdue: with 408 where a part of a request has come, else by closing."""
        if self.total_outbufs_len:
            is_stalled = now - self.taken_at >= STALLED_SECONDS
            if is_stalled or now - self.sending_since >= _ANSWER_SECONDS:
                self.handle_close()  # at once: such a socket never becomes writable
            return
        self.taken_at = self.sending_since = now
        if not self.requests and now >= self.deadline:
            self._time_out()

    def _time_out(self) -> None:
        if self.request is None or self.is_lingering:
            self.handle_close()
            return
        self.request.error = RequestTimeout("")
        self.deadline = monotonic() + _LINGER_SECONDS
        self.error_task_class(self, self.request).service()
        self.close_when_flushed = True


class Server(TcpWSGIServer):
    """Listens, and has threads of their own for health and for what is refused."""

    channel_class = ClientConnection

    def __init__(
        self, application: Any, sock: socket.socket, adj: Any, most_of_an_address: int, is_https: bool
    ) -> None:
        self.most_of_an_address = most_of_an_address
        self.is_https = is_https
        self.aside = {path: _threads(1) for path in (HEALTH, READINESS)}
        address = (sock.family, sock.type, sock.proto, sock.getsockname())
        super().__init__(
            application, {}, _sock=sock, dispatcher=_threads(adj.threads), adj=adj, sockinfo=address,
            bind_socket=False,
        )  # fmt: skip

    def add_task(self, task: ClientConnection) -> None:
        """Give a complete request to a thread; health never waits behind pages."""
        request = task.requests[0]
        path = HEALTH if request.error else request.path
        (self.aside.get(path) or self.task_dispatcher).add_task(task)

    def make_room(self, address: str) -> bool:
        """Close the connection that has waited longest when there are too many of an address, or in all.

        Return False when none of them is waiting.
        """
        connections: list[ClientConnection] = list(self.active_channels.values())
        same = [connection for connection in connections if connection.address == address]
        if len(same) >= self.most_of_an_address:
            return _close_longest_waiting(same)
        if len(connections) >= MOST_CONNECTIONS:
            ((busiest, _),) = Counter(connection.address for connection in connections).most_common(1)
            return _close_longest_waiting(c for c in connections if c.address == busiest)
        return True

    def maintenance(self, now: float) -> None:
        """Do nothing: waitress calls it by a clock that may jump."""

    def enforce_deadlines(self) -> None:
        """End every connection that is overdue."""
        now = monotonic()
        for connection in list(self.active_channels.values()):
            connection.enforce_deadlines(now)

    def turn(self) -> None:
        """Wait up to a second for bytes, and read and send what there is."""
        wasyncore.loop(timeout=1.0, use_poll=True, map=self._map, count=1)

    def stop_listening(self) -> None:
        """Accept nobody any more; connections that are open go on."""
        wasyncore.dispatcher.close(self)

    def is_busy(self) -> bool:
        """Return whether a request is being answered, or an answer sent."""
        return any(c.requests or c.total_outbufs_len for c in self.active_channels.values())

    def end(self) -> None:
        """Close everything; whoever is still being answered is cut off."""
        for dispatcher in (self.task_dispatcher, *self.aside.values()):
            dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self._map)


def _threads(count: int) -> ThreadedTaskDispatcher:
    dispatcher = ThreadedTaskDispatcher()
    dispatcher.set_thread_count(count)
    return dispatcher


def _close_longest_waiting(connections: Iterable[ClientConnection]) -> bool:
    waiting = [connection for connection in connections if not connection.requests]
    if not waiting:
        return False
    min(waiting, key=lambda connection: connection.waiting_since).handle_close()
    return True
