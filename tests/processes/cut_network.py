"""A way to PostgreSQL that a test can cut: TCP on the loopback before the server's socket.

A network that is gone is what a process sees of it after its time limits (`db/postgresql.py`): connections
end, and new ones get no answer.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit

from tests.database import Server


class Way:
    """Forwards to the server until it is cut."""

    def __init__(self, server: Server) -> None:
        self._target = str(Path(server.folder) / ".s.PGSQL.5432")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._is_cut = False
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, of: str) -> str:
        """The URL of a database by this way."""
        name = urlsplit(of).path.strip("/")
        return f"postgresql://harmony@127.0.0.1:{self._listener.getsockname()[1]}/{name}"

    def cut(self) -> None:
        """End every connection, and answer no new one."""
        with self._lock:
            self._is_cut = True
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Forward again; who waits for an answer since it was cut gets none."""
        with self._lock:
            self._is_cut = False

    def close(self) -> None:
        """Listen no more."""
        self.cut()
        # Wakes the thread that accepts.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in list(self._open):
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._begin(near)

    def _begin(self, near: socket.socket) -> None:
        with self._lock:
            self._open.add(near)
            if self._is_cut:
                return
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(self._target)
            except OSError:  # the server is being started again
                far.close()
                near.close()
                self._open.discard(near)
                return
            self._open.add(far)
        for pair in ((near, far), (far, near)):
            threading.Thread(target=self._copy, args=pair, daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            with self._lock:
                self._open.discard(one)
            one.close()
