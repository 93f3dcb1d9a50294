"""The configuration: what the values may be, the table of the settings, and the settings as read."""

from __future__ import annotations

from flask import Flask, current_app

from harmony.config.settings import PREFIX, Settings, SettingsError
from harmony.config.supplied import supplied
from harmony.config.table import SETTINGS

__all__ = ["PREFIX", "SETTINGS", "Settings", "SettingsError", "current_settings", "init_app", "supplied"]
_NAME = "harmony.settings"


def init_app(app: Flask, settings: Settings) -> None:
    """Keep the settings with the application that they are for."""
    app.extensions[_NAME] = settings


def current_settings(app: Flask | None = None) -> Settings:
    """Return the settings of `app`, or of the application that is at work."""
    settings: Settings = (app or current_app).extensions[_NAME]
    return settings
