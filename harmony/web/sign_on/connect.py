"""The provider as pages use it: in force, or as typed for a test."""

from __future__ import annotations

from flask import abort

from harmony.db import release
from harmony.jobs.uem_client import outbound_policy
from harmony.oidc.calls import ClientCredentials
from harmony.oidc.provider import Provider
from harmony.oidc.settings import ProviderSettings, settings_in_force


def settings_or_404() -> ProviderSettings:
    """Return the settings in force. Raises VaultLocked; there is no such page without a provider."""
    found = settings_in_force()
    if found is None:
        abort(404)
    return found


def provider_of(settings: ProviderSettings) -> Provider:
    """Return the provider of these settings; no read is left open for the calls. Raises VaultLocked."""
    client = ClientCredentials(settings.client_id, settings.client_secret, settings.certificate or None)
    policy = outbound_policy()
    release()
    return Provider(settings.issuer, client, policy)
