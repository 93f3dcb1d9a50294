"""The sealed settings of all integrations: do they open under the present keys; the canary."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from sqlalchemy import delete, select

from harmony.db import db, write
from harmony.jobs import device_sync
from harmony.models import Integration, SetupPage, StopReason, VaultCanary
from harmony.models.configuration import DEPLOYMENT, SERVER, ServerDetails, from_row
from harmony.security import credentials
from harmony.security.credentials import SECRET_FIELDS, bound_to
from harmony.security.vault import VaultLocked, vault
from harmony.setup import legacy_secrets

log = logging.getLogger(__name__)

# The fields of each page that are sealed.
SEALED_FIELDS = {SERVER: SECRET_FIELDS, DEPLOYMENT: ("token", "former_token")}
CANARY = "canary"


def check() -> list[str]:
    """At the start: stop every integration whose secrets do not open, free those that open again.

    Returns the names of the stopped ones. The canary tells whether the key changed at all.
    """
    if not _canary_lives():
        log.warning("The vault's key is another than at the last start.")
    stopped = []
    for id_ in db.session.scalars(select(Integration.id)).all():
        with write() as session:
            integration = session.get_one(Integration, id_)
            legacy_secrets.bind(integration)
            if not _all_open(integration):
                device_sync.stop(
                    integration, StopReason.SECRETS, f"{VaultLocked.sentence} {VaultLocked.advice}"
                )
                stopped.append(integration.name)
            elif integration.stopped_why == StopReason.SECRETS:
                device_sync.free(integration)
    return stopped


def _all_open(integration: Integration) -> bool:
    server = integration.page(SERVER)
    applied = from_row(ServerDetails, server.applied if server else None)
    return credentials.usable(integration.id, applied) and all(
        vault().has_key(sealed, bound_to(integration.id, field))
        for page, values, field, sealed in sealed_values(integration)
        if values is page.applied
    )


def sealed_values(integration: Integration) -> Iterator[tuple[SetupPage, dict[str, Any], str, str]]:
    """Yield every sealed value of the settings as page, values it is among, field, sealed text."""
    for page in integration.pages:
        for values in (page.draft, page.applied):
            for field in SEALED_FIELDS.get(page.name, ()):
                if values and values.get(field):
                    yield page, values, field, values[field]


def _canary_lives() -> bool:
    """Whether the known text opens; one that does not, or is not there yet, is replaced."""
    canary = db.session.scalar(select(VaultCanary))
    try:
        if canary is not None and vault().open(canary.sealed, CANARY) == CANARY:
            return True
    except VaultLocked:
        renew_canary()
        return False
    renew_canary()
    return True


def renew_canary() -> None:
    """Seal the known text under the newest key."""
    with write() as session:
        session.execute(delete(VaultCanary))
        session.add(VaultCanary(sealed=vault().seal(CANARY, CANARY)))
