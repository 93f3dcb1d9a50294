"""What a look at the UEM changes in the row of a tag of ours."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from harmony.models import UemTag
from harmony.tagging.names import OLD


def forget_id(row: UemTag) -> None:
    """Take it that the UEM has no such tag, or calls it otherwise; the id is remembered, it may come back."""
    row.former_id = row.external_id if row.proven else None
    row.external_id = row.organization_group_id = row.checked_at = row.doubted_at = None
    row.adopted, row.problem, row.proven = False, "", True
    if row.key.startswith(OLD):
        row.retired_at = None


def confirm_id(row: UemTag) -> None:
    """Note that this UEM has shown the id with the name."""
    row.proven, row.checked_at = True, None


def note_creation(row: UemTag, group: str) -> None:
    """Note that we are about to make it in this group."""
    row.organization_group_id, row.problem = group, ""


def record_id(
    row: UemTag, external_id: str, group: str | None = None, empty_since: datetime | None = None
) -> None:
    """Take its id. Who carries one that was there before has to be looked up; nobody carries a new one."""
    row.external_id, row.problem, row.checked_at, row.proven = external_id, "", empty_since, True
    row.organization_group_id = group or row.organization_group_id
    if row.former_id == external_id:
        row.former_id = None


def accept_given_id(row: UemTag, external_id: str, group: str, empty_since: datetime | None = None) -> None:
    """Take the id of a tag that a person gave us."""
    record_id(row, external_id, group, empty_since)
    row.adopted = True


def record_problem(row: UemTag, sentence: str, current_time: datetime) -> None:
    """Note why it cannot be used."""
    row.problem, row.checked_at, row.organization_group_id = sentence[:1024], current_time, None


def split_former(session: Session, integration_id: int, key: str, now: datetime) -> None:
    """Give the id that a tag had before a row of its own, to be taken off every device."""
    row = session.get(UemTag, (integration_id, key))
    if row is None or row.former_id is None:
        return
    former = (integration_id, f"{OLD}{row.former_id}")
    if session.get(UemTag, former) is None:
        session.add(
            UemTag(
                integration_id=integration_id, key=former[1], name=row.name, external_id=row.former_id,
                organization_group_id=row.organization_group_id, retired_at=now, kept_off=True, problem="",
            )
        )  # fmt: skip
    row.former_id = None
