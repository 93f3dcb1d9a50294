"""Opens a TCP connection, also through a proxy; the outbound policy checks each address and the peer."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace

from harmony.uem.errors import BlockedByPolicy, NameNotFound, TimedOut, Unreachable
from harmony.uem.http.deadline import Deadline
from harmony.uem.trust.address import is_ip
from harmony.uem.trust.outbound import OutboundPolicy, address_refusal
from harmony.uem.trust.proxy import Proxy, endpoint, status_of

CONNECT_SECONDS = 5.0

_Endpoint = tuple[socket.AddressFamily, str, int]

_LARGEST_HEAD = 16 * 1024


def resolve(host: str, port: int, seconds: float = CONNECT_SECONDS) -> list[_Endpoint]:
    """Return the addresses of a name, in the order of the resolver. Raises NameNotFound or TimedOut.

    The system's resolver has no deadline of its own, so it works in a thread that may be left behind.
    """
    found: list[_Endpoint] = []
    failed: list[OSError | UnicodeError] = []

    def ask() -> None:
        try:
            for family, _, _, _, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                found.append((family, str(where[0]), port))
        except (OSError, UnicodeError) as error:
            failed.append(error)

    asker = threading.Thread(target=ask, daemon=True, name="resolve")
    asker.start()
    asker.join(seconds)
    if asker.is_alive():
        raise TimedOut(f"Looking up the name {host} took longer than {seconds:.0f} seconds.")
    if failed or not found:
        raise NameNotFound(f"The name {host} was not found.")
    return list(dict.fromkeys(found))


def refuse_forbidden(host: str, endpoints: list[_Endpoint], policy: OutboundPolicy) -> None:
    """Raise BlockedByPolicy when any of the addresses may not be called."""
    for _, ip, _ in endpoints:
        reason = address_refusal(ip, policy)
        if reason:
            raise BlockedByPolicy(f"{host} has the address {ip}, which may not be called: it is {reason}.")


def open_socket(host: str, port: int, policy: OutboundPolicy, deadline: Deadline | None) -> socket.socket:
    """Return a connected socket to the first address that answers, whose peer the policy allows.

    Raises NameNotFound, BlockedByPolicy, TimedOut or Unreachable. Nothing has been sent when it returns.
    """
    if policy.proxy is not None:
        return _open_through(policy.proxy, host, port, policy, deadline)
    endpoints = resolve(host, port, _seconds(deadline))
    refuse_forbidden(host, endpoints, policy)
    trouble: OSError | None = None
    for candidate in endpoints:
        try:
            connection = _connect(candidate, deadline)
        except OSError as error:
            trouble = error
            continue
        try:
            _check_peer(connection, host, policy)
        except OSError as error:  # cut by the deadline or reset since: it has no peer any more
            connection.close()
            trouble = error
            continue
        return connection
    raise _unreachable(host, port, trouble)


def _open_through(
    proxy: Proxy, host: str, port: int, policy: OutboundPolicy, deadline: Deadline | None
) -> socket.socket:
    """Return a socket that the proxy has connected; a name is looked up by it, an address checked here."""
    if is_ip(host):
        refuse_forbidden(host, [(socket.AF_UNSPEC, host, port)], policy)
    connection = open_socket(proxy.host, proxy.port, replace(policy, proxy=None), deadline)
    _connect_through(proxy, connection, host, port)
    return connection


def _check_peer(connection: socket.socket, host: str, policy: OutboundPolicy) -> None:
    """Close the connection and raise BlockedByPolicy unless its actual peer may be called."""
    peer, own = str(connection.getpeername()[0]), str(connection.getsockname()[0])
    reason = address_refusal(peer, policy, own)
    if reason:
        connection.close()
        raise BlockedByPolicy(f"{host} led to {peer}, which may not be called: it is {reason}.")


def _connect(where: _Endpoint, deadline: Deadline | None) -> socket.socket:
    family, ip, port = where
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(_seconds(deadline))
        connection.connect((ip, port))
    except OSError:
        connection.close()
        raise
    if deadline is not None:
        deadline.watch(connection)
    return connection


def _seconds(deadline: Deadline | None) -> float:
    if deadline is None:
        return CONNECT_SECONDS
    # Never 0, which would mean "do not block" instead of "no time left".
    return max(0.001, min(CONNECT_SECONDS, deadline.left()))


def _unreachable(host: str, port: int, trouble: OSError | None) -> Unreachable | TimedOut:
    if isinstance(trouble, TimeoutError):
        return TimedOut(f"{host}:{port} did not answer to a connection in time.")
    if isinstance(trouble, ConnectionRefusedError):
        return Unreachable(f"Nothing listens at {host}:{port}.")
    return Unreachable(f"No connection to {host}:{port} could be made.")


class _ProxyFailed(Unreachable):
    """The proxy did not connect us."""

    code = "proxy-failed"
    usual_advice = "Look at Settings > Outbound proxy, and ask whoever runs the proxy."


class _ProxyRefusedCredentials(_ProxyFailed):
    """The proxy wants other credentials (407)."""

    code = "proxy-refused-credentials"
    retryable = False
    usual_advice = "Correct user name and password under Settings > Outbound proxy."


def _connect_through(proxy: Proxy, connection: socket.socket, host: str, port: int) -> None:
    """Have the proxy at the other end of `connection` connect it to this host and port.

    Raises _ProxyFailed or TimedOut; the connection is then closed.
    """
    try:
        connection.sendall(proxy.request(host, port))
        status = status_of(_proxy_head(connection))
    except TimeoutError:
        connection.close()
        raise TimedOut(f"The proxy {proxy.address} did not answer in time.") from None
    except OSError:
        connection.close()
        raise _ProxyFailed(f"The proxy {proxy.address} closed the connection.") from None
    if status is None or not 200 <= status < 300:
        connection.close()
        raise _proxy_refusal(proxy, endpoint(host, port), status)


def _proxy_head(connection: socket.socket) -> bytes:
    """Read up to the blank line, a byte at a time: what follows belongs to the server behind."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        if not piece or len(head) > _LARGEST_HEAD:
            raise ConnectionError
        head += piece
    return head


def _proxy_refusal(proxy: Proxy, target: str, status: int | None) -> _ProxyFailed:
    if status is None:
        return _ProxyFailed(f"What listens at {proxy.address} is no HTTP proxy.")
    if status == 407:
        return _ProxyRefusedCredentials(f"The proxy {proxy.address} refused the credentials (status 407).")
    return _ProxyFailed(f"The proxy {proxy.address} did not connect to {target} (status {status}).")
