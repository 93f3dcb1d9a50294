"""Compresses text for browsers that take gzip, but never where its length could tell a secret.

The length of a compressed answer tells whether text that somebody else chose repeats what else is in it
(BREACH). So nothing is compressed that shows a secret, nor what another site had the browser ask for.
"""

from __future__ import annotations

import gzip
from functools import lru_cache
from typing import Any

from flask import Flask, Response, g, request
from flask_compress import Compress

from harmony.security.auth import STATIC
from harmony.security.csrf import OWN_SITES

_TEXTS = (
    "text/html", "text/css", "text/csv", "text/plain", "text/javascript", "application/javascript",
    "application/json", "image/svg+xml",
)  # fmt: skip
# Pages of the wizard, of the app configuration and of the demo's device hold the dashboard token, that of an
# authenticator app its secret; codes and keys are answers to POST.
_SHOW_SECRETS = frozenset({"wizard", "demo_device", "app_configuration", "authenticator"})
# A list, sent in answer to a form of ours. No other answer to a form is compressed.
_FILE = "text/csv"
_SMALLEST = 500
_LEVEL = 6

_compressor = Compress()


def init_app(app: Flask) -> None:
    """Compress what may be, after everything else has been done to an answer."""
    settings: dict[str, Any] = {
        "COMPRESS_REGISTER": False,
        "COMPRESS_MIMETYPES": list(_TEXTS),
        "COMPRESS_ALGORITHM": ["gzip"],
        "COMPRESS_ALGORITHM_STREAMING": ["gzip"],
        "COMPRESS_MIN_SIZE": _SMALLEST,
        "COMPRESS_LEVEL": _LEVEL,
    }
    app.config.update(settings)
    _compressor.init_app(app)
    app.after_request(_compress)


def _compress(response: Response) -> Response:
    """Compress the answer where that is possible and tells nothing; say in Vary that it may be."""
    is_read = request.method in {"GET", "HEAD"} or response.mimetype == _FILE
    if response.mimetype not in _TEXTS or not is_read or not _tells_nothing():
        return response
    response.vary.add("Accept-Encoding")
    # A part of a file is a part of what is not compressed, and a HEAD of a stream has no length to tell.
    is_whole = response.status_code == 200
    if not is_whole or not request.accept_encodings["gzip"] or "Content-Range" in response.headers:
        return response
    if request.endpoint == STATIC:
        response.direct_passthrough = False
        response.get_data()  # a file of ours fits in memory, and its length is told
    elif response.is_streamed and request.method == "HEAD":
        return response
    if g.get("is_shared_answer"):
        return _compress_once(response)
    return _compressor.after_request(response)


def share_answer() -> None:
    """Note that the answer to this request is given to others as well, so that it is compressed once."""
    g.is_shared_answer = True


def _compress_once(response: Response) -> Response:
    response.set_data(_compressed(response.get_data()))
    response.headers["Content-Encoding"] = "gzip"
    return response


@lru_cache(maxsize=16)
def _compressed(body: bytes) -> bytes:
    return gzip.compress(body, _LEVEL)


def _tells_nothing() -> bool:
    if request.endpoint == STATIC:
        return True
    site = request.headers.get("Sec-Fetch-Site")
    is_asked_by_us = site is None or site in OWN_SITES
    return is_asked_by_us and request.blueprint not in _SHOW_SECRETS
