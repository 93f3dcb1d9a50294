"""Changes of users by an administrator: invite, reset, disable, give another role; never the last one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.db import write
from harmony.models import NoticeSubscription, PendingSignIn, Role, SignInSession, User
from harmony.security import invitations, users


class LastAdministrator(Exception):
    """The change would leave nobody to administer the dashboard."""

    sentence = (
        "This is the last administrator who can sign in. Make another user administrator first. "
        "Nothing was changed."
    )


def invite(name: str, role: Role, scope: Iterable[str] | None, by: str, now: datetime) -> tuple[int, str]:
    """Create a user without a password. Return their id and the token that lets them choose one.

    Raises UserExists, UnfitName.
    """
    if problem := users.name_problem(name):
        raise users.UnfitName(problem)
    user = User(
        name=name.strip(), name_key=users.name_key(name), role=role.value, password_hash="", created_at=now,
        scope=stored_scope(role, scope),
    )  # fmt: skip
    with write() as session:
        users.add(session, user)
        session.flush()
        token = invitations.issue(session, user.id, now)
        audit(session, by, "Invited a user", now, detail=f"{user.name} as {_access(role, user.scope)}")
        return user.id, token


def reset(user_id: int, by: str, now: datetime) -> str:
    """Take a user's password away and end their sessions. Return the token that lets them choose another."""
    with write() as session:
        user = session.get_one(User, user_id)
        _require_another(session, user)
        user.password_hash = ""
        _end_sessions(session, user_id)
        audit(session, by, "Reset a password", now, detail=user.name)
        return invitations.issue(session, user_id, now)


def change_access(user_id: int, role: Role, scope: Iterable[str] | None, by: str, now: datetime) -> None:
    """Give a user another role and scope. Counts from their next request on. Raises LastAdministrator."""
    with write() as session:
        user = session.get_one(User, user_id)
        if role is not Role.ADMINISTRATOR:
            _require_another(session, user)
        before = _access(Role(user.role), user.scope)
        user.role, user.scope = role.value, stored_scope(role, scope)
        if user.scope is not None:
            end_notices(session, user_id)
        after = _access(role, user.scope)
        if after != before:
            audit(session, by, "Changed a user", now, detail=f"{user.name}: {before} → {after}")


def disable(user_id: int, by: str, now: datetime) -> None:
    """Keep a user from signing in, and end their sessions. Raises LastAdministrator."""
    with write() as session:
        user = session.get_one(User, user_id)
        if user.disabled_at is not None:
            return
        _require_another(session, user)
        user.disabled_at = now
        end_notices(session, user_id)
        _end_sessions(session, user_id)
        invitations.withdraw(session, user_id)
        audit(session, by, "Disabled a user", now, detail=user.name)


def enable(user_id: int, by: str, now: datetime) -> None:
    """Let a disabled user sign in again."""
    with write() as session:
        user = session.get_one(User, user_id)
        if user.disabled_at is not None:
            user.disabled_at = None
            audit(session, by, "Enabled a user", now, detail=user.name)


def end_all_sessions(user_id: int, by: str, now: datetime) -> None:
    """Sign a user out everywhere."""
    with write() as session:
        user = session.get_one(User, user_id)
        _end_sessions(session, user_id)
        audit(session, by, "Ended all sessions of a user", now, detail=user.name)


def remove(user_id: int, by: str, now: datetime) -> None:
    """Delete a user with their sessions and notices; the audit keeps the name. Raises LastAdministrator."""
    with write() as session:
        user = session.get_one(User, user_id)
        _require_another(session, user)
        session.execute(delete(User).where(User.id == user_id))
        audit(session, by, "Removed a user", now, detail=user.name)


def stored_scope(role: Role, scope: Iterable[str] | None) -> list[str] | None:
    """Return a scope as it is stored; an administrator has none."""
    return None if scope is None or role is Role.ADMINISTRATOR else sorted(set(scope))


def is_last_administrator(session: Session, user: User) -> bool:
    """Tell whether nobody but `user` can administer with a password. Locks these rows."""
    able = select(User.id).where(
        User.role == Role.ADMINISTRATOR.value, User.disabled_at.is_(None), User.password_hash != ""
    )
    return set(session.scalars(able.order_by(User.id).with_for_update())) == {user.id}


def _require_another(session: Session, user: User) -> None:
    """Raise LastAdministrator if nobody but `user` can administer."""
    if is_last_administrator(session, user):
        raise LastAdministrator


def _end_sessions(session: Session, user_id: int) -> None:
    for row in (SignInSession, PendingSignIn):
        session.execute(delete(row).where(row.user_id == user_id))


def end_notices(session: Session, user_id: int) -> None:
    """Stop the notices of a user: they tell of all devices, and go out without a sign-in."""
    session.execute(delete(NoticeSubscription).where(NoticeSubscription.user_id == user_id))


def _access(role: Role, scope: list[str] | None) -> str:
    groups = "" if scope is None else f", {len(scope)} device group{'s' if len(scope) != 1 else ''}"
    return role.value + groups
