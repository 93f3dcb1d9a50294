"""The pages: one module a page family; forms, the table of wizard steps, what surrounds every page."""

from __future__ import annotations

from flask import Flask

from harmony.web.account import (
    authenticator,
    enforcement,
    factors,
    own_passkeys,
    passkey_proof,
    passkey_sign_in,
    second_factor,
    shortcuts,
)
from harmony.web.account import views as account_views
from harmony.web.api_keys import views as api_key_views
from harmony.web.app_configuration import views as app_configuration_views
from harmony.web.apps import views as app_views
from harmony.web.audit import views as audit_views
from harmony.web.caution import views as caution_views
from harmony.web.connectors import views as connector_views
from harmony.web.deletions import views as deletion_views
from harmony.web.demo import views as demo_views
from harmony.web.destinations import views as destination_views
from harmony.web.devices import columns as device_columns
from harmony.web.devices import history as device_history
from harmony.web.devices import protection, selection
from harmony.web.devices import views as device_views
from harmony.web.event_notifications import views as event_notification_views
from harmony.web.events import views as event_views
from harmony.web.exceptions import views as exception_views
from harmony.web.guide import views as guide_views
from harmony.web.integrations import information, removal, timeline, undo
from harmony.web.integrations import views as integration_views
from harmony.web.messages import settings as message_settings
from harmony.web.messages import views as message_views
from harmony.web.nodes import views as node_views
from harmony.web.notices import views as notice_views
from harmony.web.overview import views as overview_views
from harmony.web.own_account import confirm
from harmony.web.own_account import views as own_account_views
from harmony.web.policy import views as policy_views
from harmony.web.proxy import views as proxy_views
from harmony.web.registration import register as register_page
from harmony.web.registration import texts as message_texts
from harmony.web.registration import views as registration_views
from harmony.web.runs import jobs as run_jobs
from harmony.web.runs import views as run_views
from harmony.web.shared import compression, errors, hidden, htmx, ids, layout, shared_answers
from harmony.web.sign_on import settings as sign_on_settings
from harmony.web.sign_on import views as sign_on_views
from harmony.web.tags import views as tag_views
from harmony.web.users import invitation
from harmony.web.users import views as user_views
from harmony.web.why import views as why_views
from harmony.web.wizard import leave, tag_withdrawal, token, verification
from harmony.web.wizard import views as wizard_views

_PAGES = (
    account_views, second_factor, passkey_sign_in, factors, authenticator, own_passkeys,
    passkey_proof, enforcement,
    integration_views, wizard_views, leave, tag_withdrawal, verification, removal, run_views,
    undo, timeline, shortcuts, caution_views,
    deletion_views, tag_views, device_views, device_columns, selection, device_history, protection, app_views,
    exception_views, run_jobs,
    event_views, policy_views, audit_views, demo_views, app_configuration_views, token,
    information, guide_views, registration_views, register_page, message_texts, notice_views,
    message_settings, message_views, overview_views, why_views, connector_views, proxy_views,
    user_views, invitation, own_account_views, confirm, api_key_views,
    event_notification_views,
    sign_on_views, sign_on_settings,
    destination_views, node_views,
)  # fmt: skip


def init_app(app: Flask) -> None:
    """Register every page family and what they share."""
    ids.init_app(app)
    compression.init_app(app)
    htmx.init_app(app)
    layout.init_app(app)
    errors.init_app(app)
    shared_answers.init_app(app)
    hidden.init_app(app)
    for family in _PAGES:
        app.register_blueprint(family.blueprint)
