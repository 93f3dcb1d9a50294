"""The one factory of HTTP sessions: no environment, redirects or cookies, each peer checked before TLS."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import tempfile
import weakref
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import certifi
import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from harmony.uem.deadline import current_deadline
from harmony.uem.outbound import OutboundPolicy
from harmony.uem.sockets import open_socket


def make_session(policy: OutboundPolicy, ca_pem: str | None, pool_size: int) -> requests.Session:
    """A session that trusts the PEM alone, or the public store when there is none.

    Close it to remove the PEM's temporary file.
    """
    session = _Session()
    # .netrc replaces an Authorization header and REQUESTS_CA_BUNDLE a pinned certificate [measured, both].
    session.trust_env = False
    session.headers.clear()
    session.cookies = RequestsCookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    session.verify = session.keep_file(ca_pem) if ca_pem else certifi.where()
    for prefix in ("https://", "http://"):
        session.mount(prefix, _CheckedAdapter(policy, pool_size))
    return session


class _Session(requests.Session):
    def keep_file(self, pem: str) -> str:
        """The PEM as a file that only we can read; a path in `verify` is the only store that is used.

        An SSLContext in an adapter is undone by requests: it loads the public bundle into it [measured].
        """
        handle, path = tempfile.mkstemp(prefix="harmony-ca-", suffix=".pem")
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(pem)
        self._forget_file = weakref.finalize(self, _remove, path)
        return path

    def close(self) -> None:
        super().close()
        forget = getattr(self, "_forget_file", None)
        if forget is not None:
            forget()

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Never a target: even with redirects off, requests would read the whole body of a 302."""
        return


class _CheckedAdapter(HTTPAdapter):
    def __init__(self, policy: OutboundPolicy, pool_size: int) -> None:
        super().__init__(pool_connections=2, pool_maxsize=pool_size, max_retries=0)
        self.poolmanager.pool_classes_by_scheme = _pool_classes(policy)


def _pool_classes(policy: OutboundPolicy) -> Mapping[str, Any]:
    """Connection pools whose sockets are opened by `open_socket` and cut by the caller's deadline."""

    class CheckedHTTP(_Watched, HTTPConnection):
        outbound_policy = policy

    class CheckedHTTPS(_Watched, HTTPSConnection):
        outbound_policy = policy

        def connect(self) -> None:
            try:
                super().connect()
            except OSError as error:
                _close_half_wrapped(error)
                raise

    class HTTPPool(HTTPConnectionPool):
        ConnectionCls = CheckedHTTP

    class HTTPSPool(HTTPSConnectionPool):
        ConnectionCls = CheckedHTTPS

    return {"http": HTTPPool, "https": HTTPSPool}


class _Watched(HTTPConnection):
    outbound_policy: OutboundPolicy

    def _new_conn(self) -> socket.socket:
        return open_socket(self.host, self.port, self.outbound_policy, current_deadline())

    def request(self, *args: Any, **kwargs: Any) -> None:
        # A connection kept alive was opened under an earlier call's deadline.
        deadline = current_deadline()
        if deadline is not None and self.sock is not None:
            deadline.watch(self.sock)
        super().request(*args, **kwargs)


def _close_half_wrapped(error: OSError) -> None:
    """Close the socket that CPython forgets when the peer resets the connection just before the handshake.

    `SSLSocket._create` then raises without closing what it has made; only the traceback still knows it.
    """
    trace = error.__traceback__
    while trace is not None:
        half = trace.tb_frame.f_locals.get("self")
        if isinstance(half, ssl.SSLSocket):
            half.close()
        trace = trace.tb_next


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
