"""Running it: supervisor, migrations, health, command line."""

from __future__ import annotations

from flask import Flask

from harmony.ops import (
    cli_database,
    cli_protect,
    cli_secrets,
    cli_sync,
    cli_users,
    doctor,
    health,
    migrate,
)


def init_app(app: Flask) -> None:
    """Give the application its health pages and its commands."""
    migrate.init_app(app)
    cli_database.register(app)
    doctor.register(app)
    cli_users.register(app)
    cli_secrets.register(app)
    cli_protect.register(app)
    cli_sync.register(app)
    app.register_blueprint(health.blueprint)
