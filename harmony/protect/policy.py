"""The policy in force: the newest version, or the defaults while nobody has changed them."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.models import Policy, PolicyRecord
from harmony.models.configuration import from_row


def in_force(session: Session) -> tuple[int, PolicyRecord]:
    """The version and what it says; version 0 are the defaults."""
    newest = session.execute(select(Policy.version, Policy.values).order_by(Policy.version.desc()).limit(1))
    found = newest.first()
    return (found.version, from_row(PolicyRecord, found[1])) if found else (0, PolicyRecord())
