"""Signing out of a session that began at the provider: the page that offers to sign out there too."""

from __future__ import annotations

import logging

from flask import url_for

from harmony.clock import steady
from harmony.oidc import flow, logout
from harmony.oidc.errors import SignOnError
from harmony.oidc.settings import settings_in_force
from harmony.security.vault import VaultLocked
from harmony.web.sign_on.browser import signed_out_uri
from harmony.web.sign_on.connect import provider_of

log = logging.getLogger(__name__)


def end_session_page(token: str | None) -> str | None:
    """Return the page to show after signing out; None for a local session and a provider without logout.

    Browsers let no form lead to another site, so that a page with a link stands between.
    """
    id_token = logout.id_token_of(token)
    if id_token is None:
        return None
    try:
        settings = settings_in_force()
        address = settings and logout.end_session_url(provider_of(settings), id_token, signed_out_uri())
    except (SignOnError, VaultLocked) as error:  # signing out here must never fail for the provider
        log.warning("The provider's logout cannot be offered: %s", type(error).__name__)
        return None
    return url_for("sign_on.signed_out", key=flow.keep_address(address, steady())) if address else None
