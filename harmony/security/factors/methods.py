"""The ways in that a user has, and the rule that nobody is left without one."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from harmony.models import Passkey, SignInSession, User
from harmony.security.factors import passkeys, pending, recovery_codes, totp

# A lost device must not be a lost account: without a password, one passkey is not enough.
FEWEST_PASSKEYS = 2


@dataclass(frozen=True, slots=True)
class SignInMethods:
    """The ways in that a user has at present."""

    has_password: bool
    password_off: bool
    has_totp: bool
    codes_left: int
    passkeys: tuple[Passkey, ...]

    @property
    def has_second_factor(self) -> bool:
        """Tell if the password alone does not let this user in."""
        return self.has_totp or bool(self.passkeys)

    def may_drop_password(self, rp_id: str | None) -> bool:
        """Tell if enough passkeys work at the present address."""
        return sum(passkey.rp_id == rp_id for passkey in self.passkeys) >= FEWEST_PASSKEYS

    @property
    def may_drop_passkey(self) -> bool:
        """Tell if the user keeps enough ways in without one of the passkeys."""
        return not self.password_off or len(self.passkeys) > FEWEST_PASSKEYS


def methods_of(user: User) -> SignInMethods:
    """Load what a user can sign in with."""
    return SignInMethods(
        has_password=bool(user.password_hash) and not user.password_off,
        password_off=user.password_off,
        has_totp=totp.is_set_up(user.id),
        codes_left=recovery_codes.left(user.id),
        passkeys=tuple(passkeys.passkeys_of(user.id)),
    )


def reset(session: Session, user_id: int) -> None:
    """Forget every factor but the password, let it count again, and end all sessions.

    Inside `write()` only.
    """
    totp.remove(session, user_id)
    recovery_codes.remove(session, user_id)
    passkeys.remove_all(session, user_id)
    pending.close_all(session, user_id)
    session.execute(update(User).where(User.id == user_id).values(password_off=False))
    session.execute(delete(SignInSession).where(SignInSession.user_id == user_id))


def has_second_factor(user_id: int) -> bool:
    """Tell if a user has a second factor."""
    return totp.is_set_up(user_id) or bool(passkeys.passkeys_of(user_id))


def drop_codes_without_factor(session: Session, user_id: int) -> None:
    """Forget recovery codes that stand in for nothing any more. Inside `write()` only."""
    session.flush()
    if not has_second_factor(user_id):
        recovery_codes.remove(session, user_id)
