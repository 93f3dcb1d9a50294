"""Opens a connection through a proxy."""

from __future__ import annotations

import socket

from harmony.uem.errors import TimedOut, Unreachable
from harmony.uem.trust.proxy import Proxy, endpoint, status_of

_LARGEST_HEAD = 16 * 1024


class _ProxyFailed(Unreachable):
    """The proxy did not connect us."""

    code = "proxy-failed"
    usual_advice = "Look at Settings > Outbound proxy, and ask whoever runs the proxy."


class _ProxyRefusedCredentials(_ProxyFailed):
    """The proxy wants other credentials (407)."""

    code = "proxy-refused-credentials"
    retryable = False
    usual_advice = "Correct user name and password under Settings > Outbound proxy."


def connect_through(proxy: Proxy, connection: socket.socket, host: str, port: int) -> None:
    """Have the proxy at the other end of `connection` connect it to this host and port.

    Raises _ProxyFailed or TimedOut; the connection is then closed.
    """
    try:
        connection.sendall(proxy.request(host, port))
        status = status_of(_head(connection))
    except TimeoutError:
        connection.close()
        raise TimedOut(f"The proxy {proxy.address} did not answer in time.") from None
    except OSError:
        connection.close()
        raise _ProxyFailed(f"The proxy {proxy.address} closed the connection.") from None
    if status is None or not 200 <= status < 300:
        connection.close()
        raise _refusal(proxy, endpoint(host, port), status)


def _head(connection: socket.socket) -> bytes:
    """Read up to the blank line, a byte at a time: what follows belongs to the server behind."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        if not piece or len(head) > _LARGEST_HEAD:
            raise ConnectionError
        head += piece
    return head


def _refusal(proxy: Proxy, target: str, status: int | None) -> _ProxyFailed:
    if status is None:
        return _ProxyFailed(f"What listens at {proxy.address} is no HTTP proxy.")
    if status == 407:
        return _ProxyRefusedCredentials(f"The proxy {proxy.address} refused the credentials (status 407).")
    return _ProxyFailed(f"The proxy {proxy.address} did not connect to {target} (status {status}).")
