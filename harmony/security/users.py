"""Accounts: creating one, checking a name with its password, giving a new password."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from datetime import datetime

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.db import changed, db, release, write
from harmony.models import Invitation, PendingSignIn, Role, SignInSession, User
from harmony.security.passwords import (
    TooManyAtOnce,
    check_password,
    hash_password,
    needs_rehash,
    password_problem,
)

LONGEST_NAME = 64


class UserExists(Exception):
    """The name, in whatever spelling, is taken."""


class UnknownUser(Exception):
    """Nobody has that name."""


class UnfitName(Exception):
    """Carries the sentence that says why the name is refused."""


class UnfitPassword(Exception):
    """Carries the sentence that says why the password is refused, never the password."""


def name_key(name: str) -> str:
    """Return the spelling by which accounts are distinguished."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


def name_problem(name: str) -> str | None:
    """Return one sentence saying why `name` is refused; None when it is fit."""
    if not name.strip() or not name_key(name):
        return "A user needs a name."
    if max(len(name.strip()), len(name_key(name))) > LONGEST_NAME:
        return f"A user name has at most {LONGEST_NAME} characters."
    if not name.strip().isprintable():
        return "A user name consists of characters that can be seen."
    return None


def any_user() -> bool:
    """Tell whether there is any user."""
    return bool(db.session.scalar(select(exists().where(User.id.is_not(None)))))


def find(name: str) -> User | None:
    """Return the user of that name, in whatever spelling."""
    return db.session.scalar(select(User).where(User.name_key == name_key(name)))


def every() -> list[User]:
    """Return every user by name."""
    return list(db.session.scalars(select(User).order_by(User.name_key)))


def new_user(name: str, password: str, role: Role, now: datetime) -> User:
    """Return a user that is not stored yet. Slow (one hash). Raises UnfitName and UnfitPassword."""
    if problem := name_problem(name):
        raise UnfitName(problem)
    _require_fit(password, name)
    return User(
        name=name.strip(),
        name_key=name_key(name),
        role=role.value,
        password_hash=hash_password(password),
        created_at=now,
    )


def add(session: Session, user: User) -> None:
    """Store a new user. Inside `write()` only. Raises UserExists."""
    if session.scalar(select(User.id).where(User.name_key == user.name_key)) is not None:
        raise UserExists
    session.add(user)


def create_user(name: str, password: str, role: Role, now: datetime) -> User:
    """Create an account. Raises UserExists, UnfitName, UnfitPassword."""
    user = new_user(name, password, role, now)
    with write() as session:
        add(session, user)
    return user


def authenticate(name: str, password: str) -> User | None:
    """Return the user whose password this is.

    None, after the same time, for a wrong password, an unknown name and a disabled user.

    None likewise where the password is right and switched off. Raises TooManyAtOnce.
    """
    user = find(name)
    stored = user.password_hash if user else None
    release()  # the check takes long, and no read should stay open for it
    # The password is looked at whatever follows, so that the time tells nothing.
    if not check_password(stored, password) or user is None or stored is None:
        return None
    if user.disabled_at or user.password_off:
        return None
    if needs_rehash(stored):
        with suppress(TooManyAtOnce):  # the next sign-in renews it
            _renew_hash(user.id, stored, hash_password(password))
    return user


def set_password(name: str, password: str) -> None:
    """Give a user a new password, which counts from now on, and end all of that user's sessions.

    Raises UnknownUser, UnfitPassword.
    """
    user = find(name)
    if user is None:
        raise UnknownUser
    _require_fit(password, user.name)
    user_id, hashed = user.id, hash_password(password)
    with write() as session:
        session.execute(
            update(User).where(User.id == user_id).values(password_hash=hashed, password_off=False)
        )
        for row in (SignInSession, Invitation, PendingSignIn):
            session.execute(delete(row).where(row.user_id == user_id))


def change_password(user: User, password: str, now: datetime) -> None:
    """Give a user, who has proved who they are, another password. Raises TooManyAtOnce."""
    user_id, name, former = user.id, user.name, user.password_hash
    release()  # hashing takes long, and no read should stay open for it
    hashed = hash_password(password)
    with write() as session:
        # Only over the hash that was proved: a reset in between must stay.
        own = (User.id == user_id, User.password_hash == former)
        if changed(session, update(User).where(*own).values(password_hash=hashed)):
            audit(session, name, "Changed the own password", now)


def _require_fit(password: str, name: str) -> None:
    if problem := password_problem(password, name):
        raise UnfitPassword(problem)


def _renew_hash(user_id: int, old: str, new: str) -> None:
    with write() as session:
        # Only over the hash that was checked: a reset in between must stay.
        session.execute(
            update(User).where(User.id == user_id, User.password_hash == old).values(password_hash=new)
        )
