"""*Create missing tags* in the wizard: makes the tags that a draft needs, and remembers that they are ours.

For an integration in force the worker does the same with every push.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.db import db, release, write
from harmony.jobs import caution
from harmony.models import Integration, UemTag
from harmony.security.vault import VaultLocked
from harmony.setup.uem_session import opened
from harmony.tagging import managed_tags
from harmony.tagging.names import needed_keys, needed_names
from harmony.tagging.resolve_tags import Finder
from harmony.tagging.root_group import known_root_group
from harmony.uem.errors import UemError
from harmony.uem.verify.checks import advice_to_person


@dataclass(frozen=True, slots=True)
class CreatedTags:
    """The names that were made, and in words what went wrong, if anything."""

    names: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def make_missing(integration_id: int, by: str, now: datetime) -> CreatedTags:
    """Find the tags that the draft needs and make the others; those made before an error are kept."""
    if caution.since() is not None:
        return CreatedTags(problems=(caution.SENTENCE,))
    integration = db.session.get_one(Integration, integration_id)
    draft = integration.draft
    tagging, server = draft.tagging, draft.server
    needed, group = needed_keys(tagging), known_root_group(integration_id)
    managed_tags.prepare(integration_id, tagging, now, _nobody_waits)
    before, problem = _in_uem(integration_id), tuple[str, ...]()
    try:
        with opened(integration, server) as client:
            finder = Finder(integration_id, tagging, client, group, _nobody_waits)
            finder.find(needed, now, whole=True)
            problem = (*finder.uncertain(), *_problems(integration_id, needed))
    except UemError as error:
        problem = (f"{error.sentence} {advice_to_person(error)}",)
    except VaultLocked as locked:
        problem = (f"{locked.sentence} {locked.advice}",)
    after = _in_uem(integration_id)
    names = (name for name in needed_names(tagging) if after.get(name, "") not in {"", *before.values()})
    created = CreatedTags(tuple(names), problem)
    _note(integration_id, by, now, created)
    return created


def _nobody_waits(_session: Session) -> None:
    """A draft has no worker whose lease would have to be renewed."""


def _in_uem(integration_id: int) -> dict[str, str]:
    """Name to id of the tags that are in the UEM because we made them."""
    own = (UemTag.integration_id == integration_id, UemTag.adopted.is_(False))
    rows = select(UemTag.name, UemTag.external_id).where(*own, UemTag.external_id.is_not(None))
    found = {name: id_ for name, id_ in db.session.execute(rows.order_by(UemTag.key)) if id_}
    release()
    return found


def _problems(integration_id: int, needed: Collection[str]) -> tuple[str, ...]:
    """What is said beside the tags, each sentence once."""
    tags = [tag for tag in managed_tags.tags_of(integration_id) if tag.key in needed and tag.problem]
    return tuple(dict.fromkeys(tag.problem for tag in tags))


def _note(integration_id: int, by: str, now: datetime, created: CreatedTags) -> None:
    if created.names:
        with write() as session:
            integration = session.get_one(Integration, integration_id)
            audit(session, by, "Created tags in the UEM", now, integration, detail=", ".join(created.names))
