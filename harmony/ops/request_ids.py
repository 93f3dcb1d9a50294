"""The id of a request, in every line that is logged for it: that of a trusted proxy, or one of our own."""

from __future__ import annotations

import re
import secrets

from flask import Flask, request

from harmony import logs
from harmony.config import current_settings

HEADER = "X-Request-Id"
_FORM = re.compile(r"[A-Za-z0-9-]{8,64}")


def init_app(app: Flask) -> None:
    """Give each request its id, before anything is logged."""
    app.before_request_funcs.setdefault(None, []).insert(0, _begin)


def _begin() -> None:
    logs.set_fields(request_id=_id())


def _id() -> str:
    sent = request.headers.get(HEADER, "") if current_settings().trusted_proxies else ""
    return sent if _FORM.fullmatch(sent) else secrets.token_hex(8)
