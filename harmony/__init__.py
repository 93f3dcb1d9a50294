"""Harmony: a dashboard for mobile threat defence on top of a UEM. `create_app` puts it together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from harmony.config import Settings


def create_app(settings: Settings) -> Flask:
    """Create the application for `settings`: pages, CLI, database and queue, bound but not yet migrated."""
    # Imported here, so that the pure rooms and the simulator load without the framework.
    from harmony.application import build  # noqa: PLC0415

    return build(settings)
