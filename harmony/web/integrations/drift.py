"""The drift of an integration: changes on its pages since a configuration file was applied."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from harmony.db import db
from harmony.models import AppliedFile, Integration
from harmony.models.configuration import PAGES, from_row
from harmony.web.wizard.differences import differences, without_secrets
from harmony.web.wizard.steps import STEPS


@dataclass(frozen=True, slots=True)
class Drift:
    """The file that was applied last, and a line for each setting that is another one since."""

    name: str
    at: datetime
    lines: list[str]


def drift(integration: Integration) -> Drift | None:
    """Return what differs from the last applied file; None when no file was ever applied."""
    applied = db.session.get(AppliedFile, integration.id)
    if applied is None:
        return None
    in_force = integration.in_force
    lines = [
        f"{step.title}, {line}"
        for page, step in STEPS.items()
        for line in differences(
            step,
            from_row(PAGES[page], applied.values.get(page)),
            without_secrets(page, getattr(in_force, page)),
        )
    ]
    return Drift(applied.name, applied.at, lines)
