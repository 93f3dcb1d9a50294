"""A connection of two processes of this machine, for whole messages."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress

_SIZE = struct.Struct("!I")


class MessageLine:
    """A connection of two processes for whole messages of any size, which are waited for in the kernel."""

    def __init__(self, end: socket.socket, greeting: bytes) -> None:
        self._end, self._greeting = end, greeting
        self._is_ready = False

    def is_ready(self) -> bool:
        """Tell whether the process has said that it is there. Raises OSError when it never will."""
        if self._is_ready:
            return True
        try:
            self._end.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        if self.receive() != self._greeting:
            raise ConnectionError
        self._is_ready = True
        return True

    def ask(self, message: bytes) -> bytes:
        """Return the answer to a message. Raises OSError."""
        self.send(message)
        return self.receive()

    def send(self, message: bytes) -> None:
        """Send a message. Raises OSError, also when the other side takes nothing for too long."""
        head = _SIZE.pack(len(message))
        if self._end.sendmsg([head, message]) != len(head) + len(message):
            raise TimeoutError

    def receive(self) -> bytes:
        """Return the next message. Raises OSError, also when the other side is silent too long, or gone."""
        (size,) = _SIZE.unpack(self._all(_SIZE.size))
        return self._all(size)

    def end(self) -> None:
        """Have whoever waits for it wait no longer."""
        with suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give it up. Only by who uses it: another file could get its number in the middle of a message."""
        self._end.close()

    def _all(self, size: int) -> bytes:
        message = self._end.recv(size, socket.MSG_WAITALL) if size else b""
        if len(message) != size:
            raise ConnectionError
        return message
