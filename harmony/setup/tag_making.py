"""*Create missing tags*: makes the tags that the settings need in the UEM, and remembers whose they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from harmony.db import db, write
from harmony.history import audit
from harmony.models import Integration, IntegrationState, UemTag
from harmony.models.configuration import SERVER, TAGGING, ServerDetails, Tagging, from_row
from harmony.security.vault import VaultLocked
from harmony.setup import groups, tagged
from harmony.setup.needed_tags import NeededTag, Place, Standing, judged
from harmony.setup.questions import opened
from harmony.tagging.names import OLD
from harmony.uem.client import UemClient
from harmony.uem.errors import UemError


@dataclass(slots=True)
class Made:
    """The names that were made, those of somebody else's tags, and the error that ended it, if one did."""

    names: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    error: UemError | VaultLocked | None = None


def make_missing(integration_id: int, by: str, now: datetime) -> Made:
    """Make what is missing, a tag in each call; what was made before an error is kept.

    Of a draft what was last typed counts, of any other what is in force.
    """
    integration, made = db.session.get_one(Integration, integration_id), Made()
    tagging, server = _settings(integration)
    devices, ours = tagged.devices_by_key(integration_id), tagged.ours(integration_id)
    group, where = groups.top(integration_id)
    try:
        with opened(integration, server) as client:
            seen = judged(tagging, devices, Place(tags=client.tags(group), ours=ours, group=where))
            made.foreign = [tag.name for tag in seen.those(Standing.FOREIGN)]
            for name in _made(client, integration_id, group, seen.those(Standing.MISSING)):
                made.names.append(name)
    except (UemError, VaultLocked) as error:
        made.error = error
    _note(integration_id, by, now, made)
    return made


def _settings(integration: Integration) -> tuple[Tagging, ServerDetails]:
    typed = integration.state == IntegrationState.DRAFT
    pages = {page.name: page.draft if typed else page.applied for page in integration.pages}
    return from_row(Tagging, pages.get(TAGGING)), from_row(ServerDetails, pages.get(SERVER))


def _made(client: UemClient, integration_id: int, group: str, missing: list[NeededTag]) -> Iterator[str]:
    """The row says beforehand that we are about to make the tag: an answer that is lost costs nothing."""
    for tag in missing:
        with write() as session:
            if not _claimed(session, integration_id, group, tag):
                continue
        external_id = client.create_tag(tag.name, group).external_id
        with write() as session:
            session.get_one(UemTag, (integration_id, tag.key)).external_id = external_id
        yield tag.name


def _claimed(session: Session, integration_id: int, group: str, tag: NeededTag) -> bool:
    """Have a row for the tag. False when that of its key is still about one of another name, on devices.

    In a draft nothing is on devices; the tag of the former name is remembered as ours.
    """
    row = session.get(UemTag, (integration_id, tag.key))
    if row is not None and row.name != tag.name and row.external_id is not None:
        if session.get_one(Integration, integration_id).state != IntegrationState.DRAFT:
            return False
        row.key = f"{OLD}{row.external_id}"
        session.flush()
        row = None
    if row is None:
        row = UemTag(integration_id=integration_id, key=tag.key)
        session.add(row)
    row.name, row.organization_group_id, row.external_id, row.problem = tag.name, group, None, ""
    return True


def _note(integration_id: int, by: str, now: datetime, made: Made) -> None:
    if made.names:
        with write() as session:
            integration = session.get_one(Integration, integration_id)
            audit(session, by, "Created tags in the UEM", now, integration, detail=", ".join(made.names))
