"""The prefix below which a reverse proxy serves the dashboard, such as `/harmony`; usually none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harmony.config.values import PREFIX

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_LONGEST = 200


def _prefix_of(path: str) -> str:
    """Return the path of an address as a prefix, without the slash at its end; "" when it is none.

    >>> [_prefix_of(path) for path in ("/harmony/", "/mtd/harmony", "/", "//evil.example", "/a/../b")]
    ['/harmony', '/mtd/harmony', '', '', '']
    """
    text = path.rstrip("/")
    return text if len(text) <= _LONGEST and PREFIX.fullmatch(text) else ""


class Prefix:
    """Tell the application its prefix: that of `public_url`, else what a trusted proxy says.

    Most proxies cut the prefix off; one that passes it on is understood as well when `public_url` has it.
    """

    def __init__(self, application: WSGIApplication, public_url: str) -> None:
        self._application = application
        self._public = _prefix_of(urlsplit(public_url).path)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Pass the request on with the prefix in SCRIPT_NAME, and without it in PATH_INFO."""
        prefix, path = self._public, environ.get("PATH_INFO", "")
        if prefix and (path == prefix or path.startswith(prefix + "/")):
            environ["PATH_INFO"] = path.removeprefix(prefix) or "/"
        # ProxyFix has put there what a proxy said, of any form.
        environ["SCRIPT_NAME"] = prefix or _prefix_of(environ.get("SCRIPT_NAME", ""))
        return self._application(environ, start_response)
