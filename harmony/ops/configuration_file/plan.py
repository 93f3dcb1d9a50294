"""Plans a configuration file: its changes in the words of the pages; writes nothing and asks no UEM."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import select

from harmony.config import Settings
from harmony.db import db
from harmony.models import Integration, IntegrationState
from harmony.ops.configuration_file import messages, policy
from harmony.ops.configuration_file.export import retention_variable
from harmony.ops.configuration_file.problems import FileRefused
from harmony.ops.configuration_file.schema import Document
from harmony.ops.configuration_file.targets import FilePlace, current, find, is_same, record_of, state_of
from harmony.setup.wizard_state import WizardState
from harmony.web.wizard.differences import differences
from harmony.web.wizard.steps import STEPS

_RUNNING = (IntegrationState.ACTIVE, IntegrationState.PAUSED, IntegrationState.DRAFT)
_CREATED = "is created and finished"
_FINISHED = "is a draft and is finished"


@dataclass(slots=True)
class FilePlan:
    """The lines under each heading; `environment` is what only the environment can change."""

    headings: list[tuple[str, list[str]]] = field(default_factory=list)
    environment: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    @property
    def changes(self) -> bool:
        """Tell if anything differs from the file."""
        return bool(self.headings or self.environment)


def places(document: Document) -> list[FilePlace]:
    """Return the integrations of the file with their paths."""
    sections = enumerate(document.file.integrations)
    return [FilePlace(said, f"integrations[{number}]", document.lines) for number, said in sections]


def plan(document: Document, settings: Settings) -> FilePlan:
    """Return what would change. Raises FileRefused with everything the pages complain of."""
    found = FilePlan(environment=_environment(document, settings), others=_others(document))
    refused: list[FileRefused] = []
    for title, lines_of in _common(document):
        try:
            if lines := lines_of():
                found.headings.append((title, lines))
        except FileRefused as error:
            refused.append(error)
    for place in places(document):
        try:
            found.headings += _integration(place)
        except FileRefused as error:
            refused.append(error)
    if refused:
        raise _joined(refused)
    return found


def _common(document: Document) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """Yield the sections that belong to no integration, each with what looks for its changes."""
    said_policy, said_messages, lines = document.file.policy, document.file.messages, document.lines
    if said_policy is not None:
        yield "Policy", lambda: policy.changes(said_policy, lines)
    if said_messages is not None:
        yield "Messages", lambda: messages.changes(said_messages, lines)


def _joined(refused: list[FileRefused]) -> FileRefused:
    """Return one exception with the lines of all."""
    whole = FileRefused([])
    whole.lines = [line for error in refused for line in error.lines]
    return whole


def _integration(place: FilePlace) -> Iterator[tuple[str, list[str]]]:
    integration = find(place)
    state, name = state_of(integration, place), place.said.display_name
    if integration is None:
        yield f"{name} {_CREATED}", []
    elif integration.state == IntegrationState.DRAFT:
        yield f"{name} {_FINISHED}", []
    refused: list[FileRefused] = []
    for page, step in STEPS.items():
        try:
            lines = _page(state, page, place)
        except FileRefused as error:
            refused.append(error)
            continue
        if lines:
            yield f"{name}, {step.title}", lines
    if refused:
        raise _joined(refused)


def _page(state: WizardState, page: str, place: FilePlace) -> list[str]:
    before, after = getattr(current(state), page), record_of(state, page, place)
    return [] if is_same(before, after) else differences(STEPS[page], before, after)


def _environment(document: Document, settings: Settings) -> list[str]:
    """Return the settings of the environment that the file says otherwise."""
    return [
        f"{retention_variable(name)}: {getattr(settings, name)} → {days}"
        for name, days in document.file.retention.items()
        if getattr(settings, name) != days
    ]


def _others(document: Document) -> list[str]:
    named = {integration.display_name.strip() for integration in document.file.integrations}
    names = db.session.scalars(
        select(Integration.name).where(Integration.state.in_(_RUNNING)).order_by(Integration.name)
    )
    return [name for name in names if name not in named]
