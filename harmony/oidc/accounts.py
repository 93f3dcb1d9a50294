"""Accounts of people at the provider: matched by issuer and subject, never by a name or an address."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.models import AuditEntry, ExternalIdentity, Role, User
from harmony.oidc.errors import NoAccess
from harmony.oidc.identity import VerifiedIdentity
from harmony.security.user_changes import end_notices, is_last_administrator, stored_scope
from harmony.security.users import LONGEST_NAME, name_key

log = logging.getLogger(__name__)

_KEPT = "The last administrator with a password signed in at the provider, and stays administrator."
_CHANGED, _STAYED = "Got another role", "Stayed administrator"
_ROOM_FOR_NUMBER, _NAMELESS = 16, "user"

# No password fits: whoever signs in at the provider has none here.
_NO_PASSWORD = ""


def account_for(session: Session, identity: VerifiedIdentity, role: str, now: datetime) -> User:
    """Return the account of a person with role and scope of this sign-in, a new one at the first.

    Inside `write()` only. Raises NoAccess for a disabled account.
    """
    known = _known(session, identity)
    if known is None:
        return _created(session, identity, role, now)
    user = session.get_one(User, known.user_id)
    if user.disabled_at is not None:
        raise NoAccess("Your account is disabled.")
    known.signed_in_at = now
    if user.role != role:
        _change_role(session, user, role, now)
    _narrow(user, identity.result.groups)
    if user.scope is not None:
        end_notices(session, user.id)
    return user


def _change_role(session: Session, user: User, role: str, now: datetime) -> None:
    """Follow the rules, but never to the point where nobody can administer without the provider."""
    if is_last_administrator(session, user):
        log.warning("%s The rules of the provider make them %s.", _KEPT, role)
        _note_stay(session, user.name, f"last one with a password; {role} by the provider", now)
        return
    changes = [("Role", user.role, role)]
    audit(session, user.name, _CHANGED, now, detail="by the provider", changes=changes)
    user.role = role


def _note_stay(session: Session, name: str, detail: str, now: datetime) -> None:
    """Record that somebody keeps the role against the rules: once, not at each sign-in."""
    of_role = select(AuditEntry.what, AuditEntry.detail).where(
        AuditEntry.who == name, AuditEntry.what.in_((_CHANGED, _STAYED))
    )
    newest = session.execute(of_role.order_by(AuditEntry.id.desc()).limit(1)).one_or_none()
    if newest != (_STAYED, detail):
        audit(session, name, _STAYED, now, detail=detail)


def _narrow(user: User, groups: Sequence[str]) -> None:
    """Set the scope of a rule that names device groups; one without them leaves that of the account."""
    if groups:
        user.scope = stored_scope(Role(user.role), groups)


def has_identity(session: Session, user_id: int) -> bool:
    """Tell if a user signs in through a provider."""
    return session.get(ExternalIdentity, user_id) is not None


def _known(session: Session, identity: VerifiedIdentity) -> ExternalIdentity | None:
    return session.scalar(
        select(ExternalIdentity).where(
            ExternalIdentity.issuer == identity.issuer, ExternalIdentity.subject == identity.subject
        )
    )


def _created(session: Session, identity: VerifiedIdentity, role: str, now: datetime) -> User:
    name = _free_name(session, identity.name)
    user = User(name=name, name_key=name_key(name), role=role, password_hash=_NO_PASSWORD, created_at=now)
    _narrow(user, identity.result.groups)
    session.add(user)
    session.flush()
    session.add(
        ExternalIdentity(
            user_id=user.id,
            issuer=identity.issuer,
            subject=identity.subject,
            created_at=now,
            signed_in_at=now,
        )
    )
    audit(session, name, "Got an account", now, detail=f"{role}, by the provider")
    return user


def _free_name(session: Session, wanted: str) -> str:
    """Return a name that no account has: the wanted one, or with a number."""
    while len(name_key(wanted)) > LONGEST_NAME - _ROOM_FOR_NUMBER:  # folding may lengthen a name
        wanted = wanted[:-1]
    wanted = wanted.strip() or _NAMELESS
    number, name = 1, wanted
    while not _is_free(session, name):
        number += 1
        name = f"{wanted} ({number})"
    return name


def _is_free(session: Session, name: str) -> bool:
    key = name_key(name)
    return len(key) <= LONGEST_NAME and session.scalar(select(User.id).where(User.name_key == key)) is None
