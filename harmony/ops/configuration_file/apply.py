"""Puts a configuration file in force, page by page, by the same drafts, Verify and Save as the wizard."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from harmony.audit import COMMAND_LINE, audit
from harmony.clock import now
from harmony.db import db, write
from harmony.jobs.kinds import JobKind
from harmony.jobs.queue import TICK, enqueue
from harmony.models import AppliedFile, Integration, IntegrationState
from harmony.models.configuration import SYNCHRONIZATION, TAGGING, ServerDetails, to_row
from harmony.ops.configuration_file import messages, policy
from harmony.ops.configuration_file.plan import places
from harmony.ops.configuration_file.schema import Document
from harmony.ops.configuration_file.targets import FilePlace, current, find, is_same, record_of
from harmony.setup import apply as setup_apply
from harmony.setup import drafts
from harmony.setup.tag_preview import Standing
from harmony.setup.verify import verify
from harmony.setup.wizard_state import WizardState
from harmony.uem.verify.checks import CheckState
from harmony.web.wizard.differences import without_secrets
from harmony.web.wizard.steps import STEPS, Step
from harmony.web.wizard.tagging_form import last_look

_EDITED = "somebody saved this page meanwhile; run plan again."
_IN_FORCE = "What stands before it in the file is in force."
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class TagChoices:
    """The answers about tags for which a page of the wizard asks a person.

    `take_off`: tags that are no longer used are taken off the devices. `adopt`: tags that stand in the UEM
    already are adopted, as *Adopt all* does.
    """

    take_off: bool = True
    adopt: bool = False


def apply(document: Document, file_name: str, tags: TagChoices) -> Iterator[str]:
    """Put everything in force that differs, and yield what was done, line by line.

    Raises FileRefused at the first page that is refused: what stands before it is in force, nothing of that
    page is.
    """
    if document.file.policy is not None and policy.changes(document.file.policy, document.lines):
        policy.save(document.file.policy, document.lines, now())
        yield "Policy: in force; the worker rates every device anew."
    said = document.file.messages
    if said is not None and messages.changes(said, document.lines):
        messages.save(said, document.lines, now())
        yield "Messages: in force."
    for place in places(document):
        id_ = yield from _apply_integration(place, tags)
        _remember(id_, file_name)


def _apply_integration(place: FilePlace, tags: TagChoices) -> Generator[str, None, int]:
    integration = find(place)
    id_ = integration.id if integration else _create(place)
    if integration is None:
        yield f"{place.said.display_name}: created."
    for step in STEPS.values():
        yield from _apply_page(id_, step, place, tags)
    if _load(id_).integration.state == IntegrationState.DRAFT:
        _put_in_force(place, "display_name", lambda: setup_apply.finish(id_, COMMAND_LINE, now()))
        enqueue(JobKind.DEVICES, id_)
        yield f"{place.said.display_name}: finished; the first sync starts now."
    return id_


def _apply_page(id_: int, step: Step, place: FilePlace, tags: TagChoices) -> Iterator[str]:
    state = _load(id_)
    record, page = record_of(state, step.name, place), step.name
    is_draft = state.integration.state == IntegrationState.DRAFT
    if is_same(getattr(current(state), page), record) and (not is_draft or page in state.verified):
        return
    _save_draft(state, page, record, place)
    if page == TAGGING and tags.adopt:
        _adopt_all(id_, place)
    if page not in drafts.WITHOUT_VERIFY:
        yield from _verified(id_, step, place)
    if not is_draft:
        save = setup_apply.save
        _put_in_force(place, page, lambda: save(id_, page, COMMAND_LINE, now(), take_off=tags.take_off))
        enqueue(TICK)
        yield f"{place.said.display_name}: {step.title} saved."


def _save_draft(state: WizardState, page: str, record: msgspec.Struct, place: FilePlace) -> None:
    try:
        drafts.save(state.id, page, record, state.edition(page))
    except drafts.EditedElsewhere:
        raise place.refused(page, _EDITED) from None


def _adopt_all(id_: int, place: FilePlace) -> None:
    """Adopt what Verify finds in the UEM and what is not Harmony's, in the draft of the Tagging page."""
    verify(id_, TAGGING)
    state = _load(id_)
    foreign = [tag.spelling for tag in last_look(state).those(Standing.FOREIGN)]
    adopting = replace(place, said=place.said.with_adopted(foreign))
    _save_draft(state, TAGGING, record_of(state, TAGGING, adopting), place)


def _verified(id_: int, step: Step, place: FilePlace) -> Iterator[str]:
    """Verify a page; yield its warnings. Raises FileRefused with what failed; the draft is then given up."""
    passed = verify(id_, step.name)
    state = _load(id_)
    verification = state.verification(step.name)
    results = verification.results if verification else []
    if not passed:
        if state.integration.state != IntegrationState.DRAFT:
            drafts.revert(id_, step.name)
        failed = [result for result in results if result["state"] == CheckState.FAILED]
        sentences = " ".join(f"{result['name']}: {_said(result)}" for result in failed)
        path = _path_of(step.name, failed, place)
        raise place.refused(path, f"Verify did not pass. {sentences} {_IN_FORCE}")
    for result in results:
        if result["state"] == CheckState.WARNING:
            yield f"{place.said.display_name}: Verify warns. {result['name']}: {_said(result)}"


def _said(result: dict[str, Any]) -> str:
    return " ".join(filter(None, [result["sentence"], result["advice"]]))


def _path_of(page: str, failed: list[dict[str, Any]], place: FilePlace) -> str:
    """Return the path of the group that failed, where it is one; else that of the page."""
    names = [group.name or str(group.id) for group in place.said.said(page).get("groups", ())]
    found = [names.index(result["name"]) for result in failed if result["name"] in names]
    return f"{page}.groups[{found[0]}]" if page == SYNCHRONIZATION and found else page


def _put_in_force(place: FilePlace, path: str, put: Callable[[], object]) -> None:
    try:
        put()
    except setup_apply.Overlapping as overlapping:
        raise place.refused(path, f"{overlapping.sentence} {_IN_FORCE}") from None
    except setup_apply.NotVerified as error:
        raise place.refused(error.page, _EDITED) from None


def _create(place: FilePlace) -> int:
    """Open a draft, once its own pages have nothing to complain of."""
    server = ServerDetails(display_name=place.said.display_name.strip())
    id_ = drafts.create(place.said.kind, now(), server)
    with write() as session:
        audit(session, COMMAND_LINE, "Created the integration", now(), session.get_one(Integration, id_))
    return id_


def _load(id_: int) -> WizardState:
    return WizardState(db.session.get_one(Integration, id_))


def _remember(id_: int, file_name: str) -> None:
    """Keep what is in force now, for the page to say what is changed afterwards."""
    in_force = _load(id_).in_force
    values = {page: to_row(without_secrets(page, getattr(in_force, page))) for page in STEPS}
    with write() as session:
        row = session.get(AppliedFile, id_) or AppliedFile(integration_id=id_)
        row.name, row.at, row.values = file_name[-_LONGEST_NAME:], now(), values
        session.add(row)
