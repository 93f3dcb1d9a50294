"""Refuses requests for other host names than the dashboard's, before the application sees them."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from harmony.ops.connections import HEALTH, READINESS
from harmony.ops.server_errors import error_body
from harmony.security.headers import own_headers
from harmony.security.hosts import DEFAULT_PORTS, host_of, is_https, name_of, normal_host

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_MALFORMED = "The request names no host, or one that cannot be."
OTHER = "This dashboard does not answer to this name. Open it by its public address (HARMONY_PUBLIC_URL)."


class HostCheck:
    """Answer 400 to requests whose Host is malformed or not the name of `public_url`.

    The answer needs no application: an error page with addresses in it fails for the very host it refuses.
    Probes ask for health by an address, so every name does for them.
    """

    def __init__(self, application: WSGIApplication, public_url: str) -> None:
        self._application = application
        self._name = host_of(public_url) if public_url else None
        self._is_https = is_https(public_url)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer, or pass the request on with its host in one spelling."""
        if environ["wsgi.url_scheme"] not in DEFAULT_PORTS:  # a trusted proxy may pass on anything
            environ["wsgi.url_scheme"] = "http"
        if environ.get("PATH_INFO") in {HEALTH, READINESS}:
            environ["HTTP_HOST"] = "localhost"
        elif sentence := self._problem(environ):
            return self._refuse(environ, start_response, sentence)
        return self._application(environ, start_response)

    def _problem(self, environ: WSGIEnvironment) -> str | None:
        """Return why the host is refused, or None with the host in its one spelling."""
        asked = environ.get("HTTP_HOST")
        if asked is None and environ.get("SERVER_PROTOCOL") == "HTTP/1.0" and self._name is None:
            return None
        host = normal_host(asked or "", environ["wsgi.url_scheme"])
        if host is None:
            return _MALFORMED
        if self._name is not None and name_of(host) != self._name:
            return OTHER
        environ["HTTP_HOST"] = host
        return None

    def _refuse(self, environ: WSGIEnvironment, start_response: StartResponse, sentence: str) -> list[bytes]:
        kind, body = error_body(400, environ.get("PATH_INFO", ""), sentence)
        is_secure = self._is_https or environ["wsgi.url_scheme"] == "https"
        own = {"Content-Type": kind, "Content-Length": str(len(body))} | own_headers(is_https=is_secure)
        start_response(f"400 {HTTPStatus.BAD_REQUEST.phrase}", list(own.items()))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
