"""What Verify looks at for each page of the wizard, as rungs; only questions, never a change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace

from harmony.clock import now
from harmony.db import release
from harmony.jobs.uem_client import AT_A_REQUEST, connection, reach
from harmony.models import Integration
from harmony.models.configuration import (
    IN_FORCE,
    PREVIEW,
    SERVER,
    SYNCHRONIZATION,
    TAGGING,
    ServerDetails,
    Synchronization,
    from_row,
)
from harmony.setup import groups, tag_checks
from harmony.setup.drafts import draft
from harmony.setup.edits import another_scope, another_source
from harmony.setup.group_claims import overlap_of
from harmony.setup.tag_preview import TagLook
from harmony.setup.uem_session import timed
from harmony.sync.preview import Preview, look
from harmony.uem.client import UemClient
from harmony.uem.records import Group
from harmony.uem.verify.checks import Rung, RungState, not_tried
from harmony.uem.verify.run_checks import RUNGS, diagnose

# What Verify finds: rungs, and between them what a page shows more of.
Found = Rung | Preview | TagLook

_GROUP_LIST = "List the groups"
_READ_DEVICES = "Read the devices, changing nothing"


def _server(integration: Integration) -> Iterator[Rung]:
    """The whole ladder; once it holds, the groups are read for the next page."""
    details = draft(integration, SERVER, ServerDetails)
    target = connection(integration.id, details)
    kind, id_ = integration.kind, integration.id
    release()
    failed = False
    for rung in diagnose(kind, target, now()):
        failed = failed or rung.state is RungState.FAILED
        yield rung
    if failed:
        yield not_tried(_GROUP_LIST)
        return
    with closing(reach(kind, target, longest_wait=AT_A_REQUEST)) as client:
        yield _group_list(id_, client)[0]


def _in_force(integration: Integration) -> Iterable[Rung]:
    """The ladder for the server that is in force."""
    row = integration.page(SERVER)
    target = connection(integration.id, from_row(ServerDetails, row.applied if row else None))
    kind = integration.kind
    release()
    return diagnose(kind, target, now())


def _synchronization(integration: Integration) -> Iterator[Rung | Preview]:
    """One rung for each chosen group, then what a sync of this choice would do."""
    choice = draft(integration, SYNCHRONIZATION, Synchronization)
    server = draft(integration, SERVER, ServerDetails)
    if clash := overlap_of(integration, choice.groups):
        yield Rung("Other integrations", RungState.FAILED, None, clash, None)
        yield from map(not_tried, (_GROUP_LIST, *(group.name for group in choice.groups), _READ_DEVICES))
        return
    yield from _looked(integration, server, choice, edited=_is_edit(integration, server, choice))


def _is_edit(integration: Integration, server: ServerDetails, choice: Synchronization) -> bool:
    """Whether these drafts read something else than what is in force; a new integration has none."""
    applied = {page.name: page.applied for page in integration.pages if page.applied}
    if SYNCHRONIZATION not in applied:
        return False
    before = from_row(ServerDetails, applied.get(SERVER)), from_row(Synchronization, applied[SYNCHRONIZATION])
    return another_source(before[0], server) or another_scope(before[1], choice)


def _preview(integration: Integration) -> Iterator[Rung | Preview]:
    """What a sync would do with what is in force."""
    applied = {page.name: page.applied for page in integration.pages}
    choice = from_row(Synchronization, applied.get(SYNCHRONIZATION))
    yield from _looked(integration, from_row(ServerDetails, applied.get(SERVER)), choice)


def _looked(
    integration: Integration, server: ServerDetails, choice: Synchronization, *, edited: bool = False
) -> Iterator[Rung | Preview]:
    id_, target, kind = integration.id, connection(integration.id, server), integration.kind
    release()
    with closing(reach(kind, target, longest_wait=AT_A_REQUEST)) as client:
        listed, seen = _group_list(id_, client)
        yield listed
        if listed.state is RungState.FAILED:
            yield from map(not_tried, (*(group.name for group in choice.groups), _READ_DEVICES))
            return
        found = {(group.kind.value, group.external_id): group for group in seen}
        groups = [_chosen(one.name, found.get((one.kind, one.external_id))) for one in choice.groups]
        yield from groups
        if any(rung.state is RungState.FAILED for rung in groups):
            yield not_tried(_READ_DEVICES)
            return
        rung, preview = timed(_READ_DEVICES, lambda: look(id_, choice, client, edited=edited))
        yield _doubtful(rung, preview.doubt) if preview is not None and preview.doubt else rung
        if preview is not None:
            yield preview


def _doubtful(rung: Rung, doubt: str) -> Rung:
    """The devices were read, but not so that all of them are known to be there."""
    return replace(rung, state=RungState.WARNING, sentence=doubt)


def _chosen(name: str, group: Group | None) -> Rung:
    if group is None:
        text = f"The account no longer sees {name}."
        return Rung(
            name, RungState.FAILED, None, text, "Choose another group, or give the account access to it."
        )
    if not group.devices:
        return Rung(name, RungState.WARNING, None, "The group lists no devices now.", None)
    return Rung(
        name, RungState.OK, None, f"{group.type}, {group.devices:,} devices in the UEM's own count.", None
    )


def _group_list(integration_id: int, client: UemClient) -> tuple[Rung, list[Group]]:
    rung, seen = timed(_GROUP_LIST, client.groups)
    if seen is None:
        return rung, []
    groups.remember(integration_id, seen)
    text = f"{len(seen):,} organization groups and smart groups are visible."
    return Rung(rung.name, RungState.OK, rung.milliseconds, text, None), seen


# The rungs that are known beforehand, to be shown as pending until their turn comes.
EXPECTED = {
    SERVER: (*RUNGS, _GROUP_LIST),
    IN_FORCE: RUNGS,
    SYNCHRONIZATION: (_GROUP_LIST,),
    PREVIEW: (_GROUP_LIST,),
    TAGGING: (tag_checks.READ_TAGS, tag_checks.NAMES, tag_checks.TAGS),
}

CHECKS: dict[str, Callable[[Integration], Iterable[Found]]] = {
    IN_FORCE: _in_force,
    PREVIEW: _preview,
    SERVER: _server,
    SYNCHRONIZATION: _synchronization,
    TAGGING: tag_checks.look,
}
