"""The app configuration of an integration: a table to copy from, files to download, names to choose."""

from __future__ import annotations

from flask import Blueprint, Response, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from harmony.clock import now
from harmony.config import current_settings
from harmony.models import Integration, Profile
from harmony.security.auth import needs_recent_proof, shown_on
from harmony.security.permissions import Permission, needs
from harmony.setup import app_configuration, deployment_values, drafts
from harmony.setup.app_configuration import MEANINGS, UEMS, AppSetting, DashboardValues
from harmony.web.app_configuration.forms import AppConfigurationForm, filled
from harmony.web.shared.integrations import connected_or_404

blueprint = Blueprint(
    "app_configuration", __name__, url_prefix="/integrations/<int:integration_id>/app-configuration"
)

_DEFAULT_UEM = "ws1"
_DEFAULT_APP_ID = "com.example.protect"
_PROFILES = (
    (Profile.DEVICE.value, "Whole device"),
    (Profile.PERSONAL.value, "Personal profile"),
    (Profile.WORK.value, "Work profile"),
)
# How each file is called and sent; `xml` is what UEMs with an upload for AppConfig ask for.
_FILES = {
    "configuration.plist": "application/xml",
    "specfile.xml": "application/xml",
    "restrictions.json": "application/json",
}


@blueprint.get("")
@needs(Permission.ADMINISTER)
@needs_recent_proof
def show(integration_id: int) -> ResponseReturnValue:
    """Show the configuration for a UEM and a profile."""
    integration = connected_or_404(integration_id)
    form = AppConfigurationForm(data=filled(integration.in_force.deployment))
    return _page(integration, form)


@blueprint.post("")
@shown_on("app_configuration.show")
def save(integration_id: int) -> ResponseReturnValue:
    """Save the names of the keys, the app's id and the authority."""
    integration = connected_or_404(integration_id)
    form = AppConfigurationForm(request.form)
    if not form.validate():
        return _page(integration, form), 422
    deployment_values.save_app_configuration(integration_id, form.values(), g.user.name, now())
    flash("The app configuration was saved. Put it into the UEM again.", "success")
    return redirect(url_for("app_configuration.show", integration_id=integration_id), 303)


@blueprint.get("/<name>")
@needs(Permission.ADMINISTER)
@needs_recent_proof
def download(integration_id: int, name: str) -> ResponseReturnValue:
    """Return one of the files."""
    integration = connected_or_404(integration_id)
    if name not in _FILES:
        abort(404)
    settings, app_id = _settings(integration), _app_id(integration)
    texts = {
        "configuration.plist": lambda: app_configuration.ios_dictionary(settings),
        "specfile.xml": lambda: app_configuration.specfile(settings, app_id),
        "restrictions.json": lambda: app_configuration.android_restrictions(settings, app_id),
    }
    answer = Response(texts[name](), content_type=f"{_FILES[name]}; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def server_address() -> str:
    """Return the address that devices reach this dashboard at: the configured one, else the browser's."""
    return current_settings().public_url or request.url_root.rstrip("/")


def _page(integration: Integration, form: AppConfigurationForm) -> str:
    settings = _settings(integration)
    return render_template(
        "app_configuration/show.html",
        integration=integration,
        form=form,
        settings=settings,
        everything="\n".join(f"{setting.name}\t{setting.value}" for setting in settings),
        meanings=MEANINGS,
        lookups=UEMS[_chosen_uem()],
        uem_choices=[(key, lookups.title) for key, lookups in UEMS.items()],
        uem=_chosen_uem(),
        profiles=_PROFILES,
        profile=_chosen_profile(),
        default_app_id=_DEFAULT_APP_ID,
        has_token=bool(drafts.token(integration)),
        is_guessed=not current_settings().public_url,
        server=server_address(),
        has_enterprise=any(group.android_enterprise for group in integration.draft.synchronization.groups),
    )


def _settings(integration: Integration) -> list[AppSetting]:
    draft = integration.draft
    values = DashboardValues(
        server=server_address(),
        token=drafts.token(integration) or "",
        ca=draft.deployment.app_ca,
        email=draft.synchronization.import_email,
    )
    names = draft.deployment.app_keys
    return app_configuration.settings_for(values, _chosen_uem(), Profile(_chosen_profile()), names)


def _app_id(integration: Integration) -> str:
    return integration.draft.deployment.app_id or _DEFAULT_APP_ID


def _chosen_uem() -> str:
    chosen = request.args.get("uem", _DEFAULT_UEM)
    return chosen if chosen in UEMS else _DEFAULT_UEM


def _chosen_profile() -> str:
    chosen = request.args.get("profile", Profile.DEVICE)
    return chosen if chosen in set(Profile) else Profile.DEVICE.value
