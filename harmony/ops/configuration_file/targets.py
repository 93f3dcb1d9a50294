"""The integration that a section of the file is about, and the record that each of its pages would become."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import select

from harmony.db import db
from harmony.models import Integration, IntegrationState
from harmony.models.configuration import SERVER, Configuration
from harmony.ops.configuration_file.pages import checked
from harmony.ops.configuration_file.problems import FileProblem, FileRefused, Lines
from harmony.ops.configuration_file.schema import FileIntegration
from harmony.ops.configuration_file.secrets import look_up
from harmony.ops.configuration_file.sections import put
from harmony.security.credentials import SECRET_FIELDS
from harmony.setup import drafts
from harmony.setup.wizard_state import WizardState

_GONE = (IntegrationState.HIDDEN, IntegrationState.REMOVING, IntegrationState.REMOVED)


@dataclass(frozen=True, slots=True)
class FilePlace:
    """One integration of the file, the path of its section, and the lines of the file."""

    said: FileIntegration
    path: str
    lines: Lines

    def refused(self, path: str, sentence: str) -> FileRefused:
        """Return the exception for something that is wrong below this section."""
        return FileRefused([FileProblem(f"{self.path}.{path}", sentence)], self.lines)


def find(place: FilePlace) -> Integration | None:
    """Return the integration of that name and kind; None when it is a new one. Raises FileRefused."""
    name = place.said.display_name.strip()
    named = select(Integration).where(Integration.name == name, Integration.kind == place.said.kind)
    found = db.session.scalars(named.where(Integration.state.not_in(_GONE))).all()
    if len(found) > 1:
        raise place.refused(
            "display_name", f"{len(found)} integrations are called {name}; rename all but one on their pages."
        )
    return found[0] if found else None


def state_of(integration: Integration | None, place: FilePlace) -> WizardState:
    """Return the state of the wizard; of a new integration an empty one that is stored nowhere."""
    if integration is not None:
        return WizardState(integration)
    return WizardState(Integration(kind=place.said.kind, name=place.said.display_name, pages=[]))


def current(state: WizardState) -> Configuration:
    """Return what is in force; of an integration that was never finished its drafts."""
    is_draft = state.integration.state in {IntegrationState.DRAFT, None}
    return state.draft if is_draft else state.in_force


def record_of(state: WizardState, page: str, place: FilePlace) -> Any:
    """Return the record that the page would become. Raises FileRefused with what its page complains of."""
    said = place.said.said(page)
    named = {name: secret for name, secret in said.items() if name in SECRET_FIELDS}
    secrets, problems = look_up(named, f"{place.path}.{page}")
    if problems:
        raise FileRefused(problems, place.lines)
    target = put(getattr(current(state), page), said)
    if page == SERVER:
        target = msgspec.structs.replace(target, display_name=place.said.display_name)
    record, problems = checked(state, page, target, secrets, place.path)
    if problems:
        raise FileRefused(problems, place.lines)
    return record


def is_same(before: msgspec.Struct, after: msgspec.Struct) -> bool:
    """Tell if a person decided the same in both; what Verify reads from the UEM does not count."""
    rows = (msgspec.to_builtins(before), msgspec.to_builtins(after))
    old, new = map(drafts.decided, rows)
    return old == new
