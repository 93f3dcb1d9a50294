"""Credentials that an earlier version sealed without an origin: bound to the one Verify proved, or forgotten.

Nothing else says for which address such a secret was typed: a draft could keep it while its address changed.
"""

from __future__ import annotations

import logging
from typing import Any

from harmony.models import Integration, SetupPage
from harmony.models.configuration import SERVER, ServerDetails, from_row
from harmony.security.credentials import SECRET_FIELDS, bound_to, fields_in_use, origin_for, usable
from harmony.security.vault import VaultLocked, origin_of, vault
from harmony.setup.drafts import digest
from harmony.setup.wizard_state import WizardState

log = logging.getLogger(__name__)


def bind(integration: Integration) -> None:
    """Seal every such credential of Server Details for its origin, inside the caller's `write()`.

    One that is in use in what is in force, or in a draft that passed Verify, has been sent to the addresses
    beside it and belongs to them. Any other is forgotten and must be typed again. Running it again changes
    nothing; what the present key does not open is left for the time the key comes back.
    """
    page = integration.page(SERVER)
    if page is None or not _legacy(integration.id, page):
        return
    replaced = _replacements(integration, page)
    said = integration.verification(SERVER)
    follows = said is not None and said.digest == digest(page.draft)
    page.draft = _with(page.draft, replaced)
    page.applied = _with(page.applied, replaced) if page.applied else None
    # The values are the same in another seal: what was verified stays so while its secrets can be used.
    if said is not None and follows and usable(integration.id, from_row(ServerDetails, page.draft)):
        said.digest = digest(page.draft)
    log.info("The credentials of integration %d were sealed for their server.", integration.id)


def _legacy(integration_id: int, page: SetupPage) -> set[tuple[str, str]]:
    """Name field and text of each credential that opens and names no origin."""
    stored = [
        (field, (row or {}).get(field)) for row in (page.draft, page.applied) for field in SECRET_FIELDS
    ]
    return {
        (field, sealed)
        for field, sealed in stored
        if sealed and _names_no_origin(sealed) and vault().has_key(sealed, bound_to(integration_id, field))
    }


def _names_no_origin(sealed: str) -> bool:
    try:
        return not origin_of(sealed)
    except VaultLocked:
        return False


def _replacements(integration: Integration, page: SetupPage) -> dict[str, str]:
    """Map each sealed text to its successor, or to "". What is in force is asked first."""
    proven = [page.applied] if page.applied else []
    proven += [page.draft] if SERVER in WizardState(integration).verified else []
    replaced: dict[str, str] = {}
    for server in (from_row(ServerDetails, row) for row in proven):
        for field in fields_in_use(server):
            sealed = getattr(server, field)
            if (field, sealed) in _legacy(integration.id, page) and sealed not in replaced:
                replaced[sealed] = _sealed_for(integration.id, server, field)
    return {sealed: replaced.get(sealed, "") for _field, sealed in _legacy(integration.id, page)}


def _sealed_for(integration_id: int, server: ServerDetails, field: str) -> str:
    where, sealed = bound_to(integration_id, field), getattr(server, field)
    return vault().seal(vault().open(sealed, where), where, origin_for(server, field))


def _with(values: dict[str, Any], replaced: dict[str, str]) -> dict[str, Any]:
    return values | {
        field: replaced.get(values[field], values[field]) for field in SECRET_FIELDS if field in values
    }
