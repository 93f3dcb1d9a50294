"""The pages: one module a page family; forms, the table of wizard steps, what surrounds every page."""

from __future__ import annotations

from flask import Flask

from harmony.web import (
    access,
    apps,
    audit,
    chrome,
    compression,
    demo_device,
    device_history,
    devices,
    duties,
    errors,
    events,
    holds,
    htmx,
    ids,
    integrations,
    leave,
    leaving,
    policy,
    protection,
    removal,
    runs,
    tags,
    verification,
    wizard,
)


def init_app(app: Flask) -> None:
    """Register every page family and what they share."""
    ids.init_app(app)
    compression.init_app(app)
    htmx.init_app(app)
    chrome.init_app(app)
    errors.init_app(app)
    for family in (
        access, integrations, wizard, leave, leaving, verification, removal, runs, holds, tags, devices,
        device_history, protection, apps, duties, events, policy, audit, demo_device,
    ):  # fmt: skip
        app.register_blueprint(family.blueprint)
