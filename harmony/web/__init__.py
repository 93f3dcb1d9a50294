"""The pages: one module a page family; forms, the table of wizard steps, what surrounds every page."""

from __future__ import annotations

from flask import Flask

from harmony.web import (
    access,
    audit,
    chrome,
    device_history,
    devices,
    errors,
    holds,
    htmx,
    integrations,
    leaving,
    removal,
    runs,
    tags,
    verification,
    wizard,
)


def init_app(app: Flask) -> None:
    """Register every page family and what they share."""
    htmx.init_app(app)
    chrome.init_app(app)
    errors.init_app(app)
    for family in (
        access, integrations, wizard, leaving, verification, removal, runs, holds, tags, devices,
        device_history, audit,
    ):  # fmt: skip
        app.register_blueprint(family.blueprint)
