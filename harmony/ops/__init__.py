"""Running it: supervisor, migrations, health, command line."""

from __future__ import annotations

from flask import Flask

from harmony.ops import doctor, health, metrics, migrate, request_ids
from harmony.ops.cli import audit_trail as cli_audit_trail
from harmony.ops.cli import configuration as cli_configuration
from harmony.ops.cli import database as cli_database
from harmony.ops.cli import protect as cli_protect
from harmony.ops.cli import secrets as cli_secrets
from harmony.ops.cli import sync as cli_sync
from harmony.ops.cli import users as cli_users
from harmony.ops.configuration_file import download


def init_app(app: Flask) -> None:
    """Give the application its health pages, its metrics and its commands."""
    migrate.init_app(app)
    cli_database.register(app)
    doctor.register(app)
    cli_users.register(app)
    cli_secrets.register(app)
    cli_audit_trail.register(app)
    cli_protect.register(app)
    cli_sync.register(app)
    cli_configuration.register(app)
    app.register_blueprint(health.blueprint)
    metrics.init_app(app)
    request_ids.init_app(app)
    app.register_blueprint(download.blueprint)
