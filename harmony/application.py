"""Puts the rooms together into one Flask application."""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from harmony import config, db, ops, security, web, worker
from harmony.api import routes as api
from harmony.config import Settings, SettingsError
from harmony.device_api import routes as protect
from harmony.event_notifications import routes as event_notifications
from harmony.ops import first_start, temporary
from harmony.ops.hosts import HostCheck
from harmony.ops.prefix import Prefix
from harmony.relay import routes as relay

_ROOT = Path(__file__).resolve().parent.parent
MAX_BODY_BYTES = 2 * 1024 * 1024


def build(settings: Settings) -> Flask:
    """Create the application for `settings`, and the data folder and the keys when they are not there yet.

    Raises SettingsError when that is not possible.
    """
    os.umask(0o077)  # databases, keys, backups: every file made from here on is its owner's only
    _make_data_dir(settings.data_dir)
    app = _flask(settings.data_dir)
    _configure(app, settings)
    temporary.prepare(settings.data_dir)
    first_start.begin(settings)
    db.init_app(app, settings.database_file or settings.database_url)
    security.init_app(app, settings)
    worker.init_app(app, settings)
    web.init_app(app)
    protect.init_app(app)
    relay.init_app(app)
    api.init_app(app)
    event_notifications.init_app(app)
    ops.init_app(app)
    return app


def _flask(data_dir: Path) -> Flask:
    return Flask(
        "harmony",
        root_path=str(_ROOT),
        instance_path=str(data_dir),
        template_folder=str(_ROOT / "templates"),
        static_folder=str(_ROOT / "static"),
    )


def _make_data_dir(data_dir: Path) -> None:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{data_dir} cannot be created ({error.strerror}).") from None


def _configure(app: Flask, settings: Settings) -> None:
    config.init_app(app, settings)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    # Flask types wsgi_app as a method; replacing it is its documented way to add middleware.
    checked = Prefix(HostCheck(app.wsgi_app, settings.public_url), settings.public_url)
    app.wsgi_app = checked  # type: ignore[method-assign]
    if hops := settings.trusted_proxies:
        fixed = ProxyFix(checked, x_for=hops, x_proto=hops, x_host=hops, x_prefix=hops)
        app.wsgi_app = fixed  # type: ignore[method-assign]
