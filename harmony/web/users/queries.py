"""Users with their state and last use; the device groups that a scope may hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from harmony.clock import within
from harmony.db import db
from harmony.models import Device, ExternalIdentity, Integration, Invitation, SignInSession, User
from harmony.security.invitations import VALID_FOR
from harmony.security.principal import group_key


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user as the list shows one."""

    user: User
    seen_at: datetime | None
    invited_at: datetime | None
    subject: str | None

    def state(self, now: datetime) -> str:
        """Return the state: disabled, invited, active, by single sign-on only, or no way in yet."""
        if self.user.disabled_at is not None:
            return "disabled"
        if self.invited_at is not None and within(self.invited_at, VALID_FOR, now):
            return "invited"
        if self.user.password_hash:
            return "active"
        return "expired" if self.subject is None else "single_sign_on"


@dataclass(frozen=True, slots=True)
class GroupOption:
    """A device group that can be chosen for a scope; `count` is of its devices."""

    value: str
    label: str
    detail: str
    count: int | None
    checked: bool


def user_rows(user_id: int | None = None) -> list[UserRow]:
    """Return every user by name, or one of them."""
    seen = select(SignInSession.user_id, func.max(SignInSession.seen_at).label("at"))
    last = seen.group_by(SignInSession.user_id).subquery()
    query = (
        select(User, last.c.at, Invitation.created_at, ExternalIdentity.subject)
        .outerjoin(last, last.c.user_id == User.id)
        .outerjoin(Invitation, Invitation.user_id == User.id)
        .outerjoin(ExternalIdentity, ExternalIdentity.user_id == User.id)
        .order_by(User.name_key)
    )
    if user_id is not None:
        query = query.where(User.id == user_id)
    return [UserRow(*row) for row in db.session.execute(query)]


def group_options(chosen: Iterable[str]) -> list[GroupOption]:
    """Return the groups that devices are in, by integration and name, then chosen ones that are empty."""
    query = (
        select(Integration.id, Integration.name, Device.group_id, func.max(Device.group_name), func.count())
        .join(Device, Device.integration_id == Integration.id)
        .where(Device.group_id != "", Device.deleted_at.is_(None))
        .group_by(Integration.id, Integration.name, Device.group_id)
    )
    wanted, found = set(chosen), []
    for integration_id, integration, group_id, name, count in db.session.execute(query):
        key = group_key(integration_id, group_id)
        found.append(GroupOption(key, name or group_id, integration, count, key in wanted))
    known = {option.value for option in found}
    empty = [GroupOption(key, key, "no device is in it now", 0, True) for key in sorted(wanted - known)]
    return sorted(found, key=lambda option: (option.detail, option.label)) + empty
