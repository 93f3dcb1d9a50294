"""The policy in force, as one record."""

from __future__ import annotations

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.models import Policy, PolicyRecord


def in_force(session: Session) -> tuple[int, PolicyRecord]:
    """The newest version and what it says; version 0 with its defaults while nobody has changed any."""
    row = session.scalar(select(Policy).order_by(Policy.version.desc()).limit(1))
    return (row.version, msgspec.convert(row.values, PolicyRecord)) if row else (0, PolicyRecord())
