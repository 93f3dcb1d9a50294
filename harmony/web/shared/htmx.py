"""The only importer of htmx_flask: its response helper has a bug and htmx 4 renames what it reads."""

from __future__ import annotations

from flask import Flask, Response, request
from htmx_flask import Htmx


def init_app(app: Flask) -> None:
    """Let requests know whether htmx sent them; answers then differ, which caches must know."""
    Htmx(app)
    app.after_request(_vary)


def is_htmx() -> bool:
    """Return True if htmx sent this request, be it for a part or for a boosted page."""
    return bool(getattr(request, "htmx", False))


def _vary(response: Response) -> Response:
    response.vary.add("HX-Request")
    return response
