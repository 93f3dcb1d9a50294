"""Secrets, passwords, sign-in sessions, and the checks of every request and answer."""

from __future__ import annotations

from datetime import timedelta

from flask import Flask

from harmony.config import Settings
from harmony.security import auth, csrf, headers, keys, sessions
from harmony.security.hosts import is_https
from harmony.security.vault import Vault


def init_app(app: Flask, settings: Settings) -> None:
    """Give the application its keys, and put the checks before and behind every view."""
    app.config["SECRET_KEY"] = keys.secret_key(settings)
    app.extensions["harmony.vault"] = Vault(keys.vault_keys(settings))
    csrf.init_app(app)
    auth.init_app(app)
    headers.init_app(app, is_https=is_https(settings.public_url))
    idle, longest = timedelta(minutes=settings.session_idle_minutes), timedelta(hours=settings.session_hours)
    sessions.init_app(app, idle, longest)
