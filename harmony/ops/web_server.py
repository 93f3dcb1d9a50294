"""The web process: `python -m harmony.ops.web_server` serves the dashboard until it is told to stop."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import threading
from types import FrameType

from flask import Flask
from waitress.adjustments import Adjustments

from harmony.clock import monotonic
from harmony.config import Settings
from harmony.ops import web_heartbeat, worker_watch
from harmony.ops.connections import MOST_CONNECTIONS, MOST_OF_AN_ADDRESS, Server
from harmony.security.hosts import is_https
from harmony.worker.child_process import run_child

log = logging.getLogger("harmony.ops.web_server")  # which runs as `__main__`

_THREADS = 32
_BACKLOG = 1024
_LARGEST_HEADER = 32 * 1024
_FRAMES = 64 * 1024
# Answers wait in memory until their clients took them; a thread waits while it is ahead by so much.
_MOST_WAITING_OUTPUT = 4 * 1024 * 1024
_FINISH_WITHIN_SECONDS = 20.0


def main() -> int:
    """Serve. Return the exit code."""
    return run_child("harmony-web", lambda app: _serve(app, app.extensions["harmony.settings"]))


def _serve(app: Flask, settings: Settings) -> None:
    """Answer requests until SIGTERM or SIGINT; then finish those that are under way."""
    stop = app.extensions["harmony.relay"].over
    server = open_server(app, settings)

    def request_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()
        with contextlib.suppress(OSError):  # a second signal may find it closed
            server.pull_trigger()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, request_stop)
    # A full collection of everything that was imported costs about 38 ms in the middle of some request.
    gc.collect()
    gc.freeze()
    worker_watch.start(app, stop)
    heartbeat = web_heartbeat.start(app, stop)
    log.info("Listening at: %s (%d)", _url(server), os.getpid())
    run(server, stop)
    heartbeat.join(_FINISH_WITHIN_SECONDS)


def _bound(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


def open_server(app: Flask, settings: Settings) -> Server:
    """Listen on the configured address. Raises OSError when that is not possible."""
    listener = _bound(*settings.bind)
    adjustments = Adjustments(
        sockets=[listener],
        threads=_THREADS,
        backlog=_BACKLOG,
        connection_limit=MOST_CONNECTIONS + 16,
        max_request_header_size=_LARGEST_HEADER,
        # Flask refuses what is larger than its limit; the frames of chunks count here, and not there.
        max_request_body_size=app.config["MAX_CONTENT_LENGTH"] + _FRAMES,
        # In memory, so that no folder for temporary files is needed.
        inbuf_overflow=2 * app.config["MAX_CONTENT_LENGTH"],
        # An answer of an agent has 200 KB: in pieces of 8 KB, each would be a turn of the loop.
        recv_bytes=256 * 1024,
        outbuf_overflow=4 * _MOST_WAITING_OUTPUT,
        outbuf_high_watermark=_MOST_WAITING_OUTPUT,
        # With a proxy that may be believed, ProxyFix reads these headers; else nobody gets to see them.
        clear_untrusted_proxy_headers=not settings.trusted_proxies,
        ident=None,
        server_name="localhost",
        log_socket_errors=False,
    )
    # All who come through a reverse proxy have its address.
    most_of_an_address = MOST_CONNECTIONS if settings.trusted_proxies else MOST_OF_AN_ADDRESS
    return Server(app, listener, adjustments, most_of_an_address, is_https(settings.public_url))


def run(server: Server, stop: threading.Event) -> None:
    """Serve until `stop` is set; then accept nobody, and finish what is under way."""
    while not stop.is_set():
        server.turn()
        server.enforce_deadlines()
    server.stop_listening()
    until = monotonic() + _FINISH_WITHIN_SECONDS
    while server.is_busy() and monotonic() < until:
        server.turn()
        server.enforce_deadlines()
    server.end()


def _url(server: Server) -> str:
    host = f"[{server.effective_host}]" if ":" in server.effective_host else server.effective_host
    return f"http://{host}:{server.effective_port}"


if __name__ == "__main__":
    sys.exit(main())
