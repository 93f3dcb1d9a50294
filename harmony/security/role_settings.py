"""The switches of the roles: which of them see no personal data."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from harmony.audit import audit
from harmony.db import db, write
from harmony.models import Role, RoleSettings


def hiding() -> dict[str, bool]:
    """Return which roles have personal data hidden from them."""
    return {row.role: row.hides_personal_data for row in db.session.scalars(select(RoleSettings))}


def hide_personal_data(role: Role, hides: bool, by: str, now: datetime) -> None:
    """Hide personal data from a role, or show them again."""
    with write() as session:
        row = session.get(RoleSettings, role.value)
        if row is None:
            row = RoleSettings(role=role.value, hides_personal_data=False)
            session.add(row)
        if row.hides_personal_data != hides:
            row.hides_personal_data = hides
            what = "Hid personal data from a role" if hides else "Showed personal data to a role"
            audit(session, by, what, now, detail=role.value)
