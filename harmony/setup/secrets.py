"""The sealed values of all integrations: do they open, and under which key; rotation; the canary."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select

from harmony.db import db, write
from harmony.models import Integration, SetupPage, Stopped, VaultCanary
from harmony.models.configuration import DEPLOYMENT, SERVER, ServerDetails, from_row
from harmony.security.vault import VaultLocked, vault
from harmony.setup import legacy_secrets
from harmony.setup.drafts import digest
from harmony.sync import credentials, schedule
from harmony.sync.credentials import SECRET_FIELDS, bound_to

log = logging.getLogger(__name__)

SEALED_FIELDS = {SERVER: SECRET_FIELDS, DEPLOYMENT: ("token",)}
CANARY = "canary"


@dataclass(slots=True)
class Rotation:
    """What a rotation did, or would do: values sealed anew, already current, and not to be opened."""

    renewed: int = 0
    current: int = 0
    locked: int = 0


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
                schedule.stop(integration, Stopped.SECRETS, f"{VaultLocked.sentence} {VaultLocked.advice}")
                stopped.append(integration.name)
            elif integration.stopped_why == Stopped.SECRETS:
                schedule.free(integration)
    return stopped


def rotate(dry_run: bool) -> Rotation:
    """Seal every stored secret under the newest key, an integration at a time; running it again goes on."""
    done = Rotation()
    for id_ in db.session.scalars(select(Integration.id)).all():
        with write() as session:
            integration = session.get_one(Integration, id_)
            renewals = _renewals(integration, done)
            if not dry_run:
                _renew(integration, renewals)
    if not dry_run:
        _hatch()
    return done


def _all_open(integration: Integration) -> bool:
    server = integration.page(SERVER)
    applied = from_row(ServerDetails, server.applied if server else None)
    return credentials.usable(integration.id, applied) and all(
        vault().has_key(sealed, bound_to(integration.id, field))
        for page, values, field, sealed in _sealed(integration)
        if values is page.applied
    )


def _sealed(integration: Integration) -> Iterator[tuple[SetupPage, dict[str, Any], str, str]]:
    """Every sealed value with the page and the values it stands in."""
    for page in integration.pages:
        for values in (page.draft, page.applied):
            for field in SEALED_FIELDS.get(page.name, ()):
                if values and values.get(field):
                    yield page, values, field, values[field]


def _renewals(integration: Integration, done: Rotation) -> dict[str, str]:
    """Old sealed text to new; the same text gets the same successor, so that draft and applied stay equal."""
    renewed: dict[str, str] = {}
    for field, sealed in {(field, sealed) for _page, _values, field, sealed in _sealed(integration)}:
        where = bound_to(integration.id, field)
        if vault().is_current(sealed):
            done.current += 1
        elif vault().has_key(sealed, where):
            renewed[sealed] = vault().reseal(sealed, where)
            done.renewed += 1
        else:
            done.locked += 1
    return renewed


def _renew(integration: Integration, renewals: dict[str, str]) -> None:
    for page in integration.pages:
        said, before = integration.verification(page.name), digest(page.draft)
        page.draft = _replaced(page.draft, renewals)
        page.applied = _replaced(page.applied, renewals) if page.applied else None
        # The values are the same under another key: what was verified stays verified.
        if said is not None and said.digest == before:
            said.digest = digest(page.draft)


def _replaced(values: dict[str, Any], renewals: dict[str, str]) -> dict[str, Any]:
    return {
        name: renewals.get(value, value) if isinstance(value, str) else value
        for name, value in values.items()
    }


def _canary_lives() -> bool:
    """Whether the known text opens; one that does not, or is not there yet, is replaced."""
    canary = db.session.scalar(select(VaultCanary))
    try:
        if canary is not None and vault().open(canary.sealed, CANARY) == CANARY:
            return True
    except VaultLocked:
        _hatch()
        return False
    _hatch()
    return True


def _hatch() -> None:
    with write() as session:
        session.execute(delete(VaultCanary))
        session.add(VaultCanary(sealed=vault().seal(CANARY, CANARY)))
