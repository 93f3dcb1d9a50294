"""The configuration: what the values may be, the table of the settings, and the settings as read."""

from harmony.config.settings import PREFIX, Settings, SettingsError
from harmony.config.table import SETTINGS

__all__ = ["PREFIX", "SETTINGS", "Settings", "SettingsError"]
