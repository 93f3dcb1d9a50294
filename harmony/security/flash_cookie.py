"""The cookie of Flask's own session. It carries the one-line notes of `flash()` and nothing else."""

from __future__ import annotations

from flask import Flask, request
from flask.sessions import SecureCookieSessionInterface


class NotesCookie(SecureCookieSessionInterface):
    """Flask's signed cookie with the attributes of our own one, chosen by the request (see sessions.py)."""

    def get_cookie_name(self, app: Flask) -> str:
        return "__Host-harmony-notes" if request.is_secure else "harmony-notes"

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure

    def get_cookie_samesite(self, app: Flask) -> str:
        return "Lax"


def init_app(app: Flask) -> None:
    """Replace Flask's defaults, which have no SameSite and no Secure."""
    app.session_interface = NotesCookie()
