"""The checks of each subject of Verify: the wizard's pages, what is in force, the preview."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace

from harmony.clock import now
from harmony.db import release
from harmony.jobs.uem_client import AT_A_REQUEST, connection, reach
from harmony.models.configuration import (
    IN_FORCE,
    PREVIEW,
    SERVER,
    SYNCHRONIZATION,
    TAGGING,
    Configuration,
    ServerDetails,
)
from harmony.relay.exchange import probe_of
from harmony.setup import groups, tag_checks
from harmony.setup.edits import another_scope, another_source
from harmony.setup.group_claims import overlap_of
from harmony.setup.tag_preview import TagLook
from harmony.setup.uem_session import opened, timed
from harmony.setup.wizard_state import WizardState
from harmony.sync.preview import Preview, look
from harmony.uem.client import UemClient
from harmony.uem.records import Group
from harmony.uem.verify.checks import CheckResult, CheckState, not_tried
from harmony.uem.verify.run_checks import CHECK_NAMES, Probe, run_checks

# What Verify yields: results, and between them what a page shows besides.
VerifyOutput = CheckResult | Preview | TagLook

_GROUP_LIST = "List the groups"
_READ_DEVICES = "Read the devices, changing nothing"


def _server(state: WizardState) -> Iterator[CheckResult]:
    """Check the server; if all is well, read the groups for the next page."""
    target, kind = connection(state.id, state.draft.server), state.integration.kind
    release()
    failed = False
    for result in run_checks(kind, target, now(), probe=_probe(state.draft.server)):
        failed = failed or result.state is CheckState.FAILED
        yield result
    if failed:
        yield not_tried(_GROUP_LIST)
        return
    with closing(reach(kind, target, longest_wait=AT_A_REQUEST)) as client:
        yield _group_list(state.id, client)[0]


def _in_force(state: WizardState) -> Iterable[CheckResult]:
    """Check the server that is in force."""
    target, kind = connection(state.id, state.in_force.server), state.integration.kind
    release()
    return run_checks(kind, target, now(), probe=_probe(state.in_force.server))


def _probe(server: ServerDetails) -> Probe | None:
    """Return who looks at the network: the Connector that the server is called through, if there is one."""
    return probe_of(server.connector) if server.connector else None


def _synchronization(state: WizardState) -> Iterator[CheckResult | Preview]:
    """Look for each chosen group, then preview what a sync of this choice would do."""
    choice = state.draft.synchronization
    if clash := overlap_of(state, choice.groups):
        yield CheckResult("Other integrations", CheckState.FAILED, None, clash, None)
        yield from map(not_tried, (_GROUP_LIST, *(group.name for group in choice.groups), _READ_DEVICES))
        return
    yield from _looked(state, state.draft, edited=_is_edit(state))


def _is_edit(state: WizardState) -> bool:
    """Tell if the drafts read something else than what is in force; a new integration has none."""
    row, draft, in_force = state.integration.page(SYNCHRONIZATION), state.draft, state.in_force
    if row is None or not row.applied:
        return False
    other_server = another_source(in_force.server, draft.server)
    return other_server or another_scope(in_force.synchronization, draft.synchronization)


def _preview(state: WizardState) -> Iterator[CheckResult | Preview]:
    """Preview what a sync would do with what is in force."""
    yield from _looked(state, state.in_force)


def _looked(
    state: WizardState, settings: Configuration, *, edited: bool = False
) -> Iterator[CheckResult | Preview]:
    choice, id_ = settings.synchronization, state.id
    with opened(state.integration, settings.server) as client:
        listed, seen = _group_list(id_, client)
        yield listed
        if listed.state is CheckState.FAILED:
            yield from map(not_tried, (*(group.name for group in choice.groups), _READ_DEVICES))
            return
        found = {(group.kind.value, group.external_id): group for group in seen}
        results = [_chosen(group.name, found.get((group.kind, group.external_id))) for group in choice.groups]
        yield from results
        if any(result.state is CheckState.FAILED for result in results):
            yield not_tried(_READ_DEVICES)
            return
        result, preview = timed(_READ_DEVICES, lambda: look(id_, choice, client, edited=edited))
        yield _doubtful(result, preview.doubt) if preview is not None and preview.doubt else result
        if preview is not None:
            yield preview


def _doubtful(result: CheckResult, doubt: str) -> CheckResult:
    """Warn that the devices were read, but not surely all of them."""
    return replace(result, state=CheckState.WARNING, sentence=doubt)


def _chosen(name: str, group: Group | None) -> CheckResult:
    if group is None:
        text = f"The account no longer sees {name}."
        return CheckResult(
            name, CheckState.FAILED, None, text, "Choose another group, or give the account access to it."
        )
    if not group.devices:
        return CheckResult(name, CheckState.WARNING, None, "The group lists no devices now.", None)
    return CheckResult(
        name, CheckState.OK, None, f"{group.type}, {group.devices:,} devices (as reported by the UEM).", None
    )


def _group_list(integration_id: int, client: UemClient) -> tuple[CheckResult, list[Group]]:
    result, seen = timed(_GROUP_LIST, client.groups)
    if seen is None:
        return result, []
    groups.remember(integration_id, seen)
    text = f"{len(seen):,} organization groups and smart groups are visible."
    return CheckResult(result.name, CheckState.OK, result.milliseconds, text, None), seen


# The checks that are known beforehand, to be shown as pending until their turn comes.
EXPECTED_CHECKS = {
    SERVER: (*CHECK_NAMES, _GROUP_LIST),
    IN_FORCE: CHECK_NAMES,
    SYNCHRONIZATION: (_GROUP_LIST,),
    PREVIEW: (_GROUP_LIST,),
    TAGGING: (tag_checks.READ_TAGS, tag_checks.NAMES, tag_checks.TAGS),
}

CHECKS: dict[str, Callable[[WizardState], Iterable[VerifyOutput]]] = {
    IN_FORCE: _in_force,
    PREVIEW: _preview,
    SERVER: _server,
    SYNCHRONIZATION: _synchronization,
    TAGGING: tag_checks.look,
}
