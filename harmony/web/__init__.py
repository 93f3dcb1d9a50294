"""The pages: one module a page family; forms, the table of wizard steps, what surrounds every page."""

from __future__ import annotations

from flask import Flask

from harmony.web.account import views as account_views
from harmony.web.apps import views as app_views
from harmony.web.audit import views as audit_views
from harmony.web.deletions import views as deletion_views
from harmony.web.demo import views as demo_views
from harmony.web.devices import history as device_history
from harmony.web.devices import protection
from harmony.web.devices import views as device_views
from harmony.web.events import views as event_views
from harmony.web.integrations import removal
from harmony.web.integrations import views as integration_views
from harmony.web.policy import views as policy_views
from harmony.web.runs import jobs as run_jobs
from harmony.web.runs import views as run_views
from harmony.web.shared import compression, errors, htmx, ids, layout
from harmony.web.tags import views as tag_views
from harmony.web.wizard import leave, tag_withdrawal, verification
from harmony.web.wizard import views as wizard_views

PAGES = (
    account_views, integration_views, wizard_views, leave, tag_withdrawal, verification, removal, run_views,
    deletion_views, tag_views, device_views, device_history, protection, app_views, run_jobs, event_views,
    policy_views, audit_views, demo_views,
)  # fmt: skip


def init_app(app: Flask) -> None:
    """Register every page family and what they share."""
    ids.init_app(app)
    compression.init_app(app)
    htmx.init_app(app)
    layout.init_app(app)
    errors.init_app(app)
    for family in PAGES:
        app.register_blueprint(family.blueprint)
