"""The one factory of HTTP sessions: no environment, redirects or cookies, each peer checked before TLS."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import certifi
import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from harmony.uem.http.deadline import current_deadline
from harmony.uem.http.sockets import open_socket
from harmony.uem.trust.outbound import OutboundPolicy


def make_session(policy: OutboundPolicy, ca_pem: str | None, pool_size: int) -> requests.Session:
    """Return a session that trusts the PEM alone, or the public store when there is none."""
    session = _Session()
    # .netrc replaces an Authorization header and REQUESTS_CA_BUNDLE a pinned certificate [measured, both].
    session.trust_env = False
    session.headers.clear()
    session.cookies = RequestsCookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    session.verify = certifi.where()
    for prefix in ("https://", "http://"):
        session.mount(prefix, _CheckedAdapter(policy, pool_size, ca_pem))
    return session


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Never a target: even with redirects off, requests would read the whole body of a 302."""
        return


class _CheckedAdapter(HTTPAdapter):
    """Opens only checked sockets, and gives a pinned PEM to urllib3 as text: a file would outlive kill -9.

    An SSLContext in an adapter is undone by requests, which loads the public bundle into it [measured].
    """

    def __init__(self, policy: OutboundPolicy, pool_size: int, ca_pem: str | None) -> None:
        self._ca_pem = ca_pem
        super().__init__(pool_connections=2, pool_maxsize=pool_size, max_retries=0)
        self.poolmanager.pool_classes_by_scheme = _pool_classes(policy)

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        host, found = super().build_connection_pool_key_attributes(request, verify, cert)
        pool: dict[str, Any] = {**found}
        if self._ca_pem:
            del pool["ca_certs"]
            pool["ca_cert_data"] = self._ca_pem
        return host, pool

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave a pool with a pinned PEM as it was made; requests would add the public bundle to it."""
        if not self._ca_pem:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call] # requests' own


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
